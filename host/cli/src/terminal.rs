//! What the terminal is and can do, and messages for the person at it.

use std::io::{self, IsTerminal, Write};

use nu_ansi_term::{Color, Style};
use nyala_node::Error;

/// Used when nobody says how large the terminal is.
const COLUMNS_DEFAULT: usize = 80;
const ROWS_DEFAULT: usize = 24;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Size {
    pub columns: usize,
    pub rows: usize,
}

pub fn size() -> Size {
    match terminal_size::terminal_size() {
        Some((columns, rows)) => Size { columns: columns.0.into(), rows: rows.0.into() },
        None => Size { columns: COLUMNS_DEFAULT, rows: ROWS_DEFAULT },
    }
}

pub fn is_interactive() -> bool {
    io::stdin().is_terminal() && io::stdout().is_terminal()
}

pub fn stdout_is_terminal() -> bool {
    io::stdout().is_terminal()
}

pub fn stderr_is_terminal() -> bool {
    io::stderr().is_terminal()
}

/// <https://no-color.org>: any value but the empty one switches colours off.
pub fn colours_wanted() -> bool {
    std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
        && std::env::var_os("TERM").is_none_or(|value| value != "dumb")
}

/// A line on standard error. A standard error that is gone is nobody's concern.
pub fn tell(text: &str) {
    let _ = writeln!(io::stderr().lock(), "{text}");
}

/// What a shell command was asked for, on standard output. Whoever has closed it does not want it.
pub fn answer(text: &str) {
    let _ = writeln!(io::stdout().lock(), "{text}");
}

/// A line on standard error that is not important.
pub fn tell_faintly(text: &str) {
    if stderr_is_terminal() && colours_wanted() {
        tell(&Style::new().dimmed().paint(text).to_string());
    } else {
        tell(text);
    }
}

/// Prints an error of the command line, in the way of those that clap finds: the code would say nothing.
pub fn print_plain_error(error: &Error) {
    let hint = error.hint().map(|hint| format!("\n  hint: {hint}")).unwrap_or_default();
    tell(&for_stderr(&format!("error: {}{hint}", error.message())));
}

/// Prints an error with its place in `sql`; `origin` says where that SQL stands, as in `report.sql:12`.
pub fn print_error(error: &Error, sql: &str, origin: Option<&str>) {
    let text = nyala_node::render_error(error, sql);
    let text = for_stderr(text.trim_end());
    match origin {
        Some(origin) => tell(&format!("{origin}: {text}")),
        None => tell(&text),
    }
}

fn for_stderr(error: &str) -> String {
    if stderr_is_terminal() && colours_wanted() { coloured(error) } else { error.to_owned() }
}

/// Colours the parts of a rendered error: its first word, its caret, its hint.
fn coloured(text: &str) -> String {
    let red = Style::new().fg(Color::Red).bold();
    let lines: Vec<String> = text
        .lines()
        .enumerate()
        .map(|(index, line)| {
            let lower = line.trim_start().to_lowercase();
            match line.split_once(':') {
                Some((label, rest)) if index == 0 => format!("{}:{rest}", red.paint(label)),
                Some((label, rest)) if lower.starts_with("hint") => {
                    format!("{}:{rest}", Style::new().fg(Color::Cyan).paint(label))
                }
                _ if is_caret(line) => red.paint(line).to_string(),
                _ => line.to_owned(),
            }
        })
        .collect();
    lines.join("\n")
}

/// A line that only points at the one above it, with or without a margin.
fn is_caret(line: &str) -> bool {
    line.contains('^') && line.chars().all(|c| matches!(c, '^' | '~' | '|' | '│' | ' '))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn label_caret_and_hint_are_coloured() {
        let text = "error[42703]: no column x\n 1 | select x\n   |        ^\nhint: did you mean y?";
        let coloured = coloured(text);
        assert!(coloured.starts_with("\u{1b}[1;31merror[42703]\u{1b}[0m: no column x\n"));
        assert!(coloured.contains("\n 1 | select x\n\u{1b}["));
        assert!(coloured.contains("\u{1b}[36mhint\u{1b}[0m: did"));
    }
}
