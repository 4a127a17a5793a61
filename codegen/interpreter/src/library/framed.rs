//! Any aggregate over frames, by DataFusion's accumulators.

use std::ops::Range;

use arrow::array::{Array, ArrayRef, BooleanArray, new_empty_array};
use arrow::compute::filter;
use arrow::datatypes::DataType;
use datafusion_common::ScalarValue;
use datafusion_expr::Accumulator;
use nyala_schema::Result;

use super::aggregate::Built;
use crate::failure::from_datafusion;
use crate::kernel::cast::cast_array;

/// # Errors
/// Those of the function.
pub(super) fn aggregate(
    built: &Built,
    arguments: &[ArrayRef],
    mask: Option<&BooleanArray>,
    frames: &[Range<usize>],
    result: &DataType,
) -> Result<ArrayRef> {
    let values = arguments
        .iter()
        .zip(&built.types)
        .map(|(argument, ty)| cast_array(argument, ty, false))
        .collect::<Result<Vec<ArrayRef>>>()?;
    let source = Source { built, values, mask };
    if frames.is_empty() {
        return Ok(new_empty_array(result));
    }
    let grows = frames.iter().all(|frame| frame.start == frames[0].start || frame.is_empty())
        && frames.windows(2).all(|pair| pair[0].end <= pair[1].end);
    let slides = frames.windows(2).all(|pair| pair[0].start <= pair[1].start && pair[0].end <= pair[1].end);
    let results = if grows {
        source.growing(frames)?
    } else {
        match built.expression.create_sliding_accumulator() {
            Ok(accumulator) if slides => source.sliding(accumulator, frames)?,
            _ => source.anew(frames)?,
        }
    };
    let results = ScalarValue::iter_to_array(results).map_err(from_datafusion)?;
    cast_array(&results, result, false)
}

struct Source<'a> {
    built: &'a Built,
    values: Vec<ArrayRef>,
    mask: Option<&'a BooleanArray>,
}

impl Source<'_> {
    /// The arguments of these rows, without those that the filter drops.
    fn slice(&self, rows: Range<usize>) -> Result<Vec<ArrayRef>> {
        let mask = self.mask.map(|mask| mask.slice(rows.start, rows.len()));
        self.values
            .iter()
            .map(|value| {
                let part = value.slice(rows.start, rows.len());
                Ok(match &mask {
                    Some(mask) => filter(part.as_ref(), mask)?,
                    None => part,
                })
            })
            .collect()
    }

    fn accumulator(&self) -> Result<Box<dyn Accumulator>> {
        self.built.expression.create_accumulator().map_err(from_datafusion)
    }

    fn over_nothing(&self) -> Result<ScalarValue> {
        let expression = &self.built.expression;
        expression.default_value(expression.field().data_type()).map_err(from_datafusion)
    }

    /// All frames start at one row and none ends before the last one: rows are only ever added.
    fn growing(&self, frames: &[Range<usize>]) -> Result<Vec<ScalarValue>> {
        let mut accumulator = self.accumulator()?;
        let mut results: Vec<ScalarValue> = Vec::with_capacity(frames.len());
        let mut seen: Option<Range<usize>> = None;
        for frame in frames {
            if frame.is_empty() {
                results.push(self.over_nothing()?);
                continue;
            }
            match (&seen, results.last()) {
                (Some(seen), Some(last)) if seen == frame => results.push(last.clone()),
                _ => {
                    let from = seen.as_ref().map_or(frame.start, |seen| seen.end);
                    accumulator.update_batch(&self.slice(from..frame.end)?).map_err(from_datafusion)?;
                    results.push(accumulator.evaluate().map_err(from_datafusion)?);
                }
            }
            seen = Some(frame.clone());
        }
        Ok(results)
    }

    /// Both ends move forward: rows are added at one and taken back at the other.
    fn sliding(
        &self,
        mut accumulator: Box<dyn Accumulator>,
        frames: &[Range<usize>],
    ) -> Result<Vec<ScalarValue>> {
        let mut results = Vec::with_capacity(frames.len());
        let mut seen = frames[0].start..frames[0].start;
        for frame in frames {
            if frame.end > seen.end {
                accumulator.update_batch(&self.slice(seen.end..frame.end)?).map_err(from_datafusion)?;
                seen.end = frame.end;
            }
            // An empty frame may start behind everything seen so far.
            let start = frame.start.min(seen.end);
            if start > seen.start {
                accumulator.retract_batch(&self.slice(seen.start..start)?).map_err(from_datafusion)?;
                seen.start = start;
            }
            results.push(if frame.is_empty() {
                self.over_nothing()?
            } else {
                accumulator.evaluate().map_err(from_datafusion)?
            });
        }
        Ok(results)
    }

    /// Every frame by itself, for functions that cannot take rows back.
    fn anew(&self, frames: &[Range<usize>]) -> Result<Vec<ScalarValue>> {
        let mut results: Vec<ScalarValue> = Vec::with_capacity(frames.len());
        for (row, frame) in frames.iter().enumerate() {
            let result = match results.last() {
                Some(last) if frames[row - 1] == *frame => last.clone(),
                _ if frame.is_empty() => self.over_nothing()?,
                _ => {
                    let mut accumulator = self.accumulator()?;
                    accumulator.update_batch(&self.slice(frame.clone())?).map_err(from_datafusion)?;
                    accumulator.evaluate().map_err(from_datafusion)?
                }
            };
            results.push(result);
        }
        Ok(results)
    }
}
