//! `generate_series`: numbers, dates and timestamps at equal steps.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};

use arrow::array::{Array, ArrayRef, Int64Array};
use arrow::datatypes::DataType;
use nyala_schema::{Error, ErrorCode, Result, Value};

use crate::column::Chunk;
use crate::lock::lock;
use crate::source::SourceWorker;

pub(crate) struct SeriesSource {
    kind: Kind,
    data_type: DataType,
    rows_max: usize,
}

enum Kind {
    /// `first + i × step` for `i` below `rows`; each worker takes the next numbers.
    Numbers {
        first: i128,
        step: i128,
        rows: u64,
        next: AtomicU64,
    },
    /// Steps that are not all equally long, such as months: one addition after the other, by one worker at a time.
    Chained {
        state: Mutex<Option<Value>>,
        stop: Value,
        step: Value,
        ascending: bool,
        inclusive: bool,
    },
    Empty,
}

pub(crate) struct SeriesWorker(pub(crate) Arc<SeriesSource>);

impl SeriesSource {
    /// # Errors
    /// InvalidParameter for a step of zero; what adding the step gives.
    pub(crate) fn new(
        start: &Value,
        stop: &Value,
        step: &Value,
        inclusive: bool,
        rows_max: usize,
    ) -> Result<Self> {
        let data_type = start.data_type().clone();
        let kind = if start.is_null() || stop.is_null() || step.is_null() {
            Kind::Empty
        } else if let (Some(first), Some(last), Some(step), false) = (
            start.as_i128(),
            stop.as_i128(),
            step.as_i128(),
            matches!(step.data_type(), DataType::Interval(_) | DataType::Duration(_)),
        ) {
            numbers(first, last, step, inclusive)?
        } else {
            chained(start, stop, step, inclusive)?
        };
        Ok(Self { kind, data_type, rows_max })
    }

    pub(crate) fn parts(&self) -> usize {
        match &self.kind {
            Kind::Numbers { rows, .. } => rows.div_ceil(self.rows_max as u64).min(usize::MAX as u64) as usize,
            Kind::Chained { .. } | Kind::Empty => 1,
        }
    }

    pub(crate) fn rows(&self) -> u64 {
        match &self.kind {
            Kind::Numbers { rows, .. } => *rows,
            Kind::Chained { .. } | Kind::Empty => 0,
        }
    }

    fn next(&self) -> Result<Option<ArrayRef>> {
        match &self.kind {
            Kind::Empty => Ok(None),
            Kind::Numbers { first, step, rows, next } => {
                let from = next.fetch_add(self.rows_max as u64, Relaxed);
                if from >= *rows {
                    return Ok(None);
                }
                let to = (from + self.rows_max as u64).min(*rows);
                let values = (from..to).map(|index| (first + i128::from(index) * step) as i64);
                let numbers: ArrayRef = Arc::new(Int64Array::from_iter_values(values));
                Ok(Some(number_type(numbers, &self.data_type)?))
            }
            Kind::Chained { state, stop, step, ascending, inclusive } => {
                let mut current = lock(state);
                let mut values = Vec::new();
                while values.len() < self.rows_max
                    && let Some(value) = current.take()
                {
                    if !is_within(&value, stop, *ascending, *inclusive)? {
                        break;
                    }
                    *current = Some(add(&value, step)?);
                    values.push(value);
                }
                let arrays: Vec<&dyn Array> = values.iter().map(|value| value.array().as_ref()).collect();
                if arrays.is_empty() { Ok(None) } else { Ok(Some(arrow::compute::concat(&arrays)?)) }
            }
        }
    }
}

fn zero_step() -> Error {
    Error::new(ErrorCode::InvalidParameter, "the step of a series cannot be zero")
}

fn numbers(first: i128, last: i128, step: i128, inclusive: bool) -> Result<Kind> {
    if step == 0 {
        return Err(zero_step());
    }
    let distance = if step > 0 { last - first } else { first - last };
    let stride = step.abs();
    let rows = match distance {
        ..0 => 0,
        distance if inclusive => distance / stride + 1,
        distance => (distance + stride - 1) / stride,
    };
    Ok(Kind::Numbers { first, step, rows: rows as u64, next: AtomicU64::new(0) })
}

/// Numbers in the type of the series; a decimal's are its unscaled ones.
fn number_type(numbers: ArrayRef, data_type: &DataType) -> Result<ArrayRef> {
    use arrow::array::{AsArray, Decimal64Array, Decimal128Array};
    use arrow::datatypes::Int64Type;
    let values = numbers.as_primitive::<Int64Type>();
    Ok(match data_type {
        DataType::Int64 => numbers,
        DataType::Decimal64(precision, scale) => {
            let decimals: Decimal64Array = values.unary(|value| value);
            Arc::new(decimals.with_precision_and_scale(*precision, *scale)?)
        }
        DataType::Decimal128(precision, scale) => {
            let decimals: Decimal128Array = values.unary(i128::from);
            Arc::new(decimals.with_precision_and_scale(*precision, *scale)?)
        }
        DataType::Date32 => {
            arrow::compute::cast(&arrow::compute::cast(&numbers, &DataType::Int32)?, data_type)?
        }
        other => arrow::compute::cast(&numbers, other)?,
    })
}

fn chained(start: &Value, stop: &Value, step: &Value, inclusive: bool) -> Result<Kind> {
    let ascending = match compare(start, &add(start, step)?)? {
        std::cmp::Ordering::Less => true,
        std::cmp::Ordering::Greater => false,
        std::cmp::Ordering::Equal => return Err(zero_step()),
    };
    let stop = stop.cast(start.data_type())?;
    Ok(Kind::Chained {
        state: Mutex::new(Some(start.clone())),
        stop,
        step: step.clone(),
        ascending,
        inclusive,
    })
}

/// In the type of `value`.
fn add(value: &Value, step: &Value) -> Result<Value> {
    let sum = arrow::compute::kernels::numeric::add(&value.to_scalar(), &step.to_scalar())?;
    Value::new(sum).cast(value.data_type())
}

fn compare(left: &Value, right: &Value) -> Result<std::cmp::Ordering> {
    let comparator = arrow::array::make_comparator(left.array(), right.array(), Default::default())?;
    Ok(comparator(0, 0))
}

fn is_within(value: &Value, stop: &Value, ascending: bool, inclusive: bool) -> Result<bool> {
    Ok(match compare(value, stop)? {
        std::cmp::Ordering::Less => ascending,
        std::cmp::Ordering::Equal => inclusive,
        std::cmp::Ordering::Greater => !ascending,
    })
}

impl SourceWorker for SeriesWorker {
    fn poll_next(&mut self, _: &mut Context<'_>) -> Poll<Result<Option<Chunk>>> {
        Poll::Ready(Ok(self.0.next()?.map(|array| Chunk::from_arrays(array.len(), vec![array]))))
    }
}
