//! One user's conversation with the engine: options, and one statement at a time.

use nyala_schema::option::Options;
use nyala_schema::{Error, Result};

use crate::answer::Answer;

pub struct Session {}

/// Cancels what a session runs, from any thread.
#[derive(Clone)]
pub struct CancelHandle {}

/// What completion offers.
#[derive(Debug, Clone, Default)]
pub struct Names {
    pub tables: Vec<String>,
    /// Pairs of table and column.
    pub columns: Vec<(String, String)>,
    pub functions: Vec<String>,
    pub keywords: Vec<String>,
}

impl Session {
    /// Cuts a script into statements by its semicolons (those in quotes, comments and dollar quotes do not count).
    /// Each comes with the line (from 1) where it starts. The last may be incomplete.
    pub fn split(script: &str) -> Vec<(u32, String)> {
        vec![(1, script.to_owned())]
    }

    /// Whether `text` ends a statement: what an interactive shell asks before it runs a line.
    pub fn is_complete(text: &str) -> bool {
        text.trim_end().ends_with(';')
    }

    /// Runs one statement.
    ///
    /// # Errors
    /// With code, message and, where known, position in `sql` and a hint.
    pub fn execute(&mut self, _sql: &str) -> Result<Answer> {
        Err(Error::unsupported("the engine is not wired yet"))
    }

    pub fn options(&self) -> &Options {
        unimplemented_options()
    }

    /// # Errors
    /// Unknown option or value.
    pub fn set(&mut self, _name: &str, _value: &str) -> Result<()> {
        Err(Error::unsupported("the engine is not wired yet"))
    }

    pub fn cancel_handle(&self) -> CancelHandle {
        CancelHandle {}
    }

    /// Names for completion and for `\d`.
    pub fn names(&self) -> Names {
        Names::default()
    }
}

impl CancelHandle {
    pub fn cancel(&self) {}
}

fn unimplemented_options() -> &'static Options {
    static OPTIONS: std::sync::OnceLock<Options> = std::sync::OnceLock::new();
    OPTIONS.get_or_init(Options::default)
}
