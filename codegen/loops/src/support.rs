//! Which operations compiled code does, what they cost, and whether they can fail.

use nyala_pipeline::program::{Block, ParameterType, Statement};
use nyala_pipeline::{Op, Type, ValueId};
use nyala_schema::expr::ArithmeticOp;
use nyala_schema::guest::GuestFunction;
use nyala_schema::{Callee, Result};

use crate::compiler::CallFacts;
use crate::conversion::Conversion;
use crate::facts::Facts;
use crate::lane::{Lane, decimal, is_integer};

/// IN lists up to this length are compared one by one.
pub const SET_VALUES_MAX: usize = 16;

/// An operation as compiled code sees it, its operands taken as given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OpFacts {
    pub compiled: bool,
    /// May end the query for some value.
    pub fallible: bool,
    /// Roughly in cycles.
    pub cost: u32,
}

const DIVISION_COST: u32 = 20;

/// # Errors
/// Internal: the program reads a value before it is defined.
pub(crate) fn examine(facts: &Facts<'_>, op: &Op, ty: &Type) -> Result<OpFacts> {
    let type_of = |id: &ValueId| facts.get(*id).map(|fact| fact.ty);
    let lane = Lane::of(&ty.data_type);
    let plain =
        |compiled: bool| OpFacts { compiled: compiled && lane.is_some(), fallible: !compiled, cost: 1 };
    Ok(match op {
        Op::Input(column) => {
            let input = facts.program.inputs.get(*column as usize);
            let compiled = input.is_some_and(|input| input.data_type == ty.data_type);
            OpFacts { compiled, fallible: false, cost: 1 }
        }
        Op::Parameter(index) => {
            plain(facts.scalar(*index).is_some_and(|scalar| scalar.data_type == ty.data_type))
        }
        Op::Arithmetic { op, left, right, checked } => OpFacts {
            compiled: arithmetic(*op, type_of(left)?, type_of(right)?, ty),
            fallible: lane.is_none_or(|lane| !lane.is_float()) && (*checked || divides(*op)),
            cost: if divides(*op) { DIVISION_COST } else { 1 },
        },
        Op::Negate { input, checked } => {
            let same = type_of(input)?.data_type == ty.data_type;
            let number = decimal(&ty.data_type).is_some() || ty.data_type.is_signed_integer();
            let float = lane.is_some_and(Lane::is_float);
            OpFacts { compiled: same && (number || float), fallible: *checked && !float, cost: 1 }
        }
        Op::Compare { left, right, .. } => plain(comparable(type_of(left)?, type_of(right)?)),
        Op::And(..) | Op::Or(..) | Op::Not(_) => plain(true),
        Op::IsNull(input) => {
            let fact = facts.get(*input)?;
            // Of a text column only the NULLs are looked at.
            plain(Lane::of(&fact.ty.data_type).is_some() || matches!(fact.op, Op::Input(_)))
        }
        Op::If { condition, then, otherwise } => {
            let mut whole = plain(type_of(condition)?.data_type == arrow::datatypes::DataType::Boolean);
            for branch in [then, otherwise] {
                whole.compiled &= type_of(&branch.result)?.data_type == ty.data_type;
                add_block(facts, &branch.block, &mut whole)?;
            }
            whole
        }
        Op::Cast { input, safe } => {
            let from = &type_of(input)?.data_type;
            let conversion = Conversion::between(from, &ty.data_type);
            OpFacts {
                compiled: conversion.is_some(),
                fallible: !safe && conversion.is_none_or(|c| c.can_fail(from, &ty.data_type)),
                cost: 2,
            }
        }
        Op::InSet { input, set, .. } => {
            let input = type_of(input)?;
            let fits = match facts.program.parameters.get(*set as usize) {
                Some(ParameterType::Set { data_type, len }) => {
                    *data_type == input.data_type && *len <= SET_VALUES_MAX && *data_type != ty.data_type
                }
                Some(ParameterType::Scalar(_)) | None => false,
            };
            OpFacts { cost: 8, ..plain(fits && Lane::of(&input.data_type).is_some()) }
        }
        Op::Call { function: Callee::Guest(function), arguments, .. } => {
            call(facts, function, arguments, ty)?
        }
        Op::Like { .. } | Op::Call { function: Callee::Library(_), .. } => LEFT_OUT,
    })
}

const LEFT_OUT: OpFacts = OpFacts { compiled: false, fallible: true, cost: 100 };

fn call(facts: &Facts<'_>, function: &GuestFunction, arguments: &[ValueId], ty: &Type) -> Result<OpFacts> {
    let mut fits = function.strict && function.returns == ty.data_type;
    fits &= arguments.len() == function.arguments.len() && Lane::of(&ty.data_type).is_some();
    for (argument, wanted) in arguments.iter().zip(&function.arguments) {
        fits &= facts.get(*argument)?.ty.data_type == *wanted;
    }
    Ok(match facts.compiler.call(function).filter(|_| fits) {
        Some(CallFacts { fallible }) => {
            OpFacts { compiled: true, fallible, cost: (function.cost / 100).max(CALL_COST_MIN) }
        }
        None => LEFT_OUT,
    })
}

/// Of a function that says it costs nothing.
const CALL_COST_MIN: u32 = 4;

fn add_block(facts: &Facts<'_>, block: &Block, whole: &mut OpFacts) -> Result<()> {
    for statement in &block.statements {
        if let Statement::Let { id, .. } = statement {
            let own = facts.get(*id)?.own;
            whole.compiled &= own.compiled;
            whole.fallible |= own.fallible;
            whole.cost = whole.cost.saturating_add(own.cost);
        }
    }
    Ok(())
}

fn divides(op: ArithmeticOp) -> bool {
    matches!(op, ArithmeticOp::Divide | ArithmeticOp::Remainder)
}

fn arithmetic(op: ArithmeticOp, left: &Type, right: &Type, result: &Type) -> bool {
    let [a, b, to] = [left, right, result].map(|ty| &ty.data_type);
    let Some(lane) = Lane::of(to) else { return false };
    if let (Some((_, x)), Some((_, y)), Some((_, scale))) = (decimal(a), decimal(b), decimal(to)) {
        let wide = [a, b, to].iter().any(|ty| Lane::of(ty) == Some(Lane::Wide));
        return match op {
            ArithmeticOp::Add | ArithmeticOp::Subtract => x == scale && y == scale,
            ArithmeticOp::Multiply => i16::from(x) + i16::from(y) == i16::from(scale),
            ArithmeticOp::Divide => false,
            ArithmeticOp::Remainder => x == scale && y == scale && !wide,
        };
    }
    if a != to || b != to {
        return false;
    }
    is_integer(to) || (lane.is_float() && op != ArithmeticOp::Remainder)
}

fn comparable(left: &Type, right: &Type) -> bool {
    let (a, b) = (&left.data_type, &right.data_type);
    match (decimal(a), decimal(b)) {
        (Some((_, x)), Some((_, y))) => x == y,
        (None, None) => a == b && Lane::of(a).is_some(),
        _ => false,
    }
}
