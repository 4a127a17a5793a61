//! Users' aggregates over frames: few calls of the guest, many frames in each.

use std::ops::Range;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, BooleanArray, UInt32Array, new_empty_array};
use arrow::compute::{concat, take, take_arrays};
use nyala_pipeline::Guests;
use nyala_pipeline::library::GroupAccumulator;
use nyala_pipeline::program::Type;
use nyala_pipeline::state::{LibraryAggregate, WindowFunction};
use nyala_schema::Result;
use nyala_schema::guest::GuestFunction;
use nyala_schema::operator::AggregateCall;

use super::guest::accumulator;

/// Rows of all frames that one call is given, unless a single frame has more.
const CALL_ROWS: usize = 65_536;
/// States that are kept before they become results.
const STATES_KEPT: usize = 4096;

/// # Errors
/// Those of the sandbox.
pub(super) fn aggregate(
    guests: Option<&Arc<dyn Guests>>,
    function: &Arc<GuestFunction>,
    window: &WindowFunction,
    arguments: &[ArrayRef],
    mask: Option<&BooleanArray>,
    frames: &[Range<usize>],
) -> Result<ArrayRef> {
    if frames.is_empty() {
        return Ok(new_empty_array(&window.result.data_type));
    }
    let source = Source { guests, function, aggregate: as_aggregate(window, arguments), arguments, mask };
    // Peers have the same frame, which is computed once.
    let mut distinct: Vec<Range<usize>> = Vec::new();
    let mut which: Vec<u32> = Vec::with_capacity(frames.len());
    for frame in frames {
        let frame = if frame.is_empty() { 0..0 } else { frame.clone() };
        if distinct.last() != Some(&frame) {
            distinct.push(frame);
        }
        which.push(distinct.len() as u32 - 1);
    }
    let grows = distinct.windows(2).all(|pair| pair[0].start == pair[1].start && pair[0].end <= pair[1].end);
    let results =
        if grows && distinct.len() > 1 { source.growing(&distinct)? } else { source.anew(&distinct)? };
    Ok(take(&results, &UInt32Array::from(which), None)?)
}

/// The same call, of the aggregate that it is without a window.
fn as_aggregate(window: &WindowFunction, arguments: &[ArrayRef]) -> LibraryAggregate {
    let call = &window.call;
    LibraryAggregate {
        call: AggregateCall {
            function: call.function.clone(),
            arguments: call.arguments.clone(),
            distinct: call.distinct,
            filter: None,
            order_by: vec![],
            ignore_nulls: call.ignore_nulls,
            data_type: call.data_type.clone(),
            nullable: call.nullable,
        },
        argument_types: arguments.iter().map(|array| Type::new(array.data_type().clone(), true)).collect(),
        order_types: vec![],
    }
}

struct Source<'a> {
    guests: Option<&'a Arc<dyn Guests>>,
    function: &'a Arc<GuestFunction>,
    aggregate: LibraryAggregate,
    arguments: &'a [ArrayRef],
    mask: Option<&'a BooleanArray>,
}

impl Source<'_> {
    fn accumulator(&self) -> Result<Box<dyn GroupAccumulator>> {
        accumulator(self.guests, self.function, &self.aggregate)
    }

    /// Every frame a group, as many of them in a call as there is room for.
    fn anew(&self, frames: &[Range<usize>]) -> Result<ArrayRef> {
        let mut accumulator = self.accumulator()?;
        let mut results = Vec::new();
        let mut first = 0;
        while first < frames.len() {
            let (mut rows, mut groups) = (Vec::new(), Vec::new());
            let mut count = 0;
            for frame in &frames[first..] {
                if count > 0 && rows.len() + frame.len() > CALL_ROWS {
                    break;
                }
                rows.extend(frame.clone().map(|row| row as u32));
                groups.resize(rows.len(), count as u32);
                count += 1;
            }
            let rows = UInt32Array::from(rows);
            let arguments = take_arrays(self.arguments, &rows, None)?;
            let mask = self.mask.map(|mask| take(mask, &rows, None)).transpose()?;
            let mask = mask.as_ref().and_then(|mask| mask.as_any().downcast_ref::<BooleanArray>());
            accumulator.update(&arguments, &[], &groups, count, mask)?;
            results.push(accumulator.finish()?);
            first += count;
        }
        concatenated(&results)
    }

    /// Rows are only ever added. The state after each frame is copied: taken out, kept, and put back.
    fn growing(&self, frames: &[Range<usize>]) -> Result<ArrayRef> {
        let (mut running, mut finishing) = (self.accumulator()?, self.accumulator()?);
        let mut results = Vec::new();
        let mut kept: Vec<Vec<ArrayRef>> = Vec::new();
        let mut end = frames[0].start;
        for (index, frame) in frames.iter().enumerate() {
            let (start, rows) = (end, frame.end - end);
            let arguments: Vec<ArrayRef> = self.arguments.iter().map(|a| a.slice(start, rows)).collect();
            let mask = self.mask.map(|mask| mask.slice(start, rows));
            running.update(&arguments, &[], &vec![0; rows], 1, mask.as_ref())?;
            end = frame.end;
            let states = running.take_states()?;
            let is_last = index + 1 == frames.len();
            if !is_last {
                running.merge(&states, &[0], 1)?;
            }
            kept.push(states);
            if is_last || kept.len() == STATES_KEPT {
                let count = kept.len();
                let columns = columns_of(std::mem::take(&mut kept))?;
                let groups: Vec<u32> = (0..count as u32).collect();
                finishing.merge(&columns, &groups, count)?;
                results.push(finishing.finish()?);
            }
        }
        concatenated(&results)
    }
}

/// From single states to columns of states.
fn columns_of(states: Vec<Vec<ArrayRef>>) -> Result<Vec<ArrayRef>> {
    let width = states.first().map_or(0, Vec::len);
    let column = |index: usize| {
        let parts: Vec<ArrayRef> = states.iter().map(|state| state[index].clone()).collect();
        concatenated(&parts)
    };
    (0..width).map(column).collect()
}

fn concatenated(parts: &[ArrayRef]) -> Result<ArrayRef> {
    let parts: Vec<&dyn Array> = parts.iter().map(AsRef::as_ref).collect();
    Ok(concat(&parts)?)
}
