//! SQL text as coloured pieces: forgiving, since it reads what is still being typed.

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TokenKind {
    /// A keyword or a name; which of them, the session's keywords say.
    Word,
    QuotedName,
    Number,
    Text,
    Comment,
    /// A line that starts with a backslash.
    ShellCommand,
    Space,
    Symbol,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Token<'a> {
    pub kind: TokenKind,
    pub text: &'a str,
    /// Where it starts, bytes.
    pub start: usize,
}

impl Token<'_> {
    pub fn end(&self) -> usize {
        self.start + self.text.len()
    }
}

/// All of `sql`, cut into tokens without gaps. What is not closed reaches to the end.
pub fn tokens(sql: &str) -> Vec<Token<'_>> {
    let mut tokens = vec![];
    let mut start = 0;
    if sql.trim_start().starts_with('\\') {
        return vec![Token { kind: TokenKind::ShellCommand, text: sql, start }];
    }
    while start < sql.len() {
        let (kind, length) = first_token(&sql[start..]);
        tokens.push(Token { kind, text: &sql[start..start + length], start });
        start += length;
    }
    tokens
}

/// Kind and length in bytes of what `rest`, which is not empty, starts with.
fn first_token(rest: &str) -> (TokenKind, usize) {
    let first = rest.chars().next().unwrap_or(' ');
    match first {
        '\'' => (TokenKind::Text, quoted(rest, '\'')),
        '"' => (TokenKind::QuotedName, quoted(rest, '"')),
        _ if rest.starts_with("--") => (TokenKind::Comment, rest.find('\n').unwrap_or(rest.len())),
        _ if rest.starts_with("/*") => (TokenKind::Comment, block_comment(rest)),
        '$' => match dollar_quoted(rest) {
            Some(length) => (TokenKind::Text, length),
            None => (TokenKind::Symbol, 1),
        },
        c if c.is_whitespace() => (TokenKind::Space, span(rest, char::is_whitespace)),
        c if c.is_ascii_digit() => (TokenKind::Number, number(rest)),
        c if is_word_start(c) => (TokenKind::Word, span(rest, is_word)),
        c => (TokenKind::Symbol, c.len_utf8()),
    }
}

pub fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

fn is_word_start(c: char) -> bool {
    c.is_alphabetic() || c == '_'
}

fn span(text: &str, belongs: fn(char) -> bool) -> usize {
    text.find(|c| !belongs(c)).unwrap_or(text.len())
}

/// A doubled quote stands for one inside.
fn quoted(text: &str, quote: char) -> usize {
    let mut from = 1;
    while let Some(found) = text[from..].find(quote) {
        from += found + 1;
        if !text[from..].starts_with(quote) {
            return from;
        }
        from += 1;
    }
    text.len()
}

fn block_comment(text: &str) -> usize {
    let mut depth = 0usize;
    let mut at = 0;
    while at < text.len() {
        let rest = &text[at..];
        if rest.starts_with("/*") {
            depth += 1;
            at += 2;
        } else if rest.starts_with("*/") {
            depth -= 1;
            at += 2;
            if depth == 0 {
                return at;
            }
        } else {
            at += rest.chars().next().map_or(1, char::len_utf8);
        }
    }
    text.len()
}

/// `$tag$ … $tag$`
fn dollar_quoted(text: &str) -> Option<usize> {
    let tag_end = 1 + text[1..].find('$')?;
    let tag = &text[..=tag_end];
    let is_tag = tag[1..tag_end].chars().all(is_word) && !tag[1..].starts_with(|c: char| c.is_ascii_digit());
    if !is_tag {
        return None;
    }
    Some(text[tag.len()..].find(tag).map_or(text.len(), |found| found + 2 * tag.len()))
}

fn number(text: &str) -> usize {
    let mut end = span(text, |c| c.is_ascii_digit() || c == '.' || c == '_');
    let rest = &text[end..];
    if rest.starts_with(['e', 'E']) {
        let sign = usize::from(rest[1..].starts_with(['+', '-']));
        let digits = span(&rest[1 + sign..], |c| c.is_ascii_digit());
        if digits > 0 {
            end += 1 + sign + digits;
        }
    }
    end
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kinds(sql: &str) -> Vec<(TokenKind, &str)> {
        let tokens = tokens(sql);
        let joined: String = tokens.iter().map(|token| token.text).collect();
        assert_eq!(joined, sql, "tokens leave no gap");
        tokens.into_iter().filter(|t| t.kind != TokenKind::Space).map(|t| (t.kind, t.text)).collect()
    }

    #[test]
    fn sql() {
        use TokenKind::{Comment, Number, QuotedName, Symbol, Text, Word};
        assert_eq!(
            kinds("select 'it''s', \"a b\"*1.5e-3 -- x\n/* a /* b */ */ from $q$;$q$"),
            [
                (Word, "select"),
                (Text, "'it''s'"),
                (Symbol, ","),
                (QuotedName, "\"a b\""),
                (Symbol, "*"),
                (Number, "1.5e-3"),
                (Comment, "-- x"),
                (Comment, "/* a /* b */ */"),
                (Word, "from"),
                (Text, "$q$;$q$"),
            ]
        );
    }

    #[test]
    fn unfinished_text_is_taken_as_it_is() {
        for sql in ["'abc", "\"abc", "/* abc", "$x$ abc", "$", "$1", "1e", "é'é", "--", "/"] {
            kinds(sql);
        }
        assert_eq!(kinds("'abc ;"), [(TokenKind::Text, "'abc ;")]);
        assert_eq!(kinds("\\d x"), [(TokenKind::ShellCommand, "\\d x")]);
    }
}
