//! The commands that start with a backslash. One table feeds dispatch, `\?` and completion.

use std::path::Path;
use std::process::Command;

use nyala_node::{Error, ErrorCode};

use super::edit;
use crate::exit::Failure;
use crate::output::{Format, Output};
use crate::script::Script;
use crate::settings::SETTINGS;
use crate::statement::Runner;
use crate::terminal;

/// What comes after a command.
#[derive(Debug, PartialEq, Eq)]
pub enum Flow {
    Continue,
    Quit,
    /// This text is to be run: it comes from the editor.
    Edited(String),
}

type Outcome = Result<Flow, Failure>;

pub struct ShellCommand {
    /// With its backslash.
    pub name: &'static str,
    pub arguments: &'static str,
    pub description: &'static str,
    /// What completion offers for the argument.
    pub completes: Completes,
    run: fn(&mut Runner, &str) -> Outcome,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Completes {
    Nothing,
    Tables,
    Functions,
    Files,
    Options,
    Settings,
    Switch,
}

pub const COMMANDS: &[ShellCommand] = &[
    ShellCommand {
        name: "\\d",
        arguments: "[NAME]",
        description: "describe a table, view or 'file.parquet'; without a name list tables",
        completes: Completes::Tables,
        run: describe,
    },
    ShellCommand {
        name: "\\dt",
        arguments: "[PATTERN]",
        description: "list tables; * and ? are wildcards",
        completes: Completes::Tables,
        run: |runner, pattern| show(runner, "TABLES", pattern),
    },
    ShellCommand {
        name: "\\dv",
        arguments: "[PATTERN]",
        description: "list views",
        completes: Completes::Tables,
        run: |runner, pattern| show(runner, "VIEWS", pattern),
    },
    ShellCommand {
        name: "\\df",
        arguments: "[PATTERN]",
        description: "list functions, your own first",
        completes: Completes::Functions,
        run: |runner, pattern| show(runner, "FUNCTIONS", pattern),
    },
    ShellCommand {
        name: "\\l",
        arguments: "",
        description: "tell where definitions are kept",
        completes: Completes::Nothing,
        run: locate,
    },
    ShellCommand {
        name: "\\x",
        arguments: "[on|off]",
        description: "show each value on a line of its own, or again as tables",
        completes: Completes::Switch,
        run: expand,
    },
    ShellCommand {
        name: "\\timing",
        arguments: "[on|off]",
        description: "tell what each statement takes",
        completes: Completes::Switch,
        run: timing,
    },
    ShellCommand {
        name: "\\pset",
        arguments: "[NAME [VALUE]]",
        description: "show or change how results are shown: format, null, timing, pager, quiet",
        completes: Completes::Settings,
        run: present,
    },
    ShellCommand {
        name: "\\set",
        arguments: "[OPTION [VALUE]]",
        description: "show or change options of the engine, as SET does",
        completes: Completes::Options,
        run: set,
    },
    ShellCommand {
        name: "\\i",
        arguments: "FILE",
        description: "run the statements of a file",
        completes: Completes::Files,
        run: include,
    },
    ShellCommand {
        name: "\\o",
        arguments: "[FILE]",
        description: "write results to a file, which is complete at the next \\o",
        completes: Completes::Files,
        run: redirect,
    },
    ShellCommand {
        name: "\\e",
        arguments: "",
        description: "edit the last statement in $EDITOR and run it",
        completes: Completes::Nothing,
        run: edit_last,
    },
    ShellCommand {
        name: "\\!",
        arguments: "COMMAND",
        description: "run a command of the system",
        completes: Completes::Files,
        run: system,
    },
    ShellCommand {
        name: "\\?",
        arguments: "",
        description: "list these commands",
        completes: Completes::Nothing,
        run: help,
    },
    ShellCommand {
        name: "\\q",
        arguments: "",
        description: "leave (also Ctrl-D)",
        completes: Completes::Nothing,
        run: |_, _| Ok(Flow::Quit),
    },
];

/// Files that include files stop here.
const INCLUDES_MAX: usize = 32;

/// Runs a line such as `\d orders`.
///
/// # Errors
/// Those of the command; an unknown one is an SQL error, as a misspelt statement would be.
pub fn run(runner: &mut Runner, line: &str) -> Outcome {
    let (name, argument) = parts(line);
    let command = find(name).ok_or_else(|| {
        let error = Error::new(ErrorCode::Syntax, format!("there is no command '{name}'"));
        Failure::Sql(error.with_hint("\\? lists the commands"))
    })?;
    (command.run)(runner, argument)
}

/// Name and argument. `\!` needs no blank after it; a semicolon at the end is forgiven elsewhere.
pub fn parts(line: &str) -> (&str, &str) {
    let line = line.trim();
    if let Some(command) = line.strip_prefix("\\!") {
        return ("\\!", command.trim());
    }
    let line = line.trim_end_matches(';').trim_end();
    let (name, argument) = line.split_once(char::is_whitespace).unwrap_or((line, ""));
    (name, argument.trim())
}

pub fn find(name: &str) -> Option<&'static ShellCommand> {
    let plain = name.trim_end_matches('+');
    COMMANDS.iter().find(|command| command.name == plain)
}

fn describe(runner: &mut Runner, name: &str) -> Outcome {
    if name.is_empty() {
        return show(runner, "TABLES", "");
    }
    runner.run(&format!("DESCRIBE {name}"))?;
    Ok(Flow::Continue)
}

fn show(runner: &mut Runner, what: &str, pattern: &str) -> Outcome {
    runner.run(&show_statement(what, pattern))?;
    Ok(Flow::Continue)
}

fn show_statement(what: &str, pattern: &str) -> String {
    if pattern.is_empty() {
        return format!("SHOW {what}");
    }
    let like = pattern.replace('\'', "''").replace('*', "%").replace('?', "_");
    format!("SHOW {what} LIKE '{like}'")
}

fn locate(runner: &mut Runner, _argument: &str) -> Outcome {
    terminal::answer(&runner.client.location());
    Ok(Flow::Continue)
}

fn expand(runner: &mut Runner, argument: &str) -> Outcome {
    let on = match argument.to_lowercase().as_str() {
        "" => runner.settings.format != Format::Vertical,
        "on" => true,
        "off" => false,
        _ => return Err(wrong("\\x", "on or off")),
    };
    let format = if on { Format::Vertical } else { Format::Table };
    runner.settings.format = format;
    tell_setting(runner, &format!("format is {}", format.name()));
    Ok(Flow::Continue)
}

fn timing(runner: &mut Runner, argument: &str) -> Outcome {
    runner.settings.toggle_timing(argument)?;
    let now = if runner.settings.timing { "on" } else { "off" };
    tell_setting(runner, &format!("timing is {now}"));
    Ok(Flow::Continue)
}

fn present(runner: &mut Runner, argument: &str) -> Outcome {
    let (name, value) = assignment(argument);
    if let Some(value) = value {
        runner.settings.set(name, &value)?;
        return Ok(Flow::Continue);
    }
    let shown: Vec<_> = SETTINGS.iter().filter(|info| name.is_empty() || info.name == name).collect();
    if shown.is_empty() {
        // For the error, which lists the names.
        runner.settings.set(name, "")?;
    }
    for info in shown {
        tell_entry(info.name, &(info.get)(&runner.settings), info.description);
    }
    Ok(Flow::Continue)
}

fn set(runner: &mut Runner, argument: &str) -> Outcome {
    let (name, value) = assignment(argument);
    if let Some(value) = value {
        runner.client.set(name, &value)?;
        return Ok(Flow::Continue);
    }
    let options = runner.client.options()?;
    let shown: Vec<_> = options.iter().filter(|(info, _)| name.is_empty() || info.name == name).collect();
    if shown.is_empty() {
        runner.client.set(name, "")?;
    }
    for (info, value) in shown {
        tell_entry(info.name, value, info.description);
    }
    Ok(Flow::Continue)
}

/// `NAME VALUE`, `NAME = VALUE`, `NAME=VALUE`; quotes around the value are taken off.
fn assignment(argument: &str) -> (&str, Option<String>) {
    let end = argument.find(|c: char| c.is_whitespace() || c == '=').unwrap_or(argument.len());
    let (name, rest) = argument.split_at(end);
    let rest = rest.trim_start();
    let value = rest.strip_prefix('=').unwrap_or(rest).trim();
    let unquoted = value.strip_prefix('\'').and_then(|value| value.strip_suffix('\'')).unwrap_or(value);
    (name, (!value.is_empty()).then(|| unquoted.to_owned()))
}

fn include(runner: &mut Runner, argument: &str) -> Outcome {
    let path = file_argument(argument).ok_or_else(|| wrong("\\i", "the name of a file"))?;
    let script = Script::file(Path::new(path))?;
    if runner.includes >= INCLUDES_MAX {
        let message = format!("files include each other more than {INCLUDES_MAX} deep");
        return Err(Failure::Sql(Error::new(ErrorCode::TooComplex, message)));
    }
    runner.includes += 1;
    let outcome = script.run(runner);
    runner.includes -= 1;
    outcome
}

fn redirect(runner: &mut Runner, argument: &str) -> Outcome {
    let next = match file_argument(argument) {
        // A file that cannot be made is, at this place, the command's error.
        Some(path) => Output::file(Path::new(path)).map_err(|failure| match failure {
            Failure::Usage(error) => Failure::Sql(error),
            other => other,
        })?,
        None => Output::stdout(),
    };
    std::mem::replace(&mut runner.output, next).commit()?;
    Ok(Flow::Continue)
}

fn edit_last(runner: &mut Runner, _argument: &str) -> Outcome {
    if !runner.interactive {
        return Err(Failure::Sql(Error::unsupported("\\e needs a terminal")));
    }
    let edited = edit::edit(&runner.last)?;
    Ok(edited.map_or(Flow::Continue, Flow::Edited))
}

fn system(_runner: &mut Runner, command: &str) -> Outcome {
    let status = Command::new("sh").arg("-c").arg(command).status();
    match status {
        Ok(status) if status.success() => Ok(Flow::Continue),
        Ok(status) => Err(Failure::Sql(Error::new(ErrorCode::FileAccess, format!("'{command}': {status}")))),
        Err(error) => {
            Err(Failure::Sql(Error::new(ErrorCode::FileAccess, format!("cannot run '{command}': {error}"))))
        }
    }
}

fn help(_runner: &mut Runner, _argument: &str) -> Outcome {
    terminal::answer(&help_text());
    Ok(Flow::Continue)
}

fn help_text() -> String {
    let usages: Vec<String> =
        COMMANDS.iter().map(|command| format!("{} {}", command.name, command.arguments)).collect();
    let width = usages.iter().map(String::len).max().unwrap_or(0);
    let mut text =
        "SQL ends with a semicolon and may take several lines. Tab completes, Ctrl-R searches what\n\
                    was typed before, Ctrl-C cancels a running query.\n"
            .to_owned();
    for (usage, command) in usages.iter().zip(COMMANDS) {
        text.push_str(&format!("\n  {usage:<width$}  {}", command.description));
    }
    text.push_str("\n\nFunctions and operators of your own: `nyala plugin --help`, outside of this shell.");
    text
}

fn file_argument(argument: &str) -> Option<&str> {
    let name = argument.trim_matches('\'');
    (!name.is_empty()).then_some(name)
}

fn tell_setting(runner: &Runner, text: &str) {
    if !runner.settings.quiet {
        terminal::tell(text);
    }
}

fn tell_entry(name: &str, value: &str, description: &str) {
    terminal::answer(&format!("{name} = {value}  ({description})"));
}

fn wrong(command: &str, expected: &str) -> Failure {
    Failure::Sql(Error::new(ErrorCode::InvalidParameter, format!("{command} takes {expected}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_cut_into_name_and_argument() {
        assert_eq!(parts("\\d orders;"), ("\\d", "orders"));
        assert_eq!(parts("  \\timing "), ("\\timing", ""));
        assert_eq!(parts("\\!ls -l; pwd"), ("\\!", "ls -l; pwd"));
        assert_eq!(find("\\dt+").map(|command| command.name), Some("\\dt"));
        assert!(find("\\nonsense").is_none());
    }

    #[test]
    fn names_are_told_apart() {
        let mut names: Vec<&str> = COMMANDS.iter().map(|command| command.name).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), COMMANDS.len());
        assert!(COMMANDS.iter().all(|command| help_text().contains(command.description)));
    }

    #[test]
    fn assignments() {
        assert_eq!(assignment(""), ("", None));
        assert_eq!(assignment("threads"), ("threads", None));
        assert_eq!(assignment("threads 2"), ("threads", Some("2".into())));
        assert_eq!(assignment("threads=2"), ("threads", Some("2".into())));
        assert_eq!(assignment("null = ''"), ("null", Some(String::new())));
        assert_eq!(assignment("null '∅ '"), ("null", Some("∅ ".into())));
    }

    #[test]
    fn patterns_become_like() {
        assert_eq!(show_statement("TABLES", ""), "SHOW TABLES");
        assert_eq!(show_statement("FUNCTIONS", "reg?xp*'"), "SHOW FUNCTIONS LIKE 'reg_xp%'''");
    }
}
