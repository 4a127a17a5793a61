//! Expressions.

use arrow::datatypes::DataType;

use super::arrow_data::{decode_array, decode_type, decode_value, encode_array, encode_type, encode_value};
use super::generated::plan_capnp::{self as wire, expr, optional_expr};
use super::{count, enum_pairs, guest};
use crate::error::{Error, Result};
use crate::expr::{ArithmeticOp, CompareOp, Expr, Volatility};
use crate::guest::Callee;
use crate::value::Value;

enum_pairs!(
    arithmetic_to_wire,
    arithmetic_from_wire,
    ArithmeticOp,
    wire::ArithmeticOp,
    Add,
    Subtract,
    Multiply,
    Divide,
    Remainder
);
enum_pairs!(
    compare_to_wire,
    compare_from_wire,
    CompareOp,
    wire::CompareOp,
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
    Distinct,
    NotDistinct
);
enum_pairs!(
    volatility_to_wire,
    volatility_from_wire,
    Volatility,
    wire::Volatility,
    Immutable,
    Stable,
    Volatile
);

pub(super) fn encode(value: &Expr, mut builder: expr::Builder<'_>) -> Result<()> {
    builder.set_type(&encode_type(&value.data_type()));
    builder.set_nullable(value.nullable());
    let children = value.children();
    let mut arguments = builder.reborrow().init_arguments(count(children.len()));
    for (index, child) in children.into_iter().enumerate() {
        encode(child, arguments.reborrow().get(count(index)))?;
    }
    match value {
        Expr::Column { index, .. } => builder.set_column(count(*index)),
        Expr::Literal(literal) => builder.set_literal(&encode_value(literal)?),
        Expr::Arithmetic { op, .. } => builder.set_arithmetic(arithmetic_to_wire(*op)),
        Expr::Compare { op, .. } => builder.set_compare(compare_to_wire(*op)),
        Expr::And(..) => builder.set_and(()),
        Expr::Or(..) => builder.set_or(()),
        Expr::Not(_) => builder.set_not(()),
        Expr::Negate(_) => builder.set_negate(()),
        Expr::IsNull(_) => builder.set_is_null(()),
        Expr::Case { .. } => builder.set_case(()),
        Expr::Cast { safe, .. } => builder.init_cast().set_safe(*safe),
        Expr::Like { escape, negated, case_insensitive, .. } => {
            let mut like = builder.init_like();
            like.set_escape(escape.map_or(0, u32::from));
            like.set_negated(*negated);
            like.set_case_insensitive(*case_insensitive);
        }
        Expr::InList { values, negated, .. } => {
            let arrays: Vec<_> = values.iter().map(|v| v.array().as_ref()).collect();
            let mut list = builder.init_in_list();
            list.set_values(&if arrays.is_empty() {
                Vec::new()
            } else {
                encode_array(&arrow::compute::concat(&arrays)?)?
            });
            list.set_list_negated(*negated);
        }
        Expr::Call { function, volatility, .. } => {
            let mut call = builder.init_call();
            call.set_volatility(volatility_to_wire(*volatility));
            match function {
                Callee::Library(name) => call.set_function(name),
                Callee::Guest(function) => guest::encode_function(function, call.init_guest())?,
            }
        }
    }
    Ok(())
}

pub(super) fn decode(reader: expr::Reader<'_>) -> Result<Expr> {
    let data_type = decode_type(reader.get_type()?)?;
    let nullable = reader.get_nullable();
    let mut arguments = decode_list(reader.get_arguments()?)?.into_iter();
    let mut next =
        || arguments.next().map(Box::new).ok_or_else(|| Error::internal("an expression lacks an argument"));
    Ok(match reader.which()? {
        expr::Column(index) => Expr::Column { index: index as usize, data_type, nullable },
        expr::Literal(bytes) => Expr::Literal(decode_value(bytes?)?),
        expr::Arithmetic(op) => {
            Expr::Arithmetic { op: arithmetic_from_wire(op?), left: next()?, right: next()?, data_type }
        }
        expr::Compare(op) => Expr::Compare { op: compare_from_wire(op?), left: next()?, right: next()? },
        expr::And(()) => Expr::And(next()?, next()?),
        expr::Or(()) => Expr::Or(next()?, next()?),
        expr::Not(()) => Expr::Not(next()?),
        expr::Negate(()) => Expr::Negate(next()?),
        expr::IsNull(()) => Expr::IsNull(next()?),
        expr::Case(()) => decode_case(arguments.collect(), data_type),
        expr::Cast(cast) => Expr::Cast { input: next()?, data_type, safe: cast.get_safe() },
        expr::Like(like) => Expr::Like {
            input: next()?,
            pattern: next()?,
            escape: char::from_u32(like.get_escape()).filter(|c| *c != '\0'),
            negated: like.get_negated(),
            case_insensitive: like.get_case_insensitive(),
        },
        expr::InList(list) => {
            let bytes = list.get_values()?;
            let values = if bytes.is_empty() {
                Vec::new()
            } else {
                let array = decode_array(bytes)?;
                (0..array.len()).map(|row| Value::from_row(&array, row)).collect()
            };
            Expr::InList { input: next()?, values, negated: list.get_list_negated() }
        }
        expr::Call(call) => Expr::Call {
            function: guest::decode_callee(
                call.get_function()?.to_string()?,
                call.has_guest().then(|| call.get_guest()).transpose()?,
            )?,
            volatility: volatility_from_wire(call.get_volatility()?),
            arguments: arguments.collect(),
            data_type,
            nullable,
        },
    })
}

fn decode_case(mut parts: Vec<Expr>, data_type: DataType) -> Expr {
    let otherwise = if parts.len() % 2 == 1 { parts.pop().map(Box::new) } else { None };
    let mut branches = Vec::with_capacity(parts.len() / 2);
    let mut parts = parts.into_iter();
    while let (Some(condition), Some(value)) = (parts.next(), parts.next()) {
        branches.push((condition, value));
    }
    Expr::Case { branches, otherwise, data_type }
}

pub(super) fn encode_list(
    values: &[Expr],
    mut builder: capnp::struct_list::Builder<'_, expr::Owned>,
) -> Result<()> {
    values
        .iter()
        .enumerate()
        .try_for_each(|(index, value)| encode(value, builder.reborrow().get(count(index))))
}

pub(super) fn decode_list(reader: capnp::struct_list::Reader<'_, expr::Owned>) -> Result<Vec<Expr>> {
    reader.iter().map(decode).collect()
}

pub(super) fn encode_optional(value: Option<&Expr>, mut builder: optional_expr::Builder<'_>) -> Result<()> {
    match value {
        None => builder.set_none(()),
        Some(value) => encode(value, builder.init_some())?,
    }
    Ok(())
}

pub(super) fn decode_optional(reader: optional_expr::Reader<'_>) -> Result<Option<Expr>> {
    Ok(match reader.which()? {
        optional_expr::None(()) => None,
        optional_expr::Some(value) => Some(decode(value?)?),
    })
}
