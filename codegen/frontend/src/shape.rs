//! How big and how deep a text is, measured before it is parsed: small texts run where they are, large ones on a
//! thread with a large stack, and what no sensible statement needs is refused.

use std::panic::{AssertUnwindSafe, catch_unwind};

use nyala_schema::{Error, ErrorCode, Result};

use crate::script::{Piece, Pieces};

/// Longest statement, bytes.
const TEXT_BYTES_MAX: usize = 16 << 20;
/// Parentheses, CASE, NOT and the like inside each other, as the parser counts.
pub(crate) const NESTING_MAX: usize = 200;
/// Operators side by side in one expression.
const CHAIN_MAX: usize = 20_000;
/// UNION, EXCEPT, INTERSECT in one statement.
const SET_OPERATIONS_MAX: usize = 500;
/// JOIN and commas in FROM are counted as JOIN words only.
const JOINS_MAX: usize = 500;

/// A text up to these bounds is parsed and planned on the caller's stack, of which 1 MiB must be free.
const INLINE_DEPTH_MAX: usize = 16;
const INLINE_OPERATORS_MAX: usize = 300;
/// Bytes of address space; only what is touched takes memory.
const LARGE_STACK_BYTES: usize = 512 << 20;

/// Words that take an expression after them without brackets.
const NESTING_WORDS: &[&str] = &["not", "case", "interval", "prior"];
/// Words that make a level of an expression where they stand between or after operands.
const OPERATOR_WORDS: &[&str] = &[
    "and", "or", "xor", "is", "in", "like", "ilike", "rlike", "regexp", "similar", "between", "at",
    "collate", "isnull", "notnull", "div", "overlaps",
];

/// Upper bounds on a statement's structure.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Shape {
    bytes: usize,
    /// Brackets inside each other, plus all words that may nest without brackets.
    depth: usize,
    /// The most operators on one level of brackets between two commas.
    chain: usize,
    operators: usize,
    set_operations: usize,
    joins: usize,
}

impl Shape {
    pub(crate) fn of(text: &str) -> Self {
        let mut shape = Self { bytes: text.len(), ..Self::default() };
        let mut chains = vec![0usize];
        let mut brackets_max = 0;
        let mut nesting_words = 0;
        for (piece, range) in Pieces::new(text) {
            match piece {
                Piece::Symbol(b'(' | b'[' | b'{') => {
                    chains.push(0);
                    brackets_max = brackets_max.max(chains.len());
                }
                Piece::Symbol(b')' | b']' | b'}') => {
                    // A postfix such as x[1][2] makes a level too.
                    if chains.len() > 1 {
                        chains.pop();
                    }
                    shape.count_operator(&mut chains);
                }
                Piece::Symbol(b',') => chains.last_mut().into_iter().for_each(|chain| *chain = 0),
                Piece::Symbol(_) => shape.count_operator(&mut chains),
                Piece::Word => match shape.count_word(&text[range]) {
                    WordRole::Plain => {}
                    WordRole::Operator => shape.count_operator(&mut chains),
                    WordRole::Nesting => nesting_words += 1,
                },
                Piece::Blank | Piece::Quoted | Piece::Semicolon => {}
            }
        }
        shape.depth = brackets_max + nesting_words;
        shape
    }

    /// Of something that is known to want a large stack.
    pub(crate) fn large() -> Self {
        Self { depth: INLINE_DEPTH_MAX + 1, ..Self::default() }
    }

    fn count_operator(&mut self, chains: &mut [usize]) {
        self.operators += 1;
        if let Some(chain) = chains.last_mut() {
            *chain += 1;
            self.chain = self.chain.max(*chain);
        }
    }

    fn count_word(&mut self, word: &str) -> WordRole {
        let is_one_of = |names: &[&str]| names.iter().any(|name| word.eq_ignore_ascii_case(name));
        if is_one_of(&["join"]) {
            self.joins += 1;
            WordRole::Operator
        } else if is_one_of(&["union", "except", "intersect", "minus"]) {
            self.set_operations += 1;
            WordRole::Nesting
        } else if is_one_of(NESTING_WORDS) {
            WordRole::Nesting
        } else if is_one_of(OPERATOR_WORDS) {
            WordRole::Operator
        } else {
            WordRole::Plain
        }
    }

    /// # Errors
    /// `TooComplex`, with the limit that the text is over.
    pub(crate) fn check(&self) -> Result<()> {
        let over = |what: &str, limit: usize| {
            let message = format!("the statement is too large: more than {limit} {what}");
            Err(Error::new(ErrorCode::TooComplex, message)
                .with_hint("split it, or put its values into a table and join with that"))
        };
        if self.bytes > TEXT_BYTES_MAX {
            return over("bytes", TEXT_BYTES_MAX);
        }
        if self.chain > CHAIN_MAX {
            return over("operators in one expression", CHAIN_MAX);
        }
        if self.set_operations > SET_OPERATIONS_MAX {
            return over("UNION, EXCEPT and INTERSECT", SET_OPERATIONS_MAX);
        }
        if self.joins > JOINS_MAX {
            return over("joins", JOINS_MAX);
        }
        Ok(())
    }

    pub(crate) fn is_large(&self) -> bool {
        self.depth > INLINE_DEPTH_MAX || self.operators > INLINE_OPERATORS_MAX
    }

    /// Runs `work` with stack enough for a text of this shape. A panic inside becomes an internal error.
    ///
    /// # Errors
    /// Those of `work`; `Internal` for a panic; `OutOfMemory` when no thread can be had.
    pub(crate) fn run<T: Send>(&self, work: impl FnOnce() -> Result<T> + Send) -> Result<T> {
        let guarded =
            || catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|payload| Err(panicked(&*payload)));
        if !self.is_large() {
            return guarded();
        }
        std::thread::scope(|scope| {
            let builder =
                std::thread::Builder::new().name("planning".to_owned()).stack_size(LARGE_STACK_BYTES);
            let thread = builder.spawn_scoped(scope, guarded).map_err(|error| {
                let message = format!("no thread could be started to plan a large statement: {error}");
                Error::new(ErrorCode::OutOfMemory, message)
            })?;
            thread.join().unwrap_or_else(|payload| Err(panicked(&*payload)))
        })
    }
}

enum WordRole {
    Plain,
    Operator,
    Nesting,
}

fn panicked(payload: &(dyn std::any::Any + Send)) -> Error {
    let text = payload
        .downcast_ref::<&str>()
        .map(|text| (*text).to_owned())
        .or_else(|| payload.downcast_ref::<String>().cloned())
        .unwrap_or_default();
    Error::internal(format!("planning stopped unexpectedly: {text}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn depth_counts_brackets_and_words() {
        assert_eq!(Shape::of("select 1").depth, 0);
        assert_eq!(Shape::of("select ((a))").depth, 3);
        assert_eq!(Shape::of("select case when not a then 1 end").depth, 2);
        assert_eq!(Shape::of("select '((((' -- ((((").depth, 0);
        assert!(!Shape::of("select a from t where a = 1 and b = 2").is_large());
    }

    #[test]
    fn chains_end_at_commas_and_brackets() {
        let long = format!("select {}", vec!["1"; 1000].join("+"));
        assert_eq!(Shape::of(&long).chain, 999);
        let list = format!("select a in ({})", vec!["1"; 1000].join(","));
        assert!(Shape::of(&list).chain < 3);
        assert!(!Shape::of(&list).is_large());
    }

    #[test]
    fn panics_become_errors() {
        let result: Result<()> = Shape::default().run(|| panic!("oops"));
        assert!(result.unwrap_err().message().contains("oops"));
    }
}
