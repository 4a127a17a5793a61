//! `Op::Like`.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, BooleanArray, Scalar, StringViewArray};
use arrow::buffer::BooleanBuffer;
use arrow::compute::kernels::comparison;
use arrow::datatypes::DataType;
use nyala_schema::{Error, Result};

use super::operand::joint_nulls;
use super::pattern::{Pattern, with_backslash};
use super::prepared::Prepared;
use crate::register::Register;

/// What the statement says beside its operands, with the patterns compiled so far.
#[derive(Debug)]
pub(crate) struct Like {
    pub escape: Option<char>,
    pub negated: bool,
    pub case_insensitive: bool,
    patterns: Prepared<String, Pattern>,
}

impl Like {
    pub fn new(escape: Option<char>, negated: bool, case_insensitive: bool) -> Self {
        Self { escape, negated, case_insensitive, patterns: Prepared::default() }
    }

    /// Without ESCAPE the backslash escapes.
    fn escape(&self) -> char {
        self.escape.unwrap_or('\\')
    }

    /// # Errors
    /// Internal when an operand is no `Utf8View`.
    pub fn evaluate(&self, input: &Register, pattern: &Register) -> Result<Register> {
        if input.is_null_constant() || pattern.is_null_constant() {
            return Ok(Register::null(&DataType::Boolean));
        }
        if self.case_insensitive {
            return self.ignoring_case(input, pattern);
        }
        let (texts, patterns) = (views(input)?, views(pattern)?);
        let values = match (input, pattern) {
            (_, Register::Constant(_)) => self.compiled(patterns.value(0))?.match_all(texts, self.negated),
            (Register::Constant(_), Register::Column(_)) => {
                let text = texts.value(0);
                self.each(patterns.len(), |row| {
                    Pattern::new(patterns.value(row), self.escape()).matches(text)
                })
            }
            (Register::Column(_), Register::Column(_)) => self.each(texts.len(), |row| {
                Pattern::new(patterns.value(row), self.escape()).matches(texts.value(row))
            }),
        };
        let array = BooleanArray::new(values, joint_nulls(input, pattern));
        Ok(Register::new(Arc::new(array), input.is_constant() && pattern.is_constant()))
    }

    fn compiled(&self, pattern: &str) -> Result<Arc<Pattern>> {
        self.patterns.get(
            &pattern.to_owned(),
            |known, wanted| known == wanted,
            || Ok(Pattern::new(pattern, self.escape())),
        )
    }

    fn each(&self, rows: usize, matches: impl Fn(usize) -> bool) -> BooleanBuffer {
        BooleanBuffer::collect_bool(rows, |row| matches(row) != self.negated)
    }

    /// Case folding is Arrow's.
    fn ignoring_case(&self, input: &Register, pattern: &Register) -> Result<Register> {
        let rewritten: StringViewArray = views(pattern)?
            .iter()
            .map(|pattern| pattern.map(|pattern| with_backslash(pattern, self.escape())))
            .collect();
        let rewritten: ArrayRef = Arc::new(rewritten);
        let kernel = if self.negated { comparison::nilike } else { comparison::ilike };
        let array = match pattern {
            Register::Constant(_) => kernel(input, &Scalar::new(rewritten)),
            Register::Column(_) => kernel(input, &rewritten),
        }?;
        Ok(Register::new(Arc::new(array), input.is_constant() && pattern.is_constant()))
    }
}

fn views(register: &Register) -> Result<&StringViewArray> {
    register
        .array()
        .as_string_view_opt()
        .ok_or_else(|| Error::internal(format!("LIKE over {} instead of text views", register.data_type())))
}
