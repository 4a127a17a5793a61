//! LIKE patterns, compiled once and matched against many texts.

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

impl Parts {
    /// Literal parts are whole characters, so comparing bytes is enough; each part is taken as early as it occurs,
    /// which never spoils a later one.
    fn matches(&self, text: &[u8]) -> bool {
        if text.len() < self.length_min || !text.starts_with(&self.prefix) || !text.ends_with(&self.suffix) {
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
