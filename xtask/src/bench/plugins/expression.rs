//! Bodies of the measured functions: one text that is SQL, Rust and Python, and the WAT that it stands for.
//!
//! SQL checks integers for overflow where it cannot show that there is none, and WASM never does. So that both do the
//! same work, the bodies have `+`, `-` and `*` only, over columns whose ranges (`a` below 10,007 and `b` below 1,009, which
//! the tables' statistics say) let the planner show that nothing overflows: it leaves the checks out. No part occurs twice, so
//! that nothing can be computed once on one side only.

use anyhow::{Result, bail};

/// A function of two BIGINTs.
pub struct Body {
    pub name: &'static str,
    /// Infix over `a` and `b`.
    pub text: &'static str,
    /// The same again, to know what engines must answer.
    pub value: fn(i64, i64) -> i64,
    /// What about half of the rows exceed.
    pub threshold: i64,
}

pub const THREE: Body =
    Body { name: "three", text: "a * 31 + b - 7", value: |a, b| a * 31 + b - 7, threshold: 155_000 };

pub const TWENTY: Body = Body {
    name: "twenty",
    text: "(a * 3 + b - 11) * (b * 5 - a + 13) + (a - b * 7 + 17) * (b + 19) - (a * 23 - 29) * (b - 31) + b * 37",
    value: |a, b| {
        (a * 3 + b - 11) * (b * 5 - a + 13) + (a - b * 7 + 17) * (b + 19) - (a * 23 - 29) * (b - 31) + b * 37
    },
    threshold: -100_000_000,
};

impl Body {
    /// A module that exports the function under its name.
    pub fn wat(&self) -> Result<String> {
        let body = wat(self.text)?;
        Ok(format!(
            "(module (func (export \"{}\") (param $a i64) (param $b i64) (result i64)\n  {body}))",
            self.name
        ))
    }

    /// Exports NAME for ClickHouse's buffered interface.
    pub fn buffered_wat(&self) -> Result<String> {
        Ok(include_str!("buffered.wat").replace("NAME", self.name).replace("BODY", &wat(self.text)?))
    }

    pub fn create(&self) -> Result<String> {
        Ok(format!(
            "CREATE FUNCTION {name} (a BIGINT, b BIGINT) RETURNS BIGINT LANGUAGE wat IMMUTABLE STRICT AS $$\n{}\n$$;\n",
            self.wat()?,
            name = self.name
        ))
    }
}

/// The folded instructions of an infix expression over `a`, `b` and whole numbers.
fn wat(text: &str) -> Result<String> {
    let mut tokens = tokens(text);
    tokens.reverse();
    let instructions = sum(&mut tokens)?;
    match tokens.pop() {
        None => Ok(instructions),
        Some(token) => bail!("'{token}' is too much in '{text}'"),
    }
}

fn tokens(text: &str) -> Vec<String> {
    let mut tokens = Vec::new();
    for word in text.split_whitespace() {
        let mut rest = word;
        while !rest.is_empty() {
            let end = match rest.find(|c: char| !c.is_ascii_alphanumeric()) {
                Some(0) => 1,
                Some(end) => end,
                None => rest.len(),
            };
            tokens.push(rest[..end].to_owned());
            rest = &rest[end..];
        }
    }
    tokens
}

/// Tokens are taken from the end.
fn sum(tokens: &mut Vec<String>) -> Result<String> {
    let mut left = product(tokens)?;
    while let Some(operator) = tokens.pop_if(|token| matches!(token.as_str(), "+" | "-")) {
        let name = if operator == "+" { "add" } else { "sub" };
        left = format!("(i64.{name} {left} {})", product(tokens)?);
    }
    Ok(left)
}

fn product(tokens: &mut Vec<String>) -> Result<String> {
    let mut left = factor(tokens)?;
    while tokens.pop_if(|token| token == "*").is_some() {
        left = format!("(i64.mul {left} {})", factor(tokens)?);
    }
    Ok(left)
}

fn factor(tokens: &mut Vec<String>) -> Result<String> {
    let Some(token) = tokens.pop() else { bail!("an expression ends where a value is due") };
    Ok(match token.as_str() {
        "(" => {
            let inner = sum(tokens)?;
            if tokens.pop().as_deref() != Some(")") {
                bail!("a parenthesis is not closed");
            }
            inner
        }
        "a" | "b" => format!("(local.get ${token})"),
        number => format!("(i64.const {})", number.parse::<i64>()?),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn precedence_and_association_are_those_of_sql() {
        let folded =
            "(i64.sub (i64.add (i64.mul (local.get $a) (i64.const 31)) (local.get $b)) (i64.const 7))";
        assert_eq!(wat(THREE.text).unwrap(), folded);
        assert_eq!(
            wat("(a - b) * 2").unwrap(),
            "(i64.mul (i64.sub (local.get $a) (local.get $b)) (i64.const 2))"
        );
        assert!(wat("a + b) * 2").is_err());
        assert!(wat("(a + 2").is_err());
    }

    #[test]
    fn bodies_have_as_many_operations_as_they_are_named_for() {
        for (body, operations) in [(&THREE, 3), (&TWENTY, 20)] {
            let text = body.wat().unwrap();
            let count = ["i64.add", "i64.sub", "i64.mul"].iter().map(|name| text.matches(name).count());
            assert_eq!(count.sum::<usize>(), operations, "{}", body.name);
            assert!(wat::parse_str(&text).is_ok(), "{text}");
            assert!(wat::parse_str(body.buffered_wat().unwrap()).is_ok());
        }
    }

    /// The guest of the peer is Rust, in a workspace of its own.
    #[test]
    fn the_peer_has_the_same_bodies() {
        let guest = include_str!("../../../peers/arrow-udf/guest/src/lib.rs");
        for body in [&THREE, &TWENTY] {
            assert!(guest.contains(&format!("    {}\n", body.text)), "{} differs in the peer", body.name);
        }
    }
}
