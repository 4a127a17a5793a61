//! Where statements end: a scanner that knows quotes and comments and nothing else of SQL.

/// A run of characters that belong together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Piece {
    /// White space or a comment.
    Blank,
    /// Letters, digits, `_`, `$`: keywords, names and numbers.
    Word,
    /// Something in quotes.
    Quoted,
    /// One character of any other kind.
    Symbol(u8),
    Semicolon,
}

/// Pieces of a text, with the byte range of each. Never fails: what is not closed runs to the end.
pub(crate) struct Pieces<'a> {
    text: &'a [u8],
    at: usize,
    unclosed: bool,
}

impl<'a> Pieces<'a> {
    pub(crate) fn new(text: &'a str) -> Self {
        Self { text: text.as_bytes(), at: 0, unclosed: false }
    }

    /// Whether a quote or comment was still open at the end; known once all pieces were taken.
    fn is_unclosed(&self) -> bool {
        self.unclosed
    }

    fn peek(&self, offset: usize) -> u8 {
        self.text.get(self.at + offset).copied().unwrap_or(0)
    }

    fn find_end(&mut self, from: usize, found: impl Fn(&[u8]) -> Option<usize>) -> usize {
        let mut at = from;
        while at < self.text.len() {
            if let Some(length) = found(&self.text[at..]) {
                return at + length;
            }
            at += 1;
        }
        self.unclosed = true;
        self.text.len()
    }

    fn block_comment_end(&mut self) -> usize {
        let mut depth = 0usize;
        let mut at = self.at;
        while at < self.text.len() {
            match &self.text[at..] {
                [b'/', b'*', ..] => {
                    depth += 1;
                    at += 2;
                }
                [b'*', b'/', ..] => {
                    depth -= 1;
                    at += 2;
                    if depth == 0 {
                        return at;
                    }
                }
                _ => at += 1,
            }
        }
        self.unclosed = true;
        self.text.len()
    }

    /// `escapes`: whether a backslash takes the next character along, as in `E'it\'s'`.
    fn quote_end(&mut self, open: usize, escapes: bool) -> usize {
        let quote = self.text[open];
        let mut at = open + 1;
        while at < self.text.len() {
            let byte = self.text[at];
            if escapes && byte == b'\\' {
                at += 2;
            } else if byte != quote {
                at += 1;
            } else if self.text.get(at + 1) == Some(&quote) {
                at += 2;
            } else {
                return at + 1;
            }
        }
        self.unclosed = true;
        self.text.len()
    }

    /// The end of `$$…$$` or `$tag$…$tag$`, or `None` when this dollar opens nothing.
    fn dollar_end(&mut self) -> Option<usize> {
        let rest = &self.text[self.at..];
        let tag = rest[1..].iter().take_while(|byte| is_word(**byte) && **byte != b'$').count() + 2;
        let tag = rest.get(..tag).filter(|tag| tag.ends_with(b"$"))?;
        if tag.get(1).is_some_and(u8::is_ascii_digit) {
            return None;
        }
        Some(self.find_end(self.at + tag.len(), |rest| rest.starts_with(tag).then_some(tag.len())))
    }
}

fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'$' || byte >= 0x80
}

impl Iterator for Pieces<'_> {
    type Item = (Piece, std::ops::Range<usize>);

    fn next(&mut self) -> Option<Self::Item> {
        let start = self.at;
        let first = *self.text.get(start)?;
        let (piece, end) = match first {
            b';' => (Piece::Semicolon, start + 1),
            b if b.is_ascii_whitespace() => {
                let length = self.text[start..].iter().take_while(|b| b.is_ascii_whitespace()).count();
                (Piece::Blank, start + length)
            }
            b'-' if self.peek(1) == b'-' => {
                let length = self.text[start..].iter().take_while(|b| **b != b'\n').count();
                (Piece::Blank, start + length)
            }
            b'/' if self.peek(1) == b'*' => (Piece::Blank, self.block_comment_end()),
            b'\'' | b'"' | b'`' => (Piece::Quoted, self.quote_end(start, false)),
            b'E' | b'e' if self.peek(1) == b'\'' => (Piece::Quoted, self.quote_end(start + 1, true)),
            b'$' => match self.dollar_end() {
                Some(end) => (Piece::Quoted, end),
                None => (Piece::Symbol(first), start + 1),
            },
            b if is_word(b) => {
                let length = self.text[start..].iter().take_while(|b| is_word(**b)).count();
                (Piece::Word, start + length)
            }
            b => (Piece::Symbol(b), start + 1),
        };
        self.at = end.min(self.text.len());
        Some((piece, start..self.at))
    }
}

/// Cuts a script into statements by its semicolons; those in quotes, comments and dollar quotes do not count. Each
/// comes with the line, from 1, where it starts, and without its semicolon. What is empty is left out; the last may
/// be incomplete.
pub fn split(script: &str) -> Vec<(u32, String)> {
    let mut statements = Vec::new();
    let mut current: Option<std::ops::Range<usize>> = None;
    let mut lines = LineCounter::default();
    for (piece, range) in Pieces::new(script) {
        match piece {
            Piece::Blank => {}
            Piece::Semicolon => statements.extend(current.take()),
            Piece::Word | Piece::Quoted | Piece::Symbol(_) => match &mut current {
                Some(statement) => statement.end = range.end,
                None => current = Some(range),
            },
        }
    }
    statements.extend(current);
    statements
        .into_iter()
        .map(|range| (lines.line_at(script, range.start), script[range].to_owned()))
        .collect()
}

/// Whether `text` ends a statement: its last character beside white space and comments is a semicolon.
pub fn is_complete(text: &str) -> bool {
    let mut pieces = Pieces::new(text);
    let mut last = Piece::Blank;
    for (piece, _) in pieces.by_ref() {
        if piece != Piece::Blank {
            last = piece;
        }
    }
    last == Piece::Semicolon && !pieces.is_unclosed()
}

/// Counts line breaks once over a whole text.
#[derive(Default)]
struct LineCounter {
    breaks: u32,
    at: usize,
}

impl LineCounter {
    fn line_at(&mut self, text: &str, offset: usize) -> u32 {
        let passed = text.as_bytes()[self.at..offset].iter().filter(|byte| **byte == b'\n').count();
        self.breaks += u32::try_from(passed).unwrap_or(u32::MAX);
        self.at = offset;
        self.breaks + 1
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(script: &str) -> Vec<String> {
        split(script).into_iter().map(|(_, text)| text).collect()
    }

    #[test]
    fn semicolons_in_quotes_and_comments_do_not_count() {
        assert_eq!(texts("select 1; select ';' ;"), ["select 1", "select ';'"]);
        assert_eq!(texts(r#"select "a;b" ; select `;`"#), [r#"select "a;b""#, "select `;`"]);
        assert_eq!(texts("select 'it''s;' ; -- a;b\n select 2"), ["select 'it''s;'", "select 2"]);
        assert_eq!(texts("/* ; /* ; */ ; */ select 1 /* ; */ + 2;"), ["select 1 /* ; */ + 2"]);
        assert_eq!(texts("select $$a;b$$; select $x$ $$ ; $x$"), ["select $$a;b$$", "select $x$ $$ ; $x$"]);
        assert_eq!(texts(r"select E'\';' ; select 2"), [r"select E'\';'", "select 2"]);
        assert_eq!(texts("select a$b; select $1"), ["select a$b", "select $1"]);
    }

    #[test]
    fn blank_statements_are_dropped_and_lines_counted() {
        let script = "\n;; -- nothing\n/* c */ select 1;\n\nselect\n2;\n  ";
        assert_eq!(split(script), [(3, "select 1".to_owned()), (5, "select\n2".to_owned())]);
        assert!(split("").is_empty());
        assert!(split(" -- only a comment").is_empty());
    }

    #[test]
    fn completeness() {
        for text in ["select 1;", "select ';';  -- done", "select 1; /* x */ ", ";"] {
            assert!(is_complete(text), "{text}");
        }
        for text in
            ["", "select 1", "select ';", "select 1 -- ;", "select 1; /* ", "$$ ;", "select 1; select 2"]
        {
            assert!(!is_complete(text), "{text}");
        }
    }

    #[test]
    fn any_text_is_covered_without_gaps() {
        for text in ["é;ü", "'", "$", "$$", "/*", "E'", "E'\\", "--", "\u{0}", "a$$;", "日本;"] {
            let end = Pieces::new(text).fold(0, |end, (_, range)| {
                assert_eq!(range.start, end);
                range.end
            });
            assert_eq!(end, text.len());
            split(text);
        }
    }
}
