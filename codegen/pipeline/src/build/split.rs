//! Aggregation in two steps. A `Partial` gives the keys and what is known of each call so far, in the columns of
//! [`AggregateCall::partial_fields`]; a `Final` takes them and gives what `Single` would have given.

use std::ops::Range;

use arrow::datatypes::{DataType, Field};
use nyala_schema::operator::AggregateCall;
use nyala_schema::{Error, Expr, Result};

use super::fields::{Fields, Method, Presence, Slots, is_record_value, method, result_column};
use crate::column::{Column, decimal_parts};
use crate::program::StateOp;

/// What a `Partial` gives for a call.
pub(super) fn partial_columns(call: &AggregateCall, grouped: bool, input: &[Column]) -> Result<Vec<Column>> {
    let fields = partial_fields(call)?;
    let (method, _) = method(call, input)?;
    let own = result_column(call, grouped, input)?;
    let sum = |field: &Field| Column::of_type(field.data_type().clone(), own.nullable());
    Ok(match (method, fields.as_slice()) {
        (Method::Count | Method::Extreme(_), [_]) => vec![own],
        (Method::Library, [_]) if is_its_own_partial(call) => vec![own],
        (Method::SumInteger | Method::SumFloat, [field]) => vec![sum(field)],
        (Method::AverageInteger { .. } | Method::AverageFloat, [field, _]) => {
            vec![sum(field), Column::exact(&DataType::Int64, false)]
        }
        _ => return Err(cannot_split(call)),
    })
}

/// What a `Final` gives for a call whose columns of the input are `taken`.
pub(super) fn final_column(call: &AggregateCall, taken: &[Column]) -> Result<Column> {
    Ok(match (call.function.library(), taken) {
        (Some("count"), [_]) => Column::exact(&DataType::Int64, false),
        (Some("min" | "max"), [column]) if is_record_value(column.data_type()) => column.clone().or_null(),
        _ => Column::exact(&call.data_type, true),
    })
}

/// Where the columns of calls are: behind the keys, one or more for each.
pub(super) struct Places {
    pub calls: Vec<Range<usize>>,
}

impl Places {
    /// # Errors
    /// Internal when there are not `width` columns in all.
    pub fn new(keys: usize, calls: &[AggregateCall], width: usize) -> Result<Self> {
        let mut next = keys;
        let mut places = vec![];
        for call in calls {
            let columns = partial_fields(call)?.len();
            places.push(next..next + columns);
            next += columns;
        }
        if next != width {
            return Err(Error::internal(format!("partial aggregates have {width} columns, not {next}")));
        }
        Ok(Self { calls: places })
    }
}

fn partial_fields(call: &AggregateCall) -> Result<Vec<Field>> {
    call.partial_fields().ok_or_else(|| cannot_split(call))
}

impl Fields {
    /// As `add_call`, for a `Partial`.
    pub(super) fn add_partial(
        &mut self,
        call: &AggregateCall,
        grouped: bool,
        input: &[Column],
    ) -> Result<bool> {
        let mut types = partial_columns(call, grouped, input)?.into_iter().map(|column| column.ty);
        let is_library = self.add_call(call, grouped, input)?;
        if let Some(Slots::Value { method, count, ty, .. }) = self.slots.last_mut()
            && let Some(sum) = types.next()
        {
            let counted = match (&*method, &*count) {
                (Method::AverageInteger { .. } | Method::AverageFloat, Presence::Field(field)) => {
                    Some(*field)
                }
                _ => None,
            };
            *method = match &*method {
                Method::SumInteger | Method::AverageInteger { .. } => Method::PartialSum,
                Method::AverageFloat => Method::SumFloat,
                other => other.clone(),
            };
            *ty = sum;
            self.slots.extend(counted.map(Slots::Count));
        }
        Ok(is_library)
    }

    /// As `add_call`, for a `Final` that takes these columns; the call of the function library, if one is needed.
    pub(super) fn add_final(
        &mut self,
        call: &AggregateCall,
        columns: &[Expr],
        taken: &[Column],
    ) -> Result<Option<AggregateCall>> {
        let ty = final_column(call, taken)?.ty;
        let (Some(value), Some(column)) = (columns.first(), taken.first()) else {
            return Err(cannot_split(call));
        };
        let is_decimal = decimal_parts(column.data_type());
        let function = call.function.library().unwrap_or_default();
        let method = match (function, is_decimal) {
            ("count", _) => {
                let field = self.add_value(StateOp::SumInteger, value.clone(), None);
                self.slots.push(Slots::CountSum(field));
                return Ok(None);
            }
            ("sum", Some(_)) => Method::SumInteger,
            ("sum", None) => Method::SumFloat,
            ("avg", Some((_, scale))) => Method::AverageInteger { scale },
            ("avg", None) => Method::AverageFloat,
            ("min", _) if is_record_value(column.data_type()) => {
                Method::Extreme(StateOp::Min(column.data_type().clone()))
            }
            ("max", _) if is_record_value(column.data_type()) => {
                Method::Extreme(StateOp::Max(column.data_type().clone()))
            }
            ("min" | "max", _) => {
                self.slots.push(Slots::Library { index: self.libraries, ty });
                self.libraries += 1;
                return Ok(Some(over_column(call, value)));
            }
            _ => return Err(cannot_split(call)),
        };
        let (op, data_type) = match &method {
            Method::Extreme(op) => (op.clone(), Some(column.data_type().clone())),
            Method::SumFloat | Method::AverageFloat => (StateOp::SumFloat, Some(DataType::Float64)),
            Method::Count
            | Method::SumInteger
            | Method::PartialSum
            | Method::AverageInteger { .. }
            | Method::Library => (StateOp::SumInteger, None),
        };
        let count = match (&method, columns.get(1)) {
            (Method::AverageInteger { .. } | Method::AverageFloat, Some(count)) => {
                Presence::CountSum(self.add_value(StateOp::SumInteger, count.clone(), None))
            }
            _ => Presence::Field(self.count(Some(value.clone()), None)),
        };
        let value = self.add_value(op, value.clone(), data_type);
        self.slots.push(Slots::Value { method, value, count, ty });
        Ok(None)
    }
}

/// The result over some rows is a value like those of the rows.
fn is_its_own_partial(call: &AggregateCall) -> bool {
    matches!(call.function.library(), Some("count" | "min" | "max"))
}

fn over_column(call: &AggregateCall, column: &Expr) -> AggregateCall {
    AggregateCall {
        arguments: vec![column.clone()],
        distinct: false,
        filter: None,
        order_by: vec![],
        ..call.clone()
    }
}

fn cannot_split(call: &AggregateCall) -> Error {
    Error::internal(format!("{call} cannot be computed in two steps"))
}
