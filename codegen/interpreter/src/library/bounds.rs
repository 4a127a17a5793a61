//! The frame of each row: the rows that a window function looks at.

use std::ops::Range;

use arrow::array::{Array, ArrayRef, make_comparator};
use arrow::compute::SortOptions;
use arrow::datatypes::DataType;
use nyala_schema::expr::ArithmeticOp;
use nyala_schema::operator::{FrameBound, FrameUnits, WindowFrame};
use nyala_schema::{Error, ErrorCode, Result, Value};

use super::peers::Partition;
use crate::kernel::arithmetic::arithmetic;
use crate::kernel::cast::cast_array;
use crate::kernel::decimal::shape;
use crate::register::Register;

#[derive(Clone, Copy, PartialEq)]
enum Side {
    Start,
    /// Exclusive.
    End,
}

/// A range of rows for every row; empty ones start and end at the same place.
///
/// # Errors
/// InvalidParameter for distances that are negative or NULL; Unsupported for RANGE distances over several columns.
pub(super) fn frames(frame: &WindowFrame, partition: &Partition) -> Result<Vec<Range<usize>>> {
    let starts = edges(&frame.start, frame.units, Side::Start, partition)?;
    let ends = edges(&frame.end, frame.units, Side::End, partition)?;
    Ok(starts.into_iter().zip(ends).map(|(start, end)| start..end.max(start)).collect())
}

fn edges(bound: &FrameBound, units: FrameUnits, side: Side, partition: &Partition) -> Result<Vec<usize>> {
    let rows = partition.rows;
    let each = |edge: &dyn Fn(usize) -> usize| Ok((0..rows).map(edge).collect());
    let past = usize::from(side == Side::End);
    match (bound, units) {
        (FrameBound::Preceding(None), _) => each(&|_| 0),
        (FrameBound::Following(None), _) => each(&|_| rows),
        (FrameBound::CurrentRow, FrameUnits::Rows) => each(&|row| row + past),
        (FrameBound::CurrentRow, FrameUnits::Range | FrameUnits::Groups) => {
            each(&|row| peer_edge(partition, row, side))
        }
        (FrameBound::Preceding(Some(distance)), FrameUnits::Rows) => {
            let distance = count(distance)?;
            each(&|row| (row + past).saturating_sub(distance))
        }
        (FrameBound::Following(Some(distance)), FrameUnits::Rows) => {
            let distance = count(distance)?;
            each(&|row| row.saturating_add(distance).saturating_add(past).min(rows))
        }
        (FrameBound::Preceding(Some(distance)), FrameUnits::Groups) => {
            let distance = count(distance)?;
            each(&|row| match (partition.groups[row] as usize).checked_sub(distance) {
                Some(group) => partition.group_starts[group + past],
                None => 0,
            })
        }
        (FrameBound::Following(Some(distance)), FrameUnits::Groups) => {
            let distance = count(distance)?;
            each(&|row| {
                let group = (partition.groups[row] as usize).saturating_add(distance);
                if group < partition.group_count() { partition.group_starts[group + past] } else { rows }
            })
        }
        (FrameBound::Preceding(Some(distance)), FrameUnits::Range) => {
            by_value(distance, true, side, partition)
        }
        (FrameBound::Following(Some(distance)), FrameUnits::Range) => {
            by_value(distance, false, side, partition)
        }
    }
}

fn peer_edge(partition: &Partition, row: usize, side: Side) -> usize {
    let peers = partition.peers(row);
    match side {
        Side::Start => peers.start,
        Side::End => peers.end,
    }
}

fn count(distance: &Value) -> Result<usize> {
    distance.as_i128().and_then(|distance| usize::try_from(distance).ok()).ok_or_else(|| invalid(distance))
}

fn invalid(distance: &Value) -> Error {
    Error::new(ErrorCode::InvalidParameter, format!("a window frame cannot reach {distance}"))
        .with_hint("the distance is a number that is neither negative nor NULL")
}

/// RANGE with a distance: a binary search for the row's value plus or minus the distance. NULLs are peers of each
/// other and in no other row's frame.
fn by_value(distance: &Value, preceding: bool, side: Side, partition: &Partition) -> Result<Vec<usize>> {
    let [(column, options)] = partition.order.as_slice() else {
        return Err(Error::unsupported("a RANGE frame with a distance needs exactly one ORDER BY column"));
    };
    if distance.is_null() || distance.as_f64().is_some_and(|distance| distance < 0.0) {
        return Err(invalid(distance));
    }
    let subtract = preceding != options.descending;
    let (column, target) = shifted(column, distance, subtract)?;
    let nulls = column.logical_nulls();
    let null_count = nulls.as_ref().map_or(0, |nulls| nulls.null_count());
    let known = if options.nulls_first { null_count..partition.rows } else { 0..partition.rows - null_count };
    let order = make_comparator(
        column.as_ref(),
        target.as_ref(),
        SortOptions { descending: options.descending, nulls_first: options.nulls_first },
    )?;
    Ok((0..partition.rows)
        .map(|row| {
            if !known.contains(&row) {
                return peer_edge(partition, row, side);
            }
            let mut range = known.clone();
            while !range.is_empty() {
                let middle = range.start + range.len() / 2;
                let before = match side {
                    Side::Start => order(middle, row).is_lt(),
                    Side::End => order(middle, row).is_le(),
                };
                if before { range.start = middle + 1 } else { range.end = middle }
            }
            range.start
        })
        .collect())
}

/// The order column and, in the same type, the values that bound each row's frame.
fn shifted(column: &ArrayRef, distance: &Value, subtract: bool) -> Result<(ArrayRef, ArrayRef)> {
    let op = if subtract { ArithmeticOp::Subtract } else { ArithmeticOp::Add };
    let apply = |column: &ArrayRef, distance: ArrayRef| {
        let result = column.data_type().clone();
        let register = Register::Column(column.clone());
        let target = arithmetic(op, &register, &Register::Constant(distance), true, &result)?;
        Ok((column.clone(), cast_array(target.array(), &result, false)?))
    };
    let data_type = column.data_type();
    if data_type.is_decimal() || data_type.is_integer() {
        // Room for every value and distance: there is no overflow at the rim.
        let scale = |ty: &DataType| if ty.is_decimal() { shape(ty).map(|(_, scale)| scale) } else { Ok(0) };
        let wide = DataType::Decimal128(38, scale(data_type)?.max(scale(distance.data_type())?));
        return apply(&cast_array(column, &wide, false)?, cast_array(distance.array(), &wide, false)?);
    }
    if data_type.is_floating() {
        return apply(column, cast_array(distance.array(), data_type, false)?);
    }
    apply(column, distance.array().clone())
}
