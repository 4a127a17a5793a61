//! `FOR VERSION AS OF` and its like, put into the words that sqlparser reads behind a table's name.

use sqlparser::tokenizer::{Token, TokenWithSpan, Whitespace};

/// `FOR VERSION AS OF` and `FOR SYSTEM_VERSION AS OF` become `VERSION AS OF`, `FOR TIMESTAMP AS OF` becomes
/// `TIMESTAMP AS OF`. Whether any such words are there.
pub(super) fn mark_versions(tokens: &mut [TokenWithSpan]) -> bool {
    let is_plain = |token: &TokenWithSpan| !matches!(token.token, Token::Whitespace(_));
    let places: Vec<usize> = (0..tokens.len()).filter(|at| is_plain(&tokens[*at])).collect();
    let mut found = false;
    for (nth, at) in places.iter().enumerate() {
        let is = |tokens: &[TokenWithSpan], nth: Option<usize>, name: &str| {
            nth.and_then(|nth| places.get(nth)).is_some_and(|at| is_word(&tokens[*at], name))
        };
        if !is(tokens, Some(nth + 1), "AS") || !is(tokens, Some(nth + 2), "OF") {
            continue;
        }
        let after_for = is(tokens, nth.checked_sub(1), "FOR");
        let native = is_word(&tokens[*at], "SYSTEM_TIME");
        let system_version = is_word(&tokens[*at], "SYSTEM_VERSION");
        if native
            || !system_version && !["VERSION", "TIMESTAMP"].iter().any(|word| is_word(&tokens[*at], word))
        {
            found |= native && after_for;
            continue;
        }
        if system_version {
            tokens[*at].token = Token::make_keyword("VERSION");
        }
        if after_for {
            tokens[places[nth - 1]].token = Token::Whitespace(Whitespace::Space);
        }
        found = true;
    }
    found
}

fn is_word(token: &TokenWithSpan, name: &str) -> bool {
    matches!(&token.token, Token::Word(word) if word.quote_style.is_none() && word.value.eq_ignore_ascii_case(name))
}
