//! Errors as people see them: each file in `errors/` has statements, on lines that begin with `>`, and below each what
//! it gives. `UPDATE_EXPECT=1 cargo test -p nyala-frontend` writes the answers anew: read the difference.

use expect_test::{ExpectFile, expect_file};
use nyala_frontend::render;

use crate::tables::plan;

fn check(expected: &ExpectFile) {
    let golden = expected.data();
    let mut text = String::new();
    for sql in statements(&golden) {
        let answer = match plan(&sql) {
            Ok(_) => "planned".to_owned(),
            Err(error) => render(&error, &sql),
        };
        sql.split('\n').for_each(|line| text.push_str(&format!("> {line}\n")));
        answer.lines().for_each(|line| text.push_str(&format!("{}\n", line.trim_end())));
        text.push('\n');
    }
    expected.assert_eq(&text);
}

/// Neighbouring lines that begin with `>` are one statement.
pub fn statements(golden: &str) -> Vec<String> {
    let mut statements: Vec<String> = Vec::new();
    let mut goes_on = false;
    for line in golden.lines() {
        let part = line.strip_prefix('>').map(|part| part.strip_prefix(' ').unwrap_or(part));
        match (part, statements.last_mut()) {
            (Some(part), Some(last)) if goes_on => last.push_str(&format!("\n{part}")),
            (Some(part), _) => statements.push(part.to_owned()),
            (None, _) => {}
        }
        goes_on = part.is_some();
    }
    statements
}

#[test]
fn names() {
    check(&expect_file!["errors/names.txt"]);
}

#[test]
fn grouping() {
    check(&expect_file!["errors/grouping.txt"]);
}

#[test]
fn types() {
    check(&expect_file!["errors/types.txt"]);
}

#[test]
fn syntax() {
    check(&expect_file!["errors/syntax.txt"]);
}

#[test]
fn unsupported() {
    check(&expect_file!["errors/unsupported.txt"]);
}
