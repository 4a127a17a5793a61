//! Scripts: statements and shell commands, from a file, the command line or standard input.

use std::io::Read;
use std::path::Path;

use nyala_node::{Error, ErrorCode, Session};

use crate::arguments::Source;
use crate::exit::Failure;
use crate::interrupt;
use crate::shell::command::{self, Flow};
use crate::statement::Runner;
use crate::terminal;

/// A text to run and where it comes from.
pub struct Script {
    /// A path or `standard input`; nothing for SQL of the command line.
    pub origin: Option<String>,
    pub text: String,
}

/// One thing that a script does.
#[derive(Debug, PartialEq, Eq)]
struct Step {
    /// Where it starts, from 1.
    line: u32,
    text: String,
    kind: StepKind,
}

#[derive(Debug, PartialEq, Eq, Clone, Copy)]
enum StepKind {
    Statement,
    /// A line that starts with a backslash.
    ShellCommand,
}

impl Script {
    /// # Errors
    /// `Usage` for a file that cannot be read or is not UTF-8.
    pub fn load(source: &Source) -> Result<Self, Failure> {
        match source {
            Source::Text(text) => Ok(Self { origin: None, text: text.clone() }),
            Source::File(path) if path == Path::new("-") => Self::stdin(),
            Source::File(path) => Self::file(path).map_err(Failure::Usage),
        }
    }

    /// # Errors
    /// `FileAccess` for a file that cannot be read or is not UTF-8.
    pub fn file(path: &Path) -> Result<Self, Error> {
        let text = std::fs::read_to_string(path).map_err(|error| {
            Error::new(ErrorCode::FileAccess, format!("cannot read {}: {error}", path.display()))
        })?;
        Ok(Self { origin: Some(path.display().to_string()), text })
    }

    /// # Errors
    /// `Usage` when standard input is not UTF-8.
    pub fn stdin() -> Result<Self, Failure> {
        let mut text = String::new();
        std::io::stdin()
            .read_to_string(&mut text)
            .map_err(|error| Failure::usage(format!("cannot read standard input: {error}")))?;
        Ok(Self { origin: Some("standard input".to_owned()), text })
    }

    /// Runs it and tells of every error. By the settings of `runner`, the first one ends the script.
    ///
    /// # Errors
    /// `Reported` when a statement failed; what ends the program at once.
    pub fn run(&self, runner: &mut Runner) -> Result<Flow, Failure> {
        let mut any_failed = false;
        for step in steps(&self.text) {
            if interrupt::requested() {
                return Err(Failure::Interrupted);
            }
            let outcome = match step.kind {
                StepKind::Statement => runner.run(&step.text).map(|()| Flow::Continue),
                StepKind::ShellCommand => command::run(runner, &step.text),
            };
            match outcome {
                Ok(Flow::Continue) => {}
                Ok(_) if any_failed => return Err(Failure::Reported),
                Ok(flow @ (Flow::Quit | Flow::Edited(_))) => return Ok(flow),
                Err(Failure::Sql(error)) => {
                    any_failed = true;
                    terminal::print_error(&error, &step.text, self.place(&step, &error).as_deref());
                }
                Err(Failure::Reported) => any_failed = true,
                Err(failure) => return Err(failure),
            }
            if any_failed && !runner.settings.keep_going {
                break;
            }
        }
        if any_failed { Err(Failure::Reported) } else { Ok(Flow::Continue) }
    }

    /// `report.sql:12`, the line of the error where it is known, else that of the statement.
    fn place(&self, step: &Step, error: &Error) -> Option<String> {
        let origin = self.origin.as_ref()?;
        let inner = error.position().map_or(0, |position| position.line.saturating_sub(1));
        Some(format!("{origin}:{}", step.line + inner))
    }
}

fn steps(script: &str) -> Vec<Step> {
    let mut steps = vec![];
    let mut pending = String::new();
    let mut pending_line = 1;
    for (index, line) in script.lines().enumerate() {
        let number = index as u32 + 1;
        if line.trim_start().starts_with('\\') && ends_statement(&pending) {
            push_statements(&pending, pending_line, &mut steps);
            pending.clear();
            steps.push(Step { line: number, text: line.trim().to_owned(), kind: StepKind::ShellCommand });
            continue;
        }
        if pending.is_empty() {
            pending_line = number;
        }
        pending.push_str(line);
        pending.push('\n');
    }
    push_statements(&pending, pending_line, &mut steps);
    steps
}

/// Whether a line after `text` starts something new.
fn ends_statement(text: &str) -> bool {
    text.trim().is_empty() || Session::is_complete(text) || Session::split(text).is_empty()
}

fn push_statements(text: &str, first_line: u32, steps: &mut Vec<Step>) {
    for (line, statement) in Session::split(text) {
        if !statement.trim().is_empty() {
            let line = first_line + line.saturating_sub(1);
            steps.push(Step { line, text: statement, kind: StepKind::Statement });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outline(script: &str) -> Vec<(u32, StepKind, String)> {
        steps(script).into_iter().map(|step| (step.line, step.kind, step.text.trim().to_owned())).collect()
    }

    #[test]
    fn shell_commands_stand_between_statements() {
        let script = "\n\\timing on\nselect 1;\n  \\x\nselect\n2;";
        let outline = outline(script);
        assert_eq!(outline.len(), 4, "{outline:?}");
        assert_eq!(outline[0], (2, StepKind::ShellCommand, "\\timing on".into()));
        assert_eq!((outline[1].0, outline[1].1), (3, StepKind::Statement));
        assert_eq!(outline[2], (4, StepKind::ShellCommand, "\\x".into()));
        assert_eq!((outline[3].0, outline[3].1), (5, StepKind::Statement));
    }

    #[test]
    fn a_backslash_inside_a_statement_is_no_command() {
        let outline = outline("select '\n\\x\n';");
        assert_eq!(outline.len(), 1, "{outline:?}");
        assert_eq!(outline[0].1, StepKind::Statement);
    }

    #[test]
    fn files_that_are_not_there_are_usage_errors() {
        let source = Source::File("no/such/file.sql".into());
        assert_eq!(Script::load(&source).err().unwrap().status(), 1);
    }
}
