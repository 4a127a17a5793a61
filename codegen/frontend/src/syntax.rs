//! Mistakes of syntax in plain words, with the keyword that was probably meant.

use nyala_schema::error::Position;
use nyala_schema::{Error, ErrorCode};
use sqlparser::parser::ParserError;
use sqlparser::tokenizer::{Token, TokenWithSpan};

use crate::locate::{end_of, position_of};
use crate::shape::NESTING_MAX;

/// Keywords that stand between the parts of a query and are easy to mistype.
const KEYWORDS: [&str; 26] = [
    "SELECT",
    "FROM",
    "WHERE",
    "GROUP",
    "ORDER",
    "HAVING",
    "LIMIT",
    "OFFSET",
    "JOIN",
    "INNER",
    "LEFT",
    "RIGHT",
    "CROSS",
    "UNION",
    "EXCEPT",
    "INTERSECT",
    "DISTINCT",
    "BETWEEN",
    "VALUES",
    "QUALIFY",
    "WINDOW",
    "PARTITION",
    "OVER",
    "CASE",
    "WHEN",
    "THEN",
];

/// Words that name a point of a table's history.
const POINTS: [&str; 4] = ["VERSION", "TIMESTAMP", "SYSTEM_TIME", "SYSTEM_VERSION"];

/// How far before a mistake a mistyped keyword is looked for: it may have been taken for an alias.
const MISTYPED_WITHIN: usize = 3;

/// A parser's complaint; `words` are the words before and at the place it was made, latest first.
pub(crate) fn syntax_error(error: &ParserError, sql: &str, words: &[TokenWithSpan]) -> Error {
    let text = match error {
        ParserError::RecursionLimitExceeded => {
            let message = format!("the statement nests more than {NESTING_MAX} levels deep");
            return Error::new(ErrorCode::TooComplex, message).with_hint("split it with WITH or a view");
        }
        ParserError::TokenizerError(text) | ParserError::ParserError(text) => text,
    };
    let (text, position) = split_position(text);
    let position = position.unwrap_or_else(|| end_of(sql));
    let error = Error::new(ErrorCode::Syntax, syntax_message(text)).at(position);
    match syntax_hint(words, position) {
        Some(hint) => error.with_hint(hint),
        None => error,
    }
}

/// `… at Line: 1, Column: 8` is how sqlparser says where.
fn split_position(text: &str) -> (&str, Option<Position>) {
    let Some((message, place)) = text.rsplit_once(" at Line: ") else { return (text, None) };
    let Some((line, column)) = place.split_once(", Column: ") else { return (text, None) };
    match (line.trim().parse(), column.trim().parse()) {
        (Ok(line), Ok(column)) => (message, Some(Position { line, column })),
        _ => (text, None),
    }
}

fn syntax_message(text: &str) -> String {
    let text = text.trim().trim_end_matches('.');
    if let Some((expected, found)) =
        text.strip_prefix("Expected: ").and_then(|rest| rest.rsplit_once(", found: "))
    {
        return expected_message(expected.trim(), found.trim());
    }
    if let Some(what) = text.strip_prefix("Unterminated ") {
        return format!("a {} is not closed", what.to_lowercase());
    }
    if text.contains("multi-line comment") {
        return "a comment is not closed".to_owned();
    }
    if text.starts_with("Expected close delimiter") {
        return "a name in quotes is not closed".to_owned();
    }
    lower_first(text)
}

/// What stands where something else should.
pub(crate) fn expected_message(expected: &str, found: &str) -> String {
    let expected = match expected {
        "identifier" => "a name".to_owned(),
        "SELECT, VALUES, or a subquery in the query body" => "a query".to_owned(),
        other => quoted_symbol(other),
    };
    match found {
        "EOF" => format!("the statement ends where {expected} was expected"),
        found => format!("expected {expected}, found {}", quoted_symbol(found)),
    }
}

/// Symbols and numbers stand out only in quotes.
fn quoted_symbol(token: &str) -> String {
    let is_plain = token.chars().any(char::is_alphabetic) || token.starts_with('\'');
    if is_plain { token.to_owned() } else { format!("'{token}'") }
}

fn lower_first(text: &str) -> String {
    let mut chars = text.chars();
    match chars.next() {
        Some(first) => first.to_lowercase().chain(chars).collect(),
        None => String::new(),
    }
}

/// What was probably meant, from the words before and at the mistake, latest first.
pub(crate) fn syntax_hint(words: &[TokenWithSpan], mistake: Position) -> Option<String> {
    let before: Vec<&str> = words
        .iter()
        .filter(|token| position_of(token.span.start).is_some_and(|start| start <= mistake))
        .filter_map(|token| match &token.token {
            Token::Word(word) if word.quote_style.is_none() => Some(word.value.as_str()),
            _ => None,
        })
        .collect();
    let is = |word: &str, keyword: &str| word.eq_ignore_ascii_case(keyword);
    if let Some(last) = before.iter().take(2).find(|word| is(word, "GROUP") || is(word, "ORDER"))
        && !before.first().is_some_and(|word| is(word, "BY"))
    {
        return Some(format!("write {} BY", last.to_uppercase()));
    }
    if let [point, "for" | "FOR" | "For", ..] = before[..]
        && let Some(point) = POINTS.iter().find(|word| is(point, word))
    {
        return Some(format!("write FOR {point} AS OF"));
    }
    if let Some((word, keyword)) = before.iter().take(MISTYPED_WITHIN).find_map(|word| mistyped(word)) {
        return Some(format!("did you mean {keyword} instead of {word}?"));
    }
    let count = |keyword: &str| before.iter().filter(|word| is(word, keyword)).count();
    (count("CASE") > count("END")).then(|| "every CASE ends with END".to_owned())
}

fn mistyped(word: &str) -> Option<(String, &'static str)> {
    let upper = word.to_uppercase();
    if upper.len() < 4 || KEYWORDS.contains(&upper.as_str()) {
        return None;
    }
    let near = KEYWORDS.iter().find(|keyword| strsim::osa_distance(&upper, keyword) == 1)?;
    Some((word.to_owned(), *near))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_plain() {
        assert_eq!(syntax_message("Expected: ), found: 1"), "expected ')', found '1'");
        assert_eq!(
            syntax_message("Expected: identifier, found: EOF"),
            "the statement ends where a name was expected"
        );
        assert_eq!(syntax_message("Unterminated string literal"), "a string literal is not closed");
        assert_eq!(split_position("x at Line: 3, Column: 4"), ("x", Some(Position { line: 3, column: 4 })));
        assert_eq!(split_position("x at Line: y"), ("x at Line: y", None));
    }
}
