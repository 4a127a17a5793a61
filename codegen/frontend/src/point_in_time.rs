//! Which point of a history an expression means.

use std::sync::Arc;

use arrow::array::AsArray;
use arrow::compute::{CastOptions, cast_with_options};
use arrow::datatypes::{DataType, TimeUnit, TimestampMillisecondType};
use datafusion_common::config::ConfigOptions;
use datafusion_common::{DataFusionError, ScalarValue};
use datafusion_expr::Expr;
use nyala_schema::lookup::AsOf;
use nyala_schema::{Error, ErrorCode, Result};

use crate::constant::folded;
use crate::context::external;

/// A time, from an expression without columns: a timestamp, a date, or a text of one, in the session's time zone where it
/// names none.
///
/// # Errors
/// `InvalidDatetime` for what is no time; `InvalidParameter` for what is not constant.
pub(crate) fn time_of(expr: Expr, config: &Arc<ConfigOptions>) -> Result<AsOf, DataFusionError> {
    let written = expr.to_string();
    match folded(expr, config)? {
        Expr::Literal(value, _) => milliseconds(&value, config).map(AsOf::Time).map_err(external),
        _ => Err(external(wrong(ErrorCode::InvalidParameter, &format!("{written} is not constant")))),
    }
}

fn wrong(code: ErrorCode, message: &str) -> Error {
    let hint = "write a time such as '2026-03-01 12:00:00', or now() - INTERVAL '1 hour'";
    Error::new(code, format!("AS OF takes a time: {message}")).with_hint(hint)
}

/// Since 1970.
fn milliseconds(value: &ScalarValue, config: &ConfigOptions) -> Result<i64> {
    let no_time = || wrong(ErrorCode::InvalidDatetime, &format!("'{value}' is none"));
    let options = CastOptions { safe: false, ..CastOptions::default() };
    let array = match value.data_type() {
        DataType::Date32 | DataType::Date64 => {
            let midnight = DataType::Timestamp(TimeUnit::Millisecond, None);
            cast_with_options(&value.to_array().map_err(|_| no_time())?, &midnight, &options)
        }
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View | DataType::Timestamp(..) => {
            Ok(value.to_array().map_err(|_| no_time())?)
        }
        _ => return Err(no_time()),
    };
    let zone: Arc<str> = config.execution.time_zone.as_deref().unwrap_or("UTC").into();
    let instant = DataType::Timestamp(TimeUnit::Millisecond, Some(zone));
    let array =
        array.and_then(|array| cast_with_options(&array, &instant, &options)).map_err(|_| no_time())?;
    let times = array.as_primitive::<TimestampMillisecondType>();
    times.iter().next().flatten().ok_or_else(no_time)
}
