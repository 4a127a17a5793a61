//! From a data type to the Arrow type with which generic code is instantiated.

/// Runs `$body` with `$T` standing for the Arrow type of an integer data type.
macro_rules! with_integer {
    ($data_type:expr, $T:ident => $body:expr, _ => $other:expr) => {
        match $data_type {
            arrow::datatypes::DataType::Int8 => $crate::kernel::primitive::with_integer!(@ Int8Type, $T, $body),
            arrow::datatypes::DataType::Int16 => $crate::kernel::primitive::with_integer!(@ Int16Type, $T, $body),
            arrow::datatypes::DataType::Int32 => $crate::kernel::primitive::with_integer!(@ Int32Type, $T, $body),
            arrow::datatypes::DataType::Int64 => $crate::kernel::primitive::with_integer!(@ Int64Type, $T, $body),
            arrow::datatypes::DataType::UInt8 => $crate::kernel::primitive::with_integer!(@ UInt8Type, $T, $body),
            arrow::datatypes::DataType::UInt16 => $crate::kernel::primitive::with_integer!(@ UInt16Type, $T, $body),
            arrow::datatypes::DataType::UInt32 => $crate::kernel::primitive::with_integer!(@ UInt32Type, $T, $body),
            arrow::datatypes::DataType::UInt64 => $crate::kernel::primitive::with_integer!(@ UInt64Type, $T, $body),
            _ => $other,
        }
    };
    (@ $type:ident, $T:ident, $body:expr) => {{
        type $T = arrow::datatypes::$type;
        $body
    }};
}

/// The same for every type whose values order as the integers that hold them: integers, decimals, dates, times.
macro_rules! with_ordinal {
    ($data_type:expr, $T:ident => $body:expr, _ => $other:expr) => {{
        use arrow::datatypes::{DataType as D, IntervalUnit, TimeUnit as U};
        match $data_type {
            D::Decimal32(..) => $crate::kernel::primitive::with_integer!(@ Decimal32Type, $T, $body),
            D::Decimal64(..) => $crate::kernel::primitive::with_integer!(@ Decimal64Type, $T, $body),
            D::Decimal128(..) => $crate::kernel::primitive::with_integer!(@ Decimal128Type, $T, $body),
            D::Date32 => $crate::kernel::primitive::with_integer!(@ Date32Type, $T, $body),
            D::Date64 => $crate::kernel::primitive::with_integer!(@ Date64Type, $T, $body),
            D::Time32(U::Second) => $crate::kernel::primitive::with_integer!(@ Time32SecondType, $T, $body),
            D::Time32(_) => $crate::kernel::primitive::with_integer!(@ Time32MillisecondType, $T, $body),
            D::Time64(U::Microsecond) => $crate::kernel::primitive::with_integer!(@ Time64MicrosecondType, $T, $body),
            D::Time64(_) => $crate::kernel::primitive::with_integer!(@ Time64NanosecondType, $T, $body),
            D::Timestamp(U::Second, _) => $crate::kernel::primitive::with_integer!(@ TimestampSecondType, $T, $body),
            D::Timestamp(U::Millisecond, _) => $crate::kernel::primitive::with_integer!(@ TimestampMillisecondType, $T, $body),
            D::Timestamp(U::Microsecond, _) => $crate::kernel::primitive::with_integer!(@ TimestampMicrosecondType, $T, $body),
            D::Timestamp(U::Nanosecond, _) => $crate::kernel::primitive::with_integer!(@ TimestampNanosecondType, $T, $body),
            D::Duration(U::Second) => $crate::kernel::primitive::with_integer!(@ DurationSecondType, $T, $body),
            D::Duration(U::Millisecond) => $crate::kernel::primitive::with_integer!(@ DurationMillisecondType, $T, $body),
            D::Duration(U::Microsecond) => $crate::kernel::primitive::with_integer!(@ DurationMicrosecondType, $T, $body),
            D::Duration(U::Nanosecond) => $crate::kernel::primitive::with_integer!(@ DurationNanosecondType, $T, $body),
            D::Interval(IntervalUnit::YearMonth) => $crate::kernel::primitive::with_integer!(@ IntervalYearMonthType, $T, $body),
            other => $crate::kernel::primitive::with_integer!(other, $T => $body, _ => $other),
        }
    }};
}

pub(crate) use {with_integer, with_ordinal};
