//! A program as text, a statement a line, blocks indented.
//!
//! ```text
//! inputs Int64, Utf8View?
//! parameters Int64
//! %0 = input 0 : Int64
//! %1 = parameter 0 : Int64
//! %2 = less %0, %1 : Boolean
//! filter %2
//! output %0
//! ```
//!
//! Types are Arrow's with `?` when nullable. Constants are not part of it, but of [`Code`], which prints them as well.

use std::fmt::{self, Write};

use nyala_schema::expr::{ArithmeticOp, CompareOp, Volatility};

use crate::program::{
    Block, Branch, Code, Op, Parameter, ParameterType, Program, StateOp, StateUpdate, Statement, Type,
    ValueId,
};

impl fmt::Display for Program {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_labelled(f, "inputs", &self.inputs)?;
        write_labelled(f, "parameters", &self.parameters)?;
        write_block(f, &self.body, 0)?;
        if !self.outputs.is_empty() {
            writeln!(f, "output {}", Separated(&self.outputs))?;
        }
        self.updates.iter().try_for_each(|update| writeln!(f, "{update}"))
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_labelled(f, "constants", &self.parameters)?;
        write!(f, "{}", self.program)
    }
}

impl fmt::Display for ValueId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "%{}", self.0)
    }
}

impl fmt::Display for Type {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.data_type, if self.nullable { "?" } else { "" })
    }
}

impl fmt::Display for ParameterType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Scalar(ty) => write!(f, "{ty}"),
            Self::Set { data_type, len } => write!(f, "set of {len} {data_type}"),
        }
    }
}

impl fmt::Display for Parameter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Scalar(value) => write!(f, "{value}"),
            Self::Set(values) => {
                let shown = values.len().min(SET_VALUES_SHOWN);
                let items: Vec<nyala_schema::Value> =
                    (0..shown).map(|row| nyala_schema::Value::from_row(values, row)).collect();
                write!(f, "{{{}{}}}", Separated(&items), if shown < values.len() { ", …" } else { "" })
            }
        }
    }
}

/// Longer sets are cut in the text.
const SET_VALUES_SHOWN: usize = 16;

impl fmt::Display for StateUpdate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "update {} @{}", self.op, self.offset)?;
        self.value.map_or(Ok(()), |value| write!(f, " {value}"))?;
        self.mask.map_or(Ok(()), |mask| write!(f, " if {mask}"))
    }
}

impl fmt::Display for StateOp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Count => f.write_str("count"),
            Self::SumInteger => f.write_str("sum.i128"),
            Self::SumFloat => f.write_str("sum.f64"),
            Self::Min(data_type) => write!(f, "min {data_type}"),
            Self::Max(data_type) => write!(f, "max {data_type}"),
        }
    }
}

/// The operation without its result; an `If` without its blocks.
impl fmt::Display for Op {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Op::Input(index) => write!(f, "input {index}"),
            Op::Parameter(index) => write!(f, "parameter {index}"),
            Op::Arithmetic { op, left, right, checked } => {
                write!(f, "{}{} {left}, {right}", arithmetic_name(*op), suffix(*checked, ".checked"))
            }
            Op::Negate { input, checked } => write!(f, "negate{} {input}", suffix(*checked, ".checked")),
            Op::Compare { op, left, right } => write!(f, "{} {left}, {right}", compare_name(*op)),
            Op::And(left, right) => write!(f, "and {left}, {right}"),
            Op::Or(left, right) => write!(f, "or {left}, {right}"),
            Op::Not(input) => write!(f, "not {input}"),
            Op::IsNull(input) => write!(f, "is_null {input}"),
            Op::If { condition, .. } => write!(f, "if {condition}"),
            Op::Cast { input, safe } => write!(f, "cast{} {input}", suffix(*safe, ".safe")),
            Op::Like { input, pattern, escape, negated, case_insensitive } => {
                let (not, any_case) = (suffix(*negated, ".not"), suffix(*case_insensitive, ".any_case"));
                write!(f, "like{not}{any_case} {input}, {pattern}")?;
                escape.map_or(Ok(()), |escape| write!(f, " escape {escape:?}"))
            }
            Op::InSet { input, set, negated } => {
                write!(f, "in{} {input}, parameter {set}", suffix(*negated, ".not"))
            }
            Op::Call { function, arguments, volatility } => {
                let kind = match volatility {
                    Volatility::Immutable => "",
                    Volatility::Stable => ".stable",
                    Volatility::Volatile => ".volatile",
                };
                write!(f, "call{kind} \"{function}\"({})", Separated(arguments))
            }
        }
    }
}

fn write_block(f: &mut fmt::Formatter<'_>, block: &Block, indent: usize) -> fmt::Result {
    block.statements.iter().try_for_each(|statement| {
        write_indent(f, indent)?;
        match statement {
            Statement::Filter(id) => writeln!(f, "filter {id}"),
            Statement::Let { id, op: op @ Op::If { then, otherwise, .. }, ty } => {
                writeln!(f, "{id} = {op} {{")?;
                write_branch(f, then, indent + 1)?;
                write_indent(f, indent)?;
                writeln!(f, "}} else {{")?;
                write_branch(f, otherwise, indent + 1)?;
                write_indent(f, indent)?;
                writeln!(f, "}} : {ty}")
            }
            Statement::Let { id, op, ty } => writeln!(f, "{id} = {op} : {ty}"),
        }
    })
}

fn write_branch(f: &mut fmt::Formatter<'_>, branch: &Branch, indent: usize) -> fmt::Result {
    write_block(f, &branch.block, indent)?;
    write_indent(f, indent)?;
    writeln!(f, "yield {}", branch.result)
}

fn write_indent(f: &mut fmt::Formatter<'_>, indent: usize) -> fmt::Result {
    (0..indent).try_for_each(|_| f.write_str("  "))
}

fn write_labelled<T: fmt::Display>(f: &mut fmt::Formatter<'_>, label: &str, items: &[T]) -> fmt::Result {
    if items.is_empty() { Ok(()) } else { writeln!(f, "{label} {}", Separated(items)) }
}

/// Items with commas between.
pub(super) struct Separated<'t, T>(pub &'t [T]);

impl<T: fmt::Display> fmt::Display for Separated<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, item) in self.0.iter().enumerate() {
            if index > 0 {
                f.write_str(", ")?;
            }
            write!(f, "{item}")?;
        }
        Ok(())
    }
}

fn suffix(on: bool, text: &'static str) -> &'static str {
    if on { text } else { "" }
}

pub(super) fn arithmetic_name(op: ArithmeticOp) -> &'static str {
    match op {
        ArithmeticOp::Add => "add",
        ArithmeticOp::Subtract => "subtract",
        ArithmeticOp::Multiply => "multiply",
        ArithmeticOp::Divide => "divide",
        ArithmeticOp::Remainder => "remainder",
    }
}

pub(super) fn compare_name(op: CompareOp) -> &'static str {
    match op {
        CompareOp::Equal => "equal",
        CompareOp::NotEqual => "not_equal",
        CompareOp::Less => "less",
        CompareOp::LessOrEqual => "less_or_equal",
        CompareOp::Greater => "greater",
        CompareOp::GreaterOrEqual => "greater_or_equal",
        CompareOp::Distinct => "distinct",
        CompareOp::NotDistinct => "not_distinct",
    }
}

/// Indents every line of a text.
pub(super) fn indented(text: &str, indent: usize) -> String {
    text.lines().fold(String::new(), |mut result, line| {
        let _ = writeln!(result, "{:indent$}{line}", "");
        result
    })
}
