//! `generate_series` and `range` in FROM.

use std::sync::Arc;

use arrow::datatypes::{DataType, Field, IntervalUnit, Schema, SchemaRef, TimeUnit};
use datafusion_common::ScalarValue;
use datafusion_expr::TableSource;
use nyala_schema::{Error, ErrorCode, Result, Value};

use crate::suggest::quoted;
use crate::types::sql_name;

/// One column, named after the function, never NULL: start, start + step, … while not beyond stop.
///
/// Types of start, stop, step and column: all Int64; or Date32, Date32, Interval(MonthDayNano), Date32; or
/// Timestamp(Microsecond, None) twice, Interval(MonthDayNano), Timestamp(Microsecond, None). The step is never 0; when
/// it is negative the series goes down. None of them is NULL.
#[derive(Debug, Clone, PartialEq)]
pub struct SeriesHandle {
    pub start: Value,
    pub stop: Value,
    pub step: Value,
    /// Whether stop itself may be in the series.
    pub inclusive: bool,
    schema: SchemaRef,
}

impl TableSource for SeriesHandle {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }
}

const INTERVAL: DataType = DataType::Interval(IntervalUnit::MonthDayNano);
const TIMESTAMP: DataType = DataType::Timestamp(TimeUnit::Microsecond, None);

impl SeriesHandle {
    /// # Errors
    /// `InvalidParameter` for a step of 0 or a wrong number of arguments, `DatatypeMismatch` for types that do not go
    /// together.
    pub(crate) fn new(function: &str, arguments: &[ScalarValue]) -> Result<Self> {
        let (start, stop, step) = match arguments {
            [stop] => (ScalarValue::Int64(Some(0)), stop.clone(), None),
            [start, stop] => (start.clone(), stop.clone(), None),
            [start, stop, step] => (start.clone(), stop.clone(), Some(step.clone())),
            _ => {
                let message = format!(
                    "{} takes start, stop and step, not {} arguments",
                    quoted(function),
                    arguments.len()
                );
                return Err(Error::new(ErrorCode::InvalidParameter, message));
            }
        };
        let (data_type, step_type) = types(function, &start, &stop, step.as_ref())?;
        let schema = Arc::new(Schema::new(vec![Field::new(function, data_type.clone(), false)]));
        let inclusive = function == "generate_series";
        let any_null = start.is_null() || stop.is_null() || step.as_ref().is_some_and(ScalarValue::is_null);
        if any_null {
            return Self::empty(&data_type, &step_type, schema);
        }
        let step = match step {
            Some(step) => value(&step, &step_type)?,
            None => unit_step(&step_type)?,
        };
        if is_zero(&step) {
            return Err(Error::new(
                ErrorCode::InvalidParameter,
                format!("the step of {} cannot be 0", quoted(function)),
            ));
        }
        Ok(Self {
            start: value(&start, &data_type)?,
            stop: value(&stop, &data_type)?,
            step,
            inclusive,
            schema,
        })
    }

    /// NULL among the arguments gives no rows.
    fn empty(data_type: &DataType, step_type: &DataType, schema: SchemaRef) -> Result<Self> {
        let zero = value(&ScalarValue::Int32(Some(0)), &DataType::Int32)?.cast(data_type)?;
        Ok(Self { start: zero.clone(), stop: zero, step: unit_step(step_type)?, inclusive: false, schema })
    }

    /// The type of the column.
    pub fn data_type(&self) -> &DataType {
        self.start.data_type()
    }
}

/// The types of the column and of the step.
fn types(
    function: &str,
    start: &ScalarValue,
    stop: &ScalarValue,
    step: Option<&ScalarValue>,
) -> Result<(DataType, DataType)> {
    let (start_type, stop_type) = (start.data_type(), stop.data_type());
    let step_type = step.map(ScalarValue::data_type);
    let whole = |t: &DataType| t.is_integer() || *t == DataType::Null;
    let is_date = |t: &DataType| matches!(t, DataType::Date32 | DataType::Null);
    let is_moment =
        |t: &DataType| matches!(t, DataType::Date32 | DataType::Timestamp(_, None) | DataType::Null);
    let is_interval = step_type.as_ref().is_none_or(|t| matches!(t, DataType::Interval(_) | DataType::Null));
    if whole(&start_type) && whole(&stop_type) && step_type.as_ref().is_none_or(whole) {
        return Ok((DataType::Int64, DataType::Int64));
    }
    if is_date(&start_type) && is_date(&stop_type) && is_interval && step.is_none_or(is_whole_days) {
        return Ok((DataType::Date32, INTERVAL));
    }
    if is_moment(&start_type)
        && is_moment(&stop_type)
        && is_interval
        && (step.is_some() || start_type.is_null())
    {
        return Ok((TIMESTAMP, INTERVAL));
    }
    let given: Vec<String> =
        [Some(start_type), Some(stop_type), step_type].iter().flatten().map(sql_name).collect();
    let message = format!("{} does not take ({})", quoted(function), given.join(", "));
    Err(Error::new(ErrorCode::DatatypeMismatch, message)
        .with_hint("it takes whole numbers, or dates or timestamps and an interval as step"))
}

fn is_whole_days(step: &ScalarValue) -> bool {
    match step {
        ScalarValue::IntervalMonthDayNano(Some(step)) => step.nanoseconds == 0,
        ScalarValue::IntervalDayTime(Some(step)) => step.milliseconds == 0,
        _ => true,
    }
}

fn value(scalar: &ScalarValue, data_type: &DataType) -> Result<Value> {
    let array = scalar.to_array().map_err(|error| Error::internal(error.to_string()))?;
    Value::new(array).cast(data_type)
}

fn unit_step(step_type: &DataType) -> Result<Value> {
    let unit = match step_type {
        DataType::Interval(_) => ScalarValue::new_interval_mdn(0, 1, 0),
        _ => ScalarValue::Int64(Some(1)),
    };
    value(&unit, step_type)
}

fn is_zero(step: &Value) -> bool {
    match ScalarValue::try_from_array(step.array(), 0) {
        Ok(ScalarValue::IntervalMonthDayNano(Some(step))) => {
            step.months == 0 && step.days == 0 && step.nanoseconds == 0
        }
        Ok(ScalarValue::Int64(step)) => step == Some(0),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ints(function: &str, numbers: &[i64]) -> Result<SeriesHandle> {
        let arguments: Vec<ScalarValue> = numbers.iter().map(|n| ScalarValue::Int64(Some(*n))).collect();
        SeriesHandle::new(function, &arguments)
    }

    #[test]
    fn defaults() -> Result<()> {
        let series = ints("range", &[5])?;
        assert_eq!(
            (series.start, series.stop, series.step),
            (Value::int64(0), Value::int64(5), Value::int64(1))
        );
        assert!(!series.inclusive);
        assert!(ints("generate_series", &[1, 5, 2])?.inclusive);
        Ok(())
    }

    #[test]
    fn null_gives_an_empty_series() -> Result<()> {
        let series =
            SeriesHandle::new("generate_series", &[ScalarValue::Int64(None), ScalarValue::Int64(Some(3))])?;
        assert!(!series.inclusive && series.start == series.stop && !series.start.is_null());
        let dates = [ScalarValue::Date32(None), ScalarValue::Date32(Some(3))];
        assert_eq!(*SeriesHandle::new("range", &dates)?.data_type(), DataType::Date32);
        Ok(())
    }

    #[test]
    fn wrong_arguments() {
        assert_eq!(ints("range", &[1, 2, 0]).unwrap_err().code(), ErrorCode::InvalidParameter);
        assert_eq!(ints("range", &[]).unwrap_err().code(), ErrorCode::InvalidParameter);
        let text = SeriesHandle::new("range", &[ScalarValue::from("a"), ScalarValue::from("b")]);
        assert_eq!(text.unwrap_err().code(), ErrorCode::DatatypeMismatch);
    }
}
