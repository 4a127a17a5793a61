//! Where in the text something stands, when an error does not say.

use nyala_schema::error::Position;
use sqlparser::tokenizer::{Location, Token, TokenWithSpan, Tokenizer};

use crate::dialect::NyalaDialect;

/// Not for this text longer than this: an error without a position is better than a slow one.
const TEXT_BYTES_MAX: usize = 1 << 20;

/// What a name is used as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Usage {
    Column,
    /// Followed by a parenthesis.
    Function,
    /// A name or a file in single quotes.
    Table,
}

/// `None` for the location that stands for "unknown".
pub(crate) fn position_of(location: Location) -> Option<Position> {
    let number = |n: u64| u32::try_from(n).ok().filter(|n| *n > 0);
    Some(Position { line: number(location.line)?, column: number(location.column)? })
}

/// The first place where `name` is used so; for a column, after `qualifier` and a dot if there is one.
pub(crate) fn find_name(sql: &str, qualifier: Option<&str>, name: &str, usage: Usage) -> Option<Position> {
    if sql.len() > TEXT_BYTES_MAX {
        return None;
    }
    let tokens = Tokenizer::new(&NyalaDialect::PLAIN, sql).tokenize_with_location().ok()?;
    let tokens: Vec<&TokenWithSpan> =
        tokens.iter().filter(|token| !matches!(token.token, Token::Whitespace(_))).collect();
    let token = |index: Option<usize>| index.and_then(|index| tokens.get(index)).map(|token| &token.token);
    for (index, found) in tokens.iter().enumerate() {
        let next = token(Some(index + 1));
        let matches = match usage {
            Usage::Function => is_name(&found.token, name) && next == Some(&Token::LParen),
            Usage::Column => is_name(&found.token, name) && next != Some(&Token::LParen),
            Usage::Table => is_name(&found.token, name) || is_text(&found.token, name),
        };
        if !matches {
            continue;
        }
        let before = index.checked_sub(1);
        let qualified = token(before) == Some(&Token::Period);
        match qualifier {
            Some(qualifier) if qualified => {
                let start = index.checked_sub(2);
                if token(start).is_some_and(|token| is_name(token, qualifier)) {
                    return start.and_then(|start| position_of(tokens[start].span.start));
                }
            }
            Some(_) => {}
            None => return position_of(found.span.start),
        }
    }
    // Expressions are sometimes named by what they resolved to rather than by what was written.
    qualifier.and_then(|_| find_name(sql, None, name, usage))
}

/// The first text in single quotes that is `text`.
pub(crate) fn find_text(sql: &str, text: &str) -> Option<Position> {
    find_token(sql, |tokens| is_text(&tokens[0].token, text))
}

/// The first `*` that stands for all columns.
pub(crate) fn find_star(sql: &str) -> Option<Position> {
    find_token(sql, |tokens| {
        let after = tokens.get(1).map(|token| &token.token);
        let ends = match after {
            Some(Token::Word(word)) => word.value.eq_ignore_ascii_case("from"),
            Some(Token::Comma | Token::EOF) | None => true,
            Some(_) => false,
        };
        tokens[0].token == Token::Mul && ends
    })
}

/// The first call after the word WHERE of a function that `is_wanted`.
pub(crate) fn find_call_in_where(sql: &str, is_wanted: impl Fn(&str) -> bool) -> Option<Position> {
    let mut in_where = false;
    find_token(sql, |tokens| {
        let Token::Word(word) = &tokens[0].token else { return false };
        in_where |= word.value.eq_ignore_ascii_case("where");
        let is_call = tokens.get(1).is_some_and(|next| next.token == Token::LParen);
        in_where && is_call && is_wanted(&word.value.to_lowercase())
    })
}

/// The place of the first token at which `found` is true of the tokens from there on, white space left out.
fn find_token(sql: &str, mut found: impl FnMut(&[TokenWithSpan]) -> bool) -> Option<Position> {
    if sql.len() > TEXT_BYTES_MAX {
        return None;
    }
    let mut tokens = Tokenizer::new(&NyalaDialect::PLAIN, sql).tokenize_with_location().ok()?;
    tokens.retain(|token| !matches!(token.token, Token::Whitespace(_)));
    let index = (0..tokens.len()).find(|index| found(&tokens[*index..]))?;
    position_of(tokens[index].span.start)
}

fn is_name(token: &Token, name: &str) -> bool {
    match token {
        Token::Word(word) if word.quote_style.is_some() => word.value == name,
        Token::Word(word) => word.value.to_lowercase() == name.to_lowercase(),
        _ => false,
    }
}

fn is_text(token: &Token, text: &str) -> bool {
    matches!(token, Token::SingleQuotedString(value) if value == text)
}

/// Whether the name at `position` was written in double quotes.
pub(crate) fn is_quoted_at(sql: &str, position: Position) -> bool {
    sql[offset_of(sql, position)..].starts_with('"')
}

/// The byte at which a position is; the end of the text for one beyond it.
pub(crate) fn offset_of(sql: &str, position: Position) -> usize {
    let mut line_start = 0;
    for _ in 1..position.line {
        match sql[line_start..].find('\n') {
            Some(length) => line_start += length + 1,
            None => return sql.len(),
        }
    }
    sql[line_start..]
        .char_indices()
        .nth(position.column.saturating_sub(1) as usize)
        .map_or(sql.len(), |(offset, _)| line_start + offset)
}

/// The position just after the last character that is not white space.
pub(crate) fn end_of(sql: &str) -> Position {
    let text = sql.trim_end();
    let line_start = text.rfind('\n').map_or(0, |at| at + 1);
    let number = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
    Position {
        line: number(text.matches('\n').count() + 1),
        column: number(text[line_start..].chars().count() + 1),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_found_by_usage() {
        let sql = "select sum(x), 'x',\n  t.x, \"X\" from x";
        let at = |qualifier, name, usage| find_name(sql, qualifier, name, usage).map(|p| (p.line, p.column));
        assert_eq!(at(None, "x", Usage::Column), Some((1, 12)));
        assert_eq!(at(Some("t"), "x", Usage::Column), Some((2, 3)));
        assert_eq!(at(None, "sum", Usage::Function), Some((1, 8)));
        assert_eq!(at(None, "sum", Usage::Column), None);
        assert_eq!(at(None, "nothing", Usage::Table), None);
    }

    #[test]
    fn offsets_and_ends() {
        let sql = "aé\nbc";
        assert_eq!(offset_of(sql, Position { line: 2, column: 2 }), 5);
        assert_eq!(offset_of(sql, Position { line: 1, column: 3 }), 3);
        assert_eq!(offset_of(sql, Position { line: 7, column: 1 }), sql.len());
        assert_eq!(end_of("a\nbc \n"), Position { line: 2, column: 3 });
    }
}
