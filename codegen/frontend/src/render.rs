//! An error as a person reads it: message, the line of the text, a caret, a hint.

use std::fmt::Write;

use nyala_schema::Error;
use nyala_schema::error::Position;

/// Characters of a source line that are shown around the position.
const WINDOW_BEFORE: usize = 60;
const WINDOW_AFTER: usize = 100;

/// Several lines without a line break at the end. `sql` is the text that the error's position counts in; empty when
/// whoever reads this has not written one.
pub fn render(error: &Error, sql: &str) -> String {
    let mut text = format!("error[{}]: {}", error.code().sqlstate(), error.message());
    if let Some(position) = error.position().filter(|_| !sql.is_empty()) {
        write_source(&mut text, position, sql);
    }
    if let Some(hint) = error.hint() {
        let hint = hint.replace('\n', "\n        ");
        let _ = write!(text, "\n  hint: {hint}");
    }
    text
}

fn write_source(text: &mut String, position: Position, sql: &str) {
    let Some(line) = sql.split('\n').nth(position.line.saturating_sub(1) as usize) else { return };
    let column = position.column.saturating_sub(1) as usize;
    let first = column.saturating_sub(WINDOW_BEFORE);
    let cut_before = if first > 0 { "…" } else { "" };
    // A tab or a control character would move the caret: each is shown as one space.
    let plain = |c: char| if c.is_control() { ' ' } else { c };
    let shown: String = line.chars().skip(first).take(WINDOW_BEFORE + WINDOW_AFTER).map(plain).collect();
    let shown = shown.trim_end();
    let cut_after =
        if line.trim_end().chars().count() > first + WINDOW_BEFORE + WINDOW_AFTER { "…" } else { "" };
    let label = format!("  line {}: ", position.line);
    let width: usize = label.chars().count()
        + cut_before.chars().count()
        + line.chars().skip(first).take(column - first).map(width_of).sum::<usize>();
    let _ = write!(text, "\n{label}{cut_before}{shown}{cut_after}\n{}^", " ".repeat(width));
}

/// Columns of a terminal: the common wide ranges take two.
fn width_of(c: char) -> usize {
    match c as u32 {
        0x0300..=0x036F | 0x200B..=0x200F | 0xFE00..=0xFE0F => 0,
        0x1100..=0x115F | 0x2E80..=0xA4CF | 0xAC00..=0xD7A3 | 0xF900..=0xFAFF | 0xFE30..=0xFE6F => 2,
        0xFF00..=0xFF60 | 0xFFE0..=0xFFE6 | 0x1F300..=0x1FAFF | 0x20000..=0x3FFFD => 2,
        _ => 1,
    }
}

#[cfg(test)]
mod tests {
    use nyala_schema::ErrorCode;

    use super::*;

    #[test]
    fn caret_stands_under_the_position() {
        let error = Error::new(ErrorCode::UndefinedColumn, "there is no column \"l_oderkey\"")
            .at(Position { line: 1, column: 8 })
            .with_hint("did you mean \"l_orderkey\"?");
        let expected = "error[42703]: there is no column \"l_oderkey\"\n  line 1: SELECT l_oderkey FROM lineitem\n                 ^\n  hint: did you mean \"l_orderkey\"?";
        assert_eq!(render(&error, "SELECT l_oderkey FROM lineitem"), expected);
    }

    #[test]
    fn odd_positions_and_texts_are_harmless() {
        let error = |line, column| Error::new(ErrorCode::Syntax, "x").at(Position { line, column });
        assert_eq!(render(&error(9, 1), "a\nb"), "error[42601]: x");
        assert_eq!(render(&error(1, 1), ""), "error[42601]: x");
        assert_eq!(render(&error(1, 99), "a"), format!("error[42601]: x\n  line 1: …\n{}^", " ".repeat(11)));
        assert_eq!(render(&error(1, 3), "\tab\r\n"), "error[42601]: x\n  line 1:  ab\n            ^");
        assert_eq!(render(&error(1, 2), "日x"), "error[42601]: x\n  line 1: 日x\n            ^");
        assert!(render(&error(1, 500), &"x".repeat(1000)).contains("…xxx"));
    }
}
