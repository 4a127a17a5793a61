//! The first words of a statement, which say whether it may be run twice.

/// Whether the statement changes nothing for sure. What is not known to be one is asked for by its id, which is always right.
pub fn is_surely_a_read(sql: &str) -> bool {
    let mut words = Words(sql);
    match words.next().as_deref() {
        Some("SELECT" | "VALUES" | "SHOW" | "DESCRIBE" | "DESC") => true,
        Some("EXPLAIN") => words.next().as_deref() != Some("ANALYZE"),
        _ => false,
    }
}

pub fn is_rollback(sql: &str) -> bool {
    Words(sql).next().as_deref() == Some("ROLLBACK")
}

/// A command tag for a statement of which nothing is known but that it was done: `INSERT`, `CREATE TABLE`.
pub fn tag(sql: &str) -> String {
    const OF_TWO_WORDS: [&str; 4] = ["CREATE", "DROP", "ALTER", "TRUNCATE"];
    let mut words = Words(sql);
    let first = words.next().unwrap_or_default();
    match words.next() {
        Some(second) if OF_TWO_WORDS.contains(&first.as_str()) => format!("{first} {second}"),
        _ => first,
    }
}

/// Words in capitals; blanks, opening parentheses and comments between them are passed over. Ends at anything else.
struct Words<'a>(&'a str);

impl Iterator for Words<'_> {
    type Item = String;

    fn next(&mut self) -> Option<String> {
        loop {
            self.0 = self.0.trim_start_matches(|c: char| c.is_whitespace() || c == '(');
            if let Some(comment) = self.0.strip_prefix("--") {
                self.0 = comment.split_once('\n').map_or("", |(_, rest)| rest);
            } else if let Some(comment) = self.0.strip_prefix("/*") {
                self.0 = after_comment(comment);
            } else {
                break;
            }
        }
        let end = self.0.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(self.0.len());
        let (word, rest) = self.0.split_at(end);
        self.0 = rest;
        (!word.is_empty()).then(|| word.to_uppercase())
    }
}

/// What follows a comment that has begun; they nest.
fn after_comment(text: &str) -> &str {
    let mut depth = 1;
    let mut rest = text;
    while depth > 0 {
        let Some(at) = rest.find(['*', '/']) else { return "" };
        let step = match rest.get(at..at + 2) {
            Some("*/") => {
                depth -= 1;
                2
            }
            Some("/*") => {
                depth += 1;
                2
            }
            _ => 1,
        };
        rest = &rest[at + step..];
    }
    rest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_are_known_by_their_first_words() {
        for sql in [
            "select 1",
            " -- a comment\n ( SELECT 1) union all select 2",
            "/* a /* nested */ one */ values (1)",
            "explain select 1",
            "SHOW tables",
            "describe t",
        ] {
            assert!(is_surely_a_read(sql), "{sql}");
        }
        for sql in [
            "insert into t values (1)",
            "with a as (select 1) select 1",
            "explain analyze insert into t",
            "",
            "--",
        ] {
            assert!(!is_surely_a_read(sql), "{sql}");
        }
    }

    #[test]
    fn tags_name_what_was_done() {
        assert_eq!(tag("insert into t select 1"), "INSERT");
        assert_eq!(tag("-- x\ncreate table t (a int)"), "CREATE TABLE");
        assert_eq!(tag("commit"), "COMMIT");
        assert!(is_rollback(" rollback;"));
        assert!(!is_rollback("ROLLBACKS"));
    }
}
