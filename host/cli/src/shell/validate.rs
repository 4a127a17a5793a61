//! Whether Enter runs what was typed or starts another line.

use nyala_node::Session;
use reedline::{ValidationResult, Validator};

pub struct SqlValidator;

impl Validator for SqlValidator {
    fn validate(&self, line: &str) -> ValidationResult {
        if is_whole(line) { ValidationResult::Complete } else { ValidationResult::Incomplete }
    }
}

fn is_whole(text: &str) -> bool {
    let trimmed = text.trim();
    trimmed.is_empty()
        || trimmed.starts_with('\\')
        || super::plain_command(trimmed).is_some()
        || Session::is_complete(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn enter_runs_what_is_whole() {
        for whole in ["", "  ", "\\d", "exit", "HELP", "select 1;", "select\n1;\n"] {
            assert!(is_whole(whole), "{whole:?}");
        }
        for part in ["select 1", "select\n"] {
            assert!(!is_whole(part), "{part:?}");
        }
    }
}
