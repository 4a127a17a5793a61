//! The interactive shell: reads lines, runs what is complete, survives everything but Ctrl-D.

pub mod command;
mod complete;
mod edit;
mod highlight;
mod history;
mod keywords;
mod lexer;
mod line;
mod prompt;
mod validate;

use nyala_node::{Error, ErrorCode};
use reedline::{HistoryItem, Reedline, Signal};

use crate::exit::Failure;
use crate::interrupt;
use crate::script::Script;
use crate::statement::Runner;
use crate::terminal;
use command::Flow;
use prompt::ShellPrompt;

/// Runs until the person leaves.
///
/// # Errors
/// When the terminal cannot be read.
pub fn run(runner: &mut Runner) -> Result<(), Failure> {
    interrupt::enter_shell();
    if !runner.settings.quiet {
        terminal::tell(&format!(
            "Nyala {}. End SQL with a semicolon; \\? lists commands, Ctrl-D leaves.",
            env!("CARGO_PKG_VERSION")
        ));
    }
    let mut editor = line::editor(&runner.client);
    // Of the open transaction, just before.
    let mut warned = false;
    loop {
        let prompt = ShellPrompt { transaction: runner.client.transaction(), node: runner.client.node() };
        let signal = editor.read_line(&prompt).map_err(|error| {
            Failure::Usage(Error::new(ErrorCode::FileAccess, format!("cannot read the terminal: {error}")))
        })?;
        match signal {
            Signal::Success(text) => match run_line(runner, &mut editor, text)? {
                Flow::Quit if may_leave(runner, &mut warned) => return Ok(()),
                Flow::Quit => {}
                Flow::Continue | Flow::Edited(_) => warned = false,
            },
            Signal::CtrlD if may_leave(runner, &mut warned) => return Ok(()),
            // The line was given up; other signals are for those who ask for them.
            _ => {}
        }
    }
}

/// Whoever leaves with an open transaction that has changed something is told once what that means.
fn may_leave(runner: &Runner, warned: &mut bool) -> bool {
    if *warned || !runner.client.has_changes() {
        return true;
    }
    *warned = true;
    terminal::tell(
        "A transaction is open: leaving rolls its changes back. COMMIT keeps them; leave once more to give them up.",
    );
    false
}

/// What was typed, and then what `\e` made of it.
fn run_line(runner: &mut Runner, editor: &mut Reedline, text: String) -> Result<Flow, Failure> {
    let mut text = text;
    loop {
        interrupt::forget();
        // Histories are a convenience: a full disk shall not end the session.
        let _ = editor.sync_history();
        let script = Script { origin: None, text: spelled_out(text) };
        text = match script.run(runner) {
            Ok(Flow::Edited(edited)) => {
                terminal::tell(edited.trim_end());
                // What was edited can be called back; losing it from history is no reason to stop.
                let _ = editor.history_mut().save(HistoryItem::from_command_line(edited.trim_end()));
                edited
            }
            Ok(flow) => return Ok(flow),
            Err(Failure::Interrupted) => {
                terminal::tell("cancelled");
                return Ok(Flow::Continue);
            }
            Err(Failure::Reported | Failure::PluginFailed) => return Ok(Flow::Continue),
            Err(Failure::Sql(error) | Failure::Usage(error)) => {
                terminal::print_error(&error, &script.text, None);
                return Ok(Flow::Continue);
            }
            Err(failure @ (Failure::Connection(_) | Failure::PipeClosed)) => return Err(failure),
        };
    }
}

/// The words that people try first, as the commands they stand for.
fn spelled_out(text: String) -> String {
    match plain_command(&text) {
        Some(command) => command.to_owned(),
        None => text,
    }
}

/// The command that a word without a backslash stands for.
fn plain_command(text: &str) -> Option<&'static str> {
    match text.trim().trim_end_matches(';').to_lowercase().as_str() {
        "quit" | "exit" => Some("\\q"),
        "help" => Some("\\?"),
        _ => None,
    }
}
