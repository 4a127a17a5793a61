//! LIKE patterns, compiled once and matched against many texts.

use arrow::array::{Array, ByteView, StringViewArray};
use arrow::buffer::BooleanBuffer;
use memchr::memmem::Finder;

/// `%` stands for any text, `_` for one character; the escape character takes the next one literally.
#[derive(Debug)]
pub(crate) enum Pattern {
    /// No wildcard.
    Exact(Box<[u8]>),
    /// Only `%`: literal parts in order.
    Parts(Parts),
    /// With `_`.
    Wild(Vec<Token>),
}

#[derive(Debug)]
pub(crate) struct Parts {
    prefix: Box<[u8]>,
    middle: Vec<Finder<'static>>,
    suffix: Box<[u8]>,
    length_min: usize,
}

#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Token {
    Any,
    One,
    Literal(char),
}

impl Pattern {
    pub fn new(pattern: &str, escape: char) -> Self {
        let tokens = tokens(pattern, escape);
        if tokens.contains(&Token::One) {
            return Self::Wild(tokens);
        }
        let mut parts = vec![String::new()];
        for token in &tokens {
            match (token, parts.last_mut()) {
                (Token::Literal(character), Some(part)) => part.push(*character),
                _ => parts.push(String::new()),
            }
        }
        let bytes = |text: Option<String>| text.unwrap_or_default().into_bytes().into_boxed_slice();
        if parts.len() == 1 {
            return Self::Exact(bytes(parts.pop()));
        }
        let length_min = parts.iter().map(String::len).sum();
        let suffix = bytes(parts.pop());
        let prefix = bytes(Some(parts.remove(0)));
        let middle = parts
            .iter()
            .filter(|part| !part.is_empty())
            .map(|part| Finder::new(part.as_bytes()).into_owned())
            .collect();
        Self::Parts(Parts { prefix, middle, suffix, length_min })
    }

    pub fn matches(&self, text: &str) -> bool {
        match self {
            Self::Exact(literal) => **literal == *text.as_bytes(),
            Self::Parts(parts) => parts.matches(text.as_bytes()),
            Self::Wild(tokens) => matches_wild(tokens, text),
        }
    }
}

/// Longer texts are kept in buffers, shorter ones in the view itself.
const INLINE_BYTES: u32 = 12;

/// How far a search goes beyond the text that it is for, in bytes.
const SEARCH_WINDOW: usize = 1024;

impl Pattern {
    /// Whether each text matches, or the opposite of it; anything under NULL.
    pub fn match_all(&self, texts: &StringViewArray, negated: bool) -> BooleanBuffer {
        if let Self::Parts(parts) = self
            && parts.prefix.is_empty()
            && let Some(first) = parts.middle.first()
        {
            let mut search = Search { needle: first, buffer: u32::MAX, from: 0, until: 0, hit: None };
            let views = texts.views();
            return BooleanBuffer::collect_bool(texts.len(), |row| {
                let view = ByteView::from(views[row]);
                let possible = view.length <= INLINE_BYTES || search.finds_within(view, texts);
                (possible && parts.matches(texts.value(row).as_bytes())) != negated
            });
        }
        BooleanBuffer::collect_bool(texts.len(), |row| self.matches(texts.value(row)) != negated)
    }
}

/// A search through a buffer that holds many texts one after the other, which is much faster than one search a text.
/// What it found out is kept for the texts behind.
struct Search<'a> {
    needle: &'a Finder<'static>,
    buffer: u32,
    /// The needle begins nowhere from `from` to before `until`, except at `hit` and behind it.
    from: usize,
    until: usize,
    hit: Option<usize>,
}

impl Search<'_> {
    /// Whether the needle is in this text.
    fn finds_within(&mut self, view: ByteView, texts: &StringViewArray) -> bool {
        let (start, length) = (view.offset as usize, view.length as usize);
        let Some(last) =
            (start + length + 1).checked_sub(self.needle.needle().len()).filter(|&last| last > start)
        else {
            return false;
        };
        let known = self.buffer == view.buffer_index
            && self.from <= start
            && match self.hit {
                Some(hit) => start <= hit,
                None => last <= self.until,
            };
        if !known {
            let bytes = texts.data_buffers()[view.buffer_index as usize].as_slice();
            let end = (start + length.max(SEARCH_WINDOW)).min(bytes.len());
            self.buffer = view.buffer_index;
            self.from = start;
            self.until = (end + 1).saturating_sub(self.needle.needle().len());
            self.hit = self.needle.find(&bytes[start..end]).map(|at| start + at);
        }
        self.hit.is_some_and(|hit| hit < last)
    }
}

impl Parts {
    /// Literal parts are whole characters, so comparing bytes is enough; each part is taken as early as it occurs,
    /// which never spoils a later one.
    fn matches(&self, text: &[u8]) -> bool {
        if text.len() < self.length_min {
            return false;
        }
        // Comparing with an empty slice, which points nowhere, costs a fault inside the C library's masked loads:
        // 150 ns where AVX-512 is used.
        if !self.prefix.is_empty() && !text.starts_with(&self.prefix) {
            return false;
        }
        if !self.suffix.is_empty() && !text.ends_with(&self.suffix) {
            return false;
        }
        let mut rest = &text[self.prefix.len()..text.len() - self.suffix.len()];
        for finder in &self.middle {
            match finder.find(rest) {
                Some(at) => rest = &rest[at + finder.needle().len()..],
                None => return false,
            }
        }
        true
    }
}

fn tokens(pattern: &str, escape: char) -> Vec<Token> {
    let mut tokens = Vec::with_capacity(pattern.len());
    let mut characters = pattern.chars();
    while let Some(character) = characters.next() {
        tokens.push(match character {
            // An escape at the end stands for itself.
            _ if character == escape => Token::Literal(characters.next().unwrap_or(escape)),
            '%' if tokens.last() == Some(&Token::Any) => continue,
            '%' => Token::Any,
            '_' => Token::One,
            other => Token::Literal(other),
        });
    }
    tokens
}

/// Greedy matching that returns to the last `%` when it fails; in the worst case text × pattern steps.
fn matches_wild(tokens: &[Token], text: &str) -> bool {
    let mut token = 0;
    let mut rest = text.chars();
    let mut retry: Option<(usize, std::str::Chars<'_>)> = None;
    loop {
        let mut ahead = rest.clone();
        let character = ahead.next();
        let matched = match (tokens.get(token), character) {
            (Some(Token::Any), _) => {
                retry = Some((token, rest.clone()));
                token += 1;
                continue;
            }
            (None, None) => return true,
            (Some(Token::One), Some(_)) => true,
            (Some(Token::Literal(wanted)), Some(character)) => *wanted == character,
            _ => false,
        };
        if matched {
            token += 1;
            rest = ahead;
        } else if let Some((any, start)) = &mut retry {
            if start.next().is_none() {
                return false;
            }
            token = *any + 1;
            rest = start.clone();
        } else {
            return false;
        }
    }
}

/// The same pattern with a backslash as its escape character, as Arrow's kernels read it.
pub(crate) fn with_backslash(pattern: &str, escape: char) -> String {
    if escape == '\\' {
        return pattern.to_owned();
    }
    let mut text = String::with_capacity(pattern.len());
    let mut characters = pattern.chars();
    while let Some(character) = characters.next() {
        let literal = if character == escape { characters.next().unwrap_or(escape) } else { character };
        if literal == '\\' || (character == escape && matches!(literal, '%' | '_')) {
            text.push('\\');
        }
        text.push(literal);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn like(text: &str, pattern: &str) -> bool {
        Pattern::new(pattern, '\\').matches(text)
    }

    #[test]
    fn percent_matches_any_text_in_order() {
        assert!(like("the special fast requests", "%special%requests%"));
        assert!(!like("requests special", "%special%requests%"));
        assert!(like("PROMO BRUSHED", "PROMO%"));
        assert!(like("", "%") && like("", "") && !like("a", ""));
        assert!(!like("aba", "ab%ba"), "prefix and suffix may not overlap");
        assert!(like("abba", "ab%ba"));
    }

    #[test]
    fn many_texts_in_one_buffer_are_kept_apart() {
        let texts: StringViewArray = (0..2000)
            .map(|row| match row % 7 {
                0 => Some("ends with the first half spec".to_owned()),
                1 => Some("ial begins with the other half".to_owned()),
                2 => Some(format!("a special text with number {row}")),
                3 => None,
                4 => Some("special".to_owned()),
                5 => Some("nothing of the kind, although it is rather long".repeat(row % 40)),
                _ => Some("a long text that ends with requests after something special".to_owned()),
            })
            .collect();
        let reversed: StringViewArray = texts.iter().rev().collect();
        for pattern in ["%special%", "%special%t%", "%l%special", "a%special%"] {
            let pattern = Pattern::new(pattern, '\\');
            for texts in [&texts, &reversed, &texts.slice(3, 1500)] {
                let found = pattern.match_all(texts, false);
                for (row, text) in texts.iter().enumerate() {
                    assert!(
                        text.is_none_or(|text| pattern.matches(text) == found.value(row)),
                        "{row} {text:?}"
                    );
                }
            }
        }
    }

    #[test]
    fn underscore_is_one_character_not_one_byte() {
        assert!(like("süß", "s_ß"));
        assert!(like("xaby", "%a_y") && !like("xay", "%a_y"));
        assert!(like("aXbXc", "%X_") && !like("aX", "%X_"));
    }

    #[test]
    fn escapes_take_wildcards_literally() {
        assert!(like("50%", "50\\%") && !like("500", "50\\%"));
        assert!(Pattern::new("a#_b", '#').matches("a_b"));
        assert_eq!(with_backslash("a#_b\\", '#'), "a\\_b\\\\");
    }
}
