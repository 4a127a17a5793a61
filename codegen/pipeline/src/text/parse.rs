//! Reads a program's text back: tests of backends are written in it.

use arrow::datatypes::DataType;
use nyala_schema::expr::{ArithmeticOp, CompareOp, Volatility};
use nyala_schema::{Error, ErrorCode, Result};

use super::program::{arithmetic_name, compare_name};
use crate::program::{
    Block, Branch, Op, ParameterType, Program, StateOp, StateUpdate, Statement, Type, ValueId,
};

/// The program that prints as this text. Empty lines and indentation do not matter.
///
/// # Errors
/// Syntax, with the line.
pub fn parse_program(text: &str) -> Result<Program> {
    let lines: Vec<&str> = text.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    let mut parser = Parser { lines, next: 0 };
    parser.program().map_err(|error| {
        let line = parser.lines.get(parser.next.saturating_sub(1)).copied().unwrap_or("");
        error.context(format!("in `{line}`"))
    })
}

struct Parser<'t> {
    lines: Vec<&'t str>,
    next: usize,
}

impl<'t> Parser<'t> {
    fn program(&mut self) -> Result<Program> {
        let inputs = list(self.labelled("inputs ")).into_iter().map(parse_type).collect::<Result<_>>()?;
        let parameters =
            list(self.labelled("parameters ")).into_iter().map(parameter).collect::<Result<_>>()?;
        let body = self.block()?;
        let outputs = list(self.labelled("output ")).into_iter().map(value).collect::<Result<_>>()?;
        let mut updates = vec![];
        while let Some(line) = self.optional("update ") {
            updates.push(update(line)?);
        }
        match self.line() {
            Some(_) => Err(wrong("something behind the end")),
            None => Ok(Program { inputs, parameters, body, outputs, updates }),
        }
    }

    fn line(&mut self) -> Option<&'t str> {
        let line = self.lines.get(self.next).copied();
        self.next += usize::from(line.is_some());
        line
    }

    /// What follows the prefix, when the next line has it.
    fn optional(&mut self, prefix: &str) -> Option<&'t str> {
        let rest = self.lines.get(self.next)?.strip_prefix(prefix)?;
        self.next += 1;
        Some(rest)
    }

    fn labelled(&mut self, label: &str) -> &'t str {
        self.optional(label).unwrap_or("")
    }

    fn block(&mut self) -> Result<Block> {
        let mut statements = vec![];
        loop {
            if let Some(id) = self.optional("filter ") {
                statements.push(Statement::Filter(value(id)?));
            } else if let Some(rest) = self.optional("%") {
                statements.push(self.definition(rest)?);
            } else {
                return Ok(Block { statements });
            }
        }
    }

    fn definition(&mut self, text: &str) -> Result<Statement> {
        let (id, rest) = split(text, " = ")?;
        let id = ValueId(number(id)?);
        if let Some(condition) = rest.strip_prefix("if ") {
            let condition = value(condition.trim_end_matches('{').trim())?;
            let then = self.branch()?;
            self.optional("} else {").ok_or_else(|| wrong("`} else {` is missing"))?;
            let otherwise = self.branch()?;
            let ty = self.optional("} : ").ok_or_else(|| wrong("`} : type` is missing"))?;
            return Ok(Statement::Let { id, op: Op::If { condition, then, otherwise }, ty: parse_type(ty)? });
        }
        let at = rest.rfind(" : ").ok_or_else(|| wrong("` : type` is missing"))?;
        Ok(Statement::Let { id, op: operation(&rest[..at])?, ty: parse_type(&rest[at + 3..])? })
    }

    fn branch(&mut self) -> Result<Branch> {
        let block = self.block()?;
        let result = self.optional("yield ").ok_or_else(|| wrong("`yield` is missing"))?;
        Ok(Branch { block, result: value(result)? })
    }
}

fn operation(text: &str) -> Result<Op> {
    let (name, rest) = text.split_once(' ').ok_or_else(|| wrong("an operation without operands"))?;
    let mut words = name.split('.');
    let base = words.next().unwrap_or_default();
    let flags: Vec<&str> = words.collect();
    let has = |flag: &str| flags.contains(&flag);
    if let Some(op) = ARITHMETIC.into_iter().find(|op| arithmetic_name(*op) == base) {
        let (left, right) = pair(rest)?;
        return Ok(Op::Arithmetic { op, left, right, checked: has("checked") });
    }
    if let Some(op) = COMPARISONS.into_iter().find(|op| compare_name(*op) == base) {
        let (left, right) = pair(rest)?;
        return Ok(Op::Compare { op, left, right });
    }
    Ok(match base {
        "input" => Op::Input(number(rest)?),
        "parameter" => Op::Parameter(number(rest)?),
        "negate" => Op::Negate { input: value(rest)?, checked: has("checked") },
        "and" => pair(rest).map(|(left, right)| Op::And(left, right))?,
        "or" => pair(rest).map(|(left, right)| Op::Or(left, right))?,
        "not" => Op::Not(value(rest)?),
        "is_null" => Op::IsNull(value(rest)?),
        "cast" => Op::Cast { input: value(rest)?, safe: has("safe") },
        "like" => {
            let (operands, escape) = match rest.split_once(" escape ") {
                Some((operands, escape)) => (operands, Some(character(escape)?)),
                None => (rest, None),
            };
            let (input, pattern) = pair(operands)?;
            Op::Like { input, pattern, escape, negated: has("not"), case_insensitive: has("any_case") }
        }
        "in" => {
            let (input, set) = split(rest, ", parameter ")?;
            Op::InSet { input: value(input)?, set: number(set)?, negated: has("not") }
        }
        "call" => call(rest, has("stable"), has("volatile"))?,
        _ => return Err(wrong(&format!("there is no operation {base}"))),
    })
}

fn call(text: &str, stable: bool, volatile: bool) -> Result<Op> {
    let (function, arguments) = split(text, "(")?;
    let arguments = arguments.strip_suffix(')').ok_or_else(|| wrong("`)` is missing"))?;
    let volatility = match (stable, volatile) {
        (_, true) => Volatility::Volatile,
        (true, false) => Volatility::Stable,
        (false, false) => Volatility::Immutable,
    };
    let arguments = list(arguments).into_iter().map(value).collect::<Result<_>>()?;
    Ok(Op::Call { function: function.trim_matches('"').into(), arguments, volatility })
}

fn update(text: &str) -> Result<StateUpdate> {
    let (op, rest) = split(text, " @")?;
    let (rest, mask) = match rest.split_once(" if ") {
        Some((rest, mask)) => (rest, Some(value(mask)?)),
        None => (rest, None),
    };
    let (offset, operand) = match rest.split_once(' ') {
        Some((offset, operand)) => (offset, Some(value(operand)?)),
        None => (rest, None),
    };
    let op = match op.split_once(' ') {
        None if op == "count" => StateOp::Count,
        None if op == "sum.i128" => StateOp::SumInteger,
        None if op == "sum.f64" => StateOp::SumFloat,
        Some(("min", data_type)) => StateOp::Min(parse_data_type(data_type)?),
        Some(("max", data_type)) => StateOp::Max(parse_data_type(data_type)?),
        _ => return Err(wrong(&format!("there is no update {op}"))),
    };
    Ok(StateUpdate { op, value: operand, mask, offset: number(offset)? })
}

fn parameter(text: &str) -> Result<ParameterType> {
    let Some(set) = text.strip_prefix("set of ") else { return Ok(ParameterType::Scalar(parse_type(text)?)) };
    let (len, data_type) = split(set, " ")?;
    Ok(ParameterType::Set { data_type: parse_data_type(data_type)?, len: number(len)? as usize })
}

fn parse_type(text: &str) -> Result<Type> {
    let (data_type, nullable) = match text.strip_suffix('?') {
        Some(data_type) => (data_type, true),
        None => (text, false),
    };
    Ok(Type::new(parse_data_type(data_type)?, nullable))
}

fn parse_data_type(text: &str) -> Result<DataType> {
    text.trim().parse().map_err(|_| wrong(&format!("there is no type {text}")))
}

/// Items between commas that are not in parentheses.
fn list(text: &str) -> Vec<&str> {
    let mut items = vec![];
    let (mut start, mut depth) = (0, 0i32);
    for (index, c) in text.char_indices() {
        match c {
            '(' => depth += 1,
            ')' => depth -= 1,
            ',' if depth == 0 => {
                items.push(text[start..index].trim());
                start = index + 1;
            }
            _ => {}
        }
    }
    items.push(text[start..].trim());
    items.retain(|item| !item.is_empty());
    items
}

fn pair(text: &str) -> Result<(ValueId, ValueId)> {
    let (left, right) = split(text, ", ")?;
    Ok((value(left)?, value(right)?))
}

fn value(text: &str) -> Result<ValueId> {
    let digits = text.trim().strip_prefix('%').ok_or_else(|| wrong(&format!("{text} is no value")))?;
    Ok(ValueId(number(digits)?))
}

fn number(text: &str) -> Result<u32> {
    text.trim().parse().map_err(|_| wrong(&format!("{text} is no number")))
}

/// A character as Rust writes it in single quotes.
fn character(text: &str) -> Result<char> {
    match text.trim_matches('\'') {
        "\\\\" => Ok('\\'),
        "" | "\\" => Ok('\''),
        other => other.trim_start_matches('\\').chars().next().ok_or_else(|| wrong("a character is missing")),
    }
}

fn split<'t>(text: &'t str, at: &str) -> Result<(&'t str, &'t str)> {
    text.split_once(at).ok_or_else(|| wrong(&format!("`{at}` is missing")))
}

fn wrong(message: &str) -> Error {
    Error::new(ErrorCode::Syntax, message)
}

const ARITHMETIC: [ArithmeticOp; 5] = [
    ArithmeticOp::Add,
    ArithmeticOp::Subtract,
    ArithmeticOp::Multiply,
    ArithmeticOp::Divide,
    ArithmeticOp::Remainder,
];

const COMPARISONS: [CompareOp; 8] = [
    CompareOp::Equal,
    CompareOp::NotEqual,
    CompareOp::Less,
    CompareOp::LessOrEqual,
    CompareOp::Greater,
    CompareOp::GreaterOrEqual,
    CompareOp::Distinct,
    CompareOp::NotDistinct,
];
