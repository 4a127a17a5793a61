//! Regular expressions: the operators `~`, and SQL's own kind of pattern.

use arrow::datatypes::DataType;
use nyala_schema::expr::Volatility;
use nyala_schema::{Error, Expr, Result, Value};

use super::literal::not;

/// `regexp_like(input, pattern[, 'i'])`.
pub fn regexp_like(input: Expr, pattern: Expr, case_insensitive: bool, negated: bool) -> Expr {
    let nullable = input.nullable() || pattern.nullable();
    let mut arguments = vec![input, pattern];
    if case_insensitive {
        arguments.push(text("i"));
    }
    let call = Expr::Call {
        function: "regexp_like".into(),
        arguments,
        data_type: DataType::Boolean,
        nullable,
        volatility: Volatility::Immutable,
    };
    if negated { not(call) } else { call }
}

pub(super) fn text(text: &str) -> Expr {
    let array = arrow::array::StringViewArray::from(vec![text]);
    Expr::Literal(Value::new(std::sync::Arc::new(array)))
}

/// The pattern of `SIMILAR TO` as a regular expression over the whole text.
///
/// # Errors
/// `Unsupported` unless the pattern is a constant.
pub fn similar_to(pattern: &Expr, escape: Option<char>) -> Result<Expr> {
    let Expr::Literal(value) = pattern else {
        return Err(Error::unsupported("SIMILAR TO with a pattern that is not a constant is not supported"));
    };
    Ok(value.as_str().map_or_else(|| pattern.clone(), |sql| text(&to_regex(sql, escape.unwrap_or('\\')))))
}

fn to_regex(sql: &str, escape: char) -> String {
    let mut regex = String::from("^(?s:");
    let mut characters = sql.chars();
    let mut in_class = false;
    while let Some(character) = characters.next() {
        match character {
            c if c == escape => {
                if let Some(next) = characters.next() {
                    if !next.is_alphanumeric() {
                        regex.push('\\');
                    }
                    regex.push(next);
                }
            }
            '[' | ']' => {
                in_class = character == '[';
                regex.push(character);
            }
            c if in_class => regex.push(c),
            '%' => regex.push_str(".*"),
            '_' => regex.push('.'),
            '.' | '^' | '$' | '\\' => {
                regex.push('\\');
                regex.push(character);
            }
            c => regex.push(c),
        }
    }
    regex.push_str(")$");
    regex
}

#[cfg(test)]
mod tests {
    use super::to_regex;

    #[test]
    fn sql_patterns_become_anchored_regular_expressions() {
        assert_eq!(to_regex("a%(b|c)_", '\\'), "^(?s:a.*(b|c).)$");
        assert_eq!(to_regex("1.5!%[%_]", '!'), "^(?s:1\\.5\\%[%_])$");
    }
}
