//! Window calls over the rows of one partition.

use std::ops::Range;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, BooleanArray, Int64Array};
use arrow::compute::SortOptions;
use arrow::datatypes::DataType;
use nyala_pipeline::Guests;
use nyala_pipeline::state::{WindowFunction, WindowSpec};
use nyala_schema::{Callee, Error, Result};

use super::aggregate::{Request, find};
use super::bounds::frames;
use super::offset::{Choice, value_of};
use super::peers::Partition;
use super::ranking::ranking;
use super::{framed, guest_frames, running};
use crate::kernel::cast::cast_array;

/// One array a call, each `rows` long.
///
/// # Errors
/// UndefinedFunction and those of the functions.
pub(super) fn evaluate(
    spec: &WindowSpec,
    columns: &[ArrayRef],
    rows: usize,
    guests: Option<&Arc<dyn Guests>>,
) -> Result<Vec<ArrayRef>> {
    let mut order = Vec::with_capacity(spec.order_by.len());
    for key in &spec.order_by {
        let options = SortOptions { descending: key.descending, nulls_first: key.nulls_first };
        order.push((plain(column(columns, key.index)?)?, options));
    }
    let partition = Partition::new(order, rows)?;
    spec.calls.iter().map(|call| evaluate_call(call, columns, &partition, guests)).collect()
}

fn evaluate_call(
    function: &WindowFunction,
    columns: &[ArrayRef],
    partition: &Partition,
    guests: Option<&Arc<dyn Guests>>,
) -> Result<ArrayRef> {
    let arguments = function
        .arguments
        .iter()
        .map(|&index| plain(column(columns, index)?))
        .collect::<Result<Vec<ArrayRef>>>()?;
    let call = &function.call;
    let result = &function.result.data_type;
    if let Callee::Guest(guest) = &call.function {
        let (frames, mask) = (frames(&call.frame, partition)?, mask_of(function, columns)?);
        let results = guest_frames::aggregate(guests, guest, function, &arguments, mask, &frames)?;
        return cast_array(&results, result, false);
    }
    if let Some(ranks) = ranking(&call.function.to_string(), partition, &arguments)? {
        return cast_array(&ranks, result, false);
    }
    let choice =
        Choice::find(&call.function.to_string()).filter(|_| function.filter.is_none() && !call.distinct);
    if let Some(choice) = choice {
        let frames = if choice.reads_frame() { frames(&call.frame, partition)? } else { Vec::new() };
        return cast_array(&value_of(choice, &arguments, &frames, call.ignore_nulls)?, result, false);
    }
    let frames = frames(&call.frame, partition)?;
    aggregate(function, arguments, mask_of(function, columns)?, &frames, partition.rows)
}

fn mask_of<'c>(function: &WindowFunction, columns: &'c [ArrayRef]) -> Result<Option<&'c BooleanArray>> {
    let Some(index) = function.filter else { return Ok(None) };
    let mask = column(columns, index)?.as_boolean_opt();
    mask.map(Some).ok_or_else(|| Error::internal("the filter of a window call is no Boolean"))
}

fn aggregate(
    function: &WindowFunction,
    mut arguments: Vec<ArrayRef>,
    mask: Option<&BooleanArray>,
    frames: &[Range<usize>],
    rows: usize,
) -> Result<ArrayRef> {
    let call = &function.call;
    let result = &function.result.data_type;
    let udf = find(&call.function.to_string())?;
    let distinct = call.distinct && !matches!(udf.name(), "min" | "max");
    if !distinct && let Some(results) = running::aggregate(udf.name(), &arguments, mask, frames, result)? {
        return cast_array(&results, result, false);
    }
    let request = Request {
        function: &udf,
        arguments: &call.arguments,
        argument_types: arguments.iter().map(|argument| argument.data_type().clone()).collect(),
        order: &[],
        order_types: Vec::new(),
        distinct,
        ignore_nulls: call.ignore_nulls,
    };
    let built = request.build()?;
    if built.counts_rows {
        arguments = vec![Arc::new(Int64Array::from(vec![1; rows]))];
    }
    framed::aggregate(&built, &arguments, mask, frames, result)
}

fn column(columns: &[ArrayRef], index: usize) -> Result<&ArrayRef> {
    columns.get(index).ok_or_else(|| Error::internal(format!("a window call reads column {index} of fewer")))
}

/// Without a dictionary.
fn plain(array: &ArrayRef) -> Result<ArrayRef> {
    match array.data_type() {
        DataType::Dictionary(_, value) => cast_array(array, &value.as_ref().clone(), false),
        _ => Ok(array.clone()),
    }
}
