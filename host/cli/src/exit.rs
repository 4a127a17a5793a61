//! How the program ends: one failure type, one table of exit statuses.

use std::io;
use std::process::ExitCode;

use nyala_node::{Error, ErrorCode};

use crate::{interrupt, terminal};

pub const FINE: u8 = 0;
pub const USAGE: u8 = 1;
pub const CONNECTION: u8 = 2;
pub const SQL: u8 = 3;
pub const INTERRUPTED: u8 = 130;

/// Why the program stops before its work is done.
#[derive(Debug)]
pub enum Failure {
    /// The command line asks for what cannot be done: a missing file, a bad option.
    Usage(Error),
    /// The data directory or server cannot be opened.
    Connection(Error),
    /// A statement failed, or its result could not be written.
    Sql(Error),
    /// As `Sql`, and the user has been told already.
    Reported,
    /// A plugin does not build or does not pass its checks; the author has been told.
    PluginFailed,
    Interrupted,
    /// Whoever read our output has gone, as `head` does: not a failure.
    PipeClosed,
}

impl Failure {
    pub fn usage(message: impl Into<String>) -> Self {
        Self::Usage(Error::new(ErrorCode::InvalidParameter, message))
    }

    pub fn status(&self) -> u8 {
        match self {
            Self::PipeClosed => FINE,
            Self::Usage(_) | Self::PluginFailed => USAGE,
            Self::Connection(_) => CONNECTION,
            Self::Sql(_) | Self::Reported => SQL,
            Self::Interrupted => INTERRUPTED,
        }
    }

    /// What the user has not been told yet.
    fn untold(&self) -> Option<&Error> {
        match self {
            Self::Usage(error) | Self::Connection(error) | Self::Sql(error) => Some(error),
            Self::Reported | Self::PluginFailed | Self::Interrupted | Self::PipeClosed => None,
        }
    }
}

/// A failed write to `what`, which is a path or `standard output`.
pub fn write_failure(what: &str, error: &io::Error) -> Failure {
    if error.kind() == io::ErrorKind::BrokenPipe {
        return Failure::PipeClosed;
    }
    Failure::Sql(Error::new(ErrorCode::FileAccess, format!("cannot write to {what}: {error}")))
}

/// Errors of running SQL. A query that the user cancelled is an interruption; that somebody else did is news to the user.
impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        match error.code() {
            ErrorCode::Cancelled if interrupt::requested() => Self::Interrupted,
            _ => Self::Sql(error),
        }
    }
}

/// Tells the user what has gone wrong and turns it into the exit status.
pub fn report(outcome: Result<(), Failure>) -> ExitCode {
    let Err(failure) = outcome else { return ExitCode::from(FINE) };
    match (&failure, failure.untold()) {
        (Failure::Usage(_), Some(error)) => terminal::print_plain_error(error),
        (_, Some(error)) => terminal::print_error(error, "", None),
        (_, None) => {}
    }
    ExitCode::from(failure.status())
}

/// Prints clap's message; its help and version go to standard output and are no failure.
pub fn of_clap(error: &clap::Error) -> ExitCode {
    // Nothing is left to do when even this cannot be written.
    let _ = error.print();
    ExitCode::from(if error.use_stderr() { USAGE } else { FINE })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_failure_has_its_status() {
        let error = || Error::internal("x");
        assert_eq!(Failure::Usage(error()).status(), 1);
        assert_eq!(Failure::Connection(error()).status(), 2);
        assert_eq!(Failure::Sql(error()).status(), 3);
        assert_eq!(Failure::Reported.status(), 3);
        assert_eq!(Failure::PluginFailed.status(), 1);
        assert_eq!(Failure::Interrupted.status(), 130);
        assert_eq!(Failure::from(Error::cancelled()).status(), 3, "nobody pressed Ctrl-C");
        assert_eq!(Failure::PipeClosed.status(), 0);
    }

    #[test]
    fn a_closed_pipe_is_no_failure() {
        let closed = io::Error::from(io::ErrorKind::BrokenPipe);
        assert!(matches!(write_failure("standard output", &closed), Failure::PipeClosed));
        let full = io::Error::from(io::ErrorKind::StorageFull);
        assert_eq!(write_failure("out.csv", &full).status(), 3);
    }
}
