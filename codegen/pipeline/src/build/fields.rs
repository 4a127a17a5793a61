//! The state record of an aggregate: which fields the calls need, shared among them, and where each lies.

use arrow::datatypes::DataType;
use nyala_schema::operator::AggregateCall;
use nyala_schema::{Expr, Result};

use crate::column::{Column, decimal_parts, exact_type};
use crate::lower::{infer, is_volatile};
use crate::program::{StateOp, Type};
use crate::range::Interval;
use crate::state::{AggregateResult, StateField};

/// How a call is computed.
#[derive(Clone)]
pub(super) enum Method {
    Count,
    SumInteger,
    /// Handed on with all its digits.
    PartialSum,
    SumFloat,
    AverageInteger {
        scale: i8,
    },
    AverageFloat,
    Extreme(StateOp),
    Library,
}

/// One field of the record and what feeds it.
pub(super) struct Field {
    pub op: StateOp,
    pub value: Option<Expr>,
    pub mask: Option<Expr>,
    /// The value's type, where it matters.
    pub data_type: Option<DataType>,
    /// A field that no row changes: a count of 1 for groups that have a row by being there.
    pub constant: bool,
    pub offset: u32,
}

/// Fields of a call, by index among all.
pub(super) enum Slots {
    Count(usize),
    /// A sum of counts.
    CountSum(usize),
    Value {
        method: Method,
        value: usize,
        count: Presence,
        ty: Type,
    },
    Library {
        index: usize,
        ty: Type,
    },
}

pub(super) enum Presence {
    Field(usize),
    /// A sum of counts.
    CountSum(usize),
    /// Every group has a value.
    Always,
}

#[derive(Default)]
pub(super) struct Fields {
    pub list: Vec<Field>,
    pub(super) slots: Vec<Slots>,
    pub(super) libraries: usize,
}

/// No query has so many rows.
const ROWS_MAX: i128 = 1 << 56;

/// Type and range of a call's result. `grouped`: there are keys, so that no group is empty.
pub(super) fn result_column(call: &AggregateCall, grouped: bool, input: &[Column]) -> Result<Column> {
    let (method, argument) = method(call, input)?;
    let surely =
        grouped && call.filter.is_none() && argument.as_ref().is_some_and(|column| !column.nullable());
    Ok(match method {
        Method::Count => Column::with_range(DataType::Int64, false, Interval::new(0, ROWS_MAX)),
        Method::SumInteger
        | Method::PartialSum
        | Method::SumFloat
        | Method::AverageFloat
        | Method::AverageInteger { .. } => Column::exact(&call.data_type, !surely),
        Method::Extreme(_) => {
            let mut column = argument.unwrap_or_else(|| Column::exact(&call.data_type, true));
            column.ty.nullable = !surely;
            column
        }
        Method::Library => Column::exact(&call.data_type, call.nullable),
    })
}

/// The method for a call, and what is known of its argument when it has just one.
pub(super) fn method(call: &AggregateCall, input: &[Column]) -> Result<(Method, Option<Column>)> {
    let argument = match call.arguments.as_slice() {
        [_] => Some(infer(bare_argument(call), input)?),
        _ => None,
    };
    let extreme = matches!(call.function.library().unwrap_or_default(), "min" | "max");
    if (call.distinct && !extreme) || call.arguments.len() > 1 {
        return Ok((Method::Library, None));
    }
    let method = match (call.function.library().unwrap_or_default(), &argument) {
        ("count", _) if call.data_type == DataType::Int64 => Method::Count,
        ("sum", Some(column)) => sum_method(column.data_type(), &call.data_type),
        ("avg", Some(column)) => average_method(column.data_type(), &call.data_type),
        ("min", Some(column)) if is_record_value(column.data_type()) => {
            Method::Extreme(StateOp::Min(column.data_type().clone()))
        }
        ("max", Some(column)) if is_record_value(column.data_type()) => {
            Method::Extreme(StateOp::Max(column.data_type().clone()))
        }
        _ => Method::Library,
    };
    Ok((method, argument))
}

fn sum_method(argument: &DataType, result: &DataType) -> Method {
    match (decimal_parts(argument), decimal_parts(result)) {
        (Some((_, from)), Some((_, to))) if from == to => Method::SumInteger,
        (None, None) if argument.is_integer() && result.is_integer() => Method::SumInteger,
        (None, None) if is_float(argument) && *result == DataType::Float64 => Method::SumFloat,
        _ => Method::Library,
    }
}

fn average_method(argument: &DataType, result: &DataType) -> Method {
    match (decimal_parts(argument), decimal_parts(result)) {
        (Some((_, scale)), Some((_, to))) if to >= scale => Method::AverageInteger { scale },
        (None, None) if argument.is_integer() && *result == DataType::Float64 => {
            Method::AverageInteger { scale: 0 }
        }
        (None, None) if is_float(argument) && *result == DataType::Float64 => Method::AverageFloat,
        _ => Method::Library,
    }
}

fn is_float(data_type: &DataType) -> bool {
    matches!(data_type, DataType::Float32 | DataType::Float64)
}

/// The argument without a cast that the exact sum of integers has no need of.
pub(super) fn bare_argument(call: &AggregateCall) -> &Expr {
    let argument = &call.arguments[0];
    let Expr::Cast { input, data_type, safe: false } = argument else { return argument };
    let (from, function) = (input.data_type(), call.function.library().unwrap_or_default());
    let widened = match (Interval::of_type(&from), Interval::of_type(data_type)) {
        (Some(from), Some(to)) => to.contains(from),
        _ => false,
    };
    let to_float = function == "avg" && *data_type == DataType::Float64;
    let bare = from.is_integer() && (to_float || (function == "sum" && data_type.is_integer() && widened));
    if bare { input } else { argument }
}

/// Types of at most 16 bytes whose least and greatest value a record holds.
pub(super) fn is_record_value(data_type: &DataType) -> bool {
    initial_extreme(data_type, true).is_some()
}

/// The bytes of the greatest value of a type (`greatest`) or of its least; floats order NaN above all else.
fn initial_extreme(data_type: &DataType, greatest: bool) -> Option<Vec<u8>> {
    use DataType as D;
    macro_rules! extreme {
        ($type:ty) => {
            Some(if greatest { <$type>::MAX } else { <$type>::MIN }.to_ne_bytes().to_vec())
        };
    }
    match data_type {
        D::Int8 => extreme!(i8),
        D::Int16 => extreme!(i16),
        D::Int32 | D::Date32 | D::Time32(_) => extreme!(i32),
        D::Int64 | D::Date64 | D::Time64(_) | D::Timestamp(..) | D::Duration(_) | D::Decimal64(..) => {
            extreme!(i64)
        }
        D::UInt8 => extreme!(u8),
        D::UInt16 => extreme!(u16),
        D::UInt32 => extreme!(u32),
        D::UInt64 => extreme!(u64),
        D::Decimal128(..) => extreme!(i128),
        D::Float32 => Some(if greatest { f32::NAN } else { f32::NEG_INFINITY }.to_ne_bytes().to_vec()),
        D::Float64 => Some(if greatest { f64::NAN } else { f64::NEG_INFINITY }.to_ne_bytes().to_vec()),
        _ => None,
    }
}

impl Field {
    fn initial(&self) -> Vec<u8> {
        match &self.op {
            StateOp::Count => i64::from(self.constant).to_ne_bytes().to_vec(),
            StateOp::SumInteger => vec![0; 16],
            StateOp::SumFloat => vec![0; 8],
            StateOp::Min(data_type) => initial_extreme(data_type, true).unwrap_or_default(),
            StateOp::Max(data_type) => initial_extreme(data_type, false).unwrap_or_default(),
        }
    }
}

impl Fields {
    /// Adds what a call needs; whether it needs the function library.
    pub fn add_call(&mut self, call: &AggregateCall, grouped: bool, input: &[Column]) -> Result<bool> {
        let ty = result_column(call, grouped, input)?.ty;
        let (method, argument) = method(call, input)?;
        let mask = call.filter.clone();
        let (op, data_type) = match &method {
            Method::Library => {
                self.slots.push(Slots::Library { index: self.libraries, ty });
                self.libraries += 1;
                return Ok(true);
            }
            Method::Count => {
                let value = call.arguments.first().zip(argument).filter(|(_, column)| column.nullable());
                let field = self.count(value.map(|(expr, _)| expr.clone()), mask);
                self.slots.push(Slots::Count(field));
                return Ok(false);
            }
            Method::SumInteger | Method::PartialSum | Method::AverageInteger { .. } => {
                (StateOp::SumInteger, None)
            }
            Method::SumFloat | Method::AverageFloat => (StateOp::SumFloat, Some(DataType::Float64)),
            Method::Extreme(op) => (op.clone(), argument.as_ref().map(|column| column.data_type().clone())),
        };
        let expr = bare_argument(call).clone();
        let averages = matches!(method, Method::AverageInteger { .. } | Method::AverageFloat);
        let nullable = argument.is_none_or(|column| column.nullable());
        let count = if !nullable && mask.is_none() && grouped && !averages {
            Presence::Always
        } else {
            Presence::Field(self.count(nullable.then(|| expr.clone()), mask.clone()))
        };
        let constant = false;
        let value = self.add(Field { op, value: Some(expr), mask, data_type, constant, offset: 0 });
        self.slots.push(Slots::Value { method, value, count, ty });
        Ok(false)
    }

    /// Adds a field for which a value is all there is to know.
    pub(super) fn add_value(&mut self, op: StateOp, value: Expr, data_type: Option<DataType>) -> usize {
        self.add(Field { op, value: Some(value), mask: None, data_type, constant: false, offset: 0 })
    }

    pub(super) fn count(&mut self, value: Option<Expr>, mask: Option<Expr>) -> usize {
        let op = StateOp::Count;
        self.add(Field { op, value, mask, data_type: None, constant: false, offset: 0 })
    }

    fn add(&mut self, field: Field) -> usize {
        let repeatable = !field.value.iter().chain(&field.mask).any(is_volatile);
        let same = |known: &Field| {
            known.op == field.op
                && known.value == field.value
                && known.mask == field.mask
                && known.constant == field.constant
        };
        match self.list.iter().position(same) {
            Some(index) if repeatable => index,
            _ => {
                self.list.push(field);
                self.list.len() - 1
            }
        }
    }

    /// Gives every field its place, and says how results are read from the record.
    pub fn finish(&mut self) -> (Vec<u8>, Vec<StateField>, Vec<AggregateResult>) {
        let always = self.count_of_present();
        let mut order: Vec<usize> = (0..self.list.len()).collect();
        order.sort_by_key(|&index| std::cmp::Reverse(self.list[index].initial().len()));
        let mut initial = vec![];
        for index in order {
            self.list[index].offset = initial.len() as u32;
            initial.extend(self.list[index].initial());
        }
        initial.resize(initial.len().next_multiple_of(RECORD_ALIGNMENT), 0);
        let changed = self.list.iter().filter(|field| !field.constant);
        let fields = changed.map(|field| StateField { op: field.op.clone(), offset: field.offset }).collect();
        let results = self.slots.iter().map(|slots| self.result(slots, always)).collect();
        (initial, fields, results)
    }

    /// The field that counts every row, or one that is 1 from the start, if a result asks for it.
    fn count_of_present(&mut self) -> usize {
        let asked =
            self.slots.iter().any(|slots| matches!(slots, Slots::Value { count: Presence::Always, .. }));
        let counts =
            |field: &Field| field.op == StateOp::Count && field.value.is_none() && field.mask.is_none();
        match self.list.iter().position(counts) {
            Some(index) => index,
            None if asked => {
                let (value, mask, data_type) = (None, None, None);
                self.add(Field { op: StateOp::Count, value, mask, data_type, constant: true, offset: 0 })
            }
            None => 0,
        }
    }

    /// Where a count lies in a sum of counts, which is less than 2^63: its low half.
    fn count_in_sum(&self, field: usize) -> u32 {
        self.list[field].offset + if cfg!(target_endian = "big") { 8 } else { 0 }
    }

    fn result(&self, slots: &Slots, always: usize) -> AggregateResult {
        match slots {
            Slots::Count(field) => AggregateResult::Count { offset: self.list[*field].offset },
            Slots::CountSum(field) => AggregateResult::Count { offset: self.count_in_sum(*field) },
            Slots::Library { index, ty } => AggregateResult::Library { index: *index, ty: ty.clone() },
            Slots::Value { method, value, count, ty } => {
                let ty = ty.clone();
                let offset = self.list[*value].offset;
                let count = match count {
                    Presence::Field(field) => self.list[*field].offset,
                    Presence::CountSum(field) => self.count_in_sum(*field),
                    Presence::Always => self.list[always].offset,
                };
                match method {
                    Method::SumInteger => AggregateResult::SumInteger { offset, count, ty },
                    Method::PartialSum => AggregateResult::PartialSum { offset, count, ty },
                    Method::SumFloat => AggregateResult::SumFloat { offset, count, ty },
                    Method::AverageInteger { scale } => {
                        AggregateResult::AverageInteger { offset, count, scale: *scale, ty }
                    }
                    Method::AverageFloat => AggregateResult::AverageFloat { offset, count, ty },
                    Method::Extreme(_) | Method::Count | Method::Library => {
                        AggregateResult::Extreme { offset, count, ty }
                    }
                }
            }
        }
    }
}

/// Bytes; records lie one behind the other.
const RECORD_ALIGNMENT: usize = 16;

/// In which types a library aggregate takes an argument.
pub(super) fn library_type(argument: &Expr) -> DataType {
    exact_type(&argument.data_type())
}
