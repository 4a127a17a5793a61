//! Results made by hand, for the tests of all formats.

use std::sync::Arc;

use arrow::array::{
    ArrayRef, BinaryArray, BooleanArray, Date32Array, Decimal128Array, DictionaryArray, Float64Array,
    Int32Array, Int64Array, IntervalMonthDayNanoArray, ListArray, RecordBatch, StringArray, StructArray,
    TimestampMicrosecondArray,
};
use arrow::datatypes::{DataType, Field, Int32Type, IntervalMonthDayNano, Schema};

use super::{Encoder, Format, Layout};

/// 2024-02-29.
const LEAP_DAY: i32 = 19_782;
const LEAP_DAY_US: i64 = (LEAP_DAY as i64 * 86_400 + 12 * 3600 + 30 * 60 + 45) * 1_000_000;

/// A value and a NULL of every kind of type.
pub fn types() -> RecordBatch {
    let decimal = Decimal128Array::from(vec![Some(12345), None]).with_precision_and_scale(10, 2).unwrap();
    let zoned = TimestampMicrosecondArray::from(vec![Some(LEAP_DAY_US), None]).with_timezone("+00:00");
    let interval = IntervalMonthDayNanoArray::from(vec![Some(IntervalMonthDayNano::new(1, 2, 0)), None]);
    let list = ListArray::from_iter_primitive::<Int32Type, _, _>(vec![Some(vec![Some(1), Some(2)]), None]);
    let dictionary: DictionaryArray<Int32Type> = vec![Some("red"), None].into_iter().collect();
    let fields = vec![Field::new("x", DataType::Int64, true), Field::new("y", DataType::Utf8, true)];
    let children: Vec<ArrayRef> = vec![
        Arc::new(Int64Array::from(vec![Some(1), None])),
        Arc::new(StringArray::from(vec![Some("z"), None])),
    ];
    let structs = StructArray::new(fields.into(), children, Some(vec![true, false].into()));
    let columns: Vec<(&str, ArrayRef)> = vec![
        ("boolean", Arc::new(BooleanArray::from(vec![Some(true), None]))),
        ("int", Arc::new(Int64Array::from(vec![Some(-7), None]))),
        ("float", Arc::new(Float64Array::from(vec![Some(1.5), None]))),
        ("decimal", Arc::new(decimal)),
        ("text", Arc::new(StringArray::from(vec![Some("a \"b\", c"), None]))),
        ("date", Arc::new(Date32Array::from(vec![Some(LEAP_DAY), None]))),
        ("timestamp", Arc::new(TimestampMicrosecondArray::from(vec![Some(LEAP_DAY_US + 250_000), None]))),
        ("zoned", Arc::new(zoned)),
        ("interval", Arc::new(interval)),
        ("binary", Arc::new(BinaryArray::from_opt_vec(vec![Some(&[10, 255][..]), None]))),
        ("list", Arc::new(list)),
        ("struct", Arc::new(structs)),
        ("dictionary", Arc::new(dictionary)),
    ];
    RecordBatch::try_from_iter_with_nullable(columns.into_iter().map(|(name, array)| (name, array, true)))
        .unwrap()
}

/// Names and ages, with a NULL, a line end, and wide characters.
pub fn people() -> RecordBatch {
    let columns: Vec<(&str, ArrayRef)> = vec![
        (
            "name",
            Arc::new(StringArray::from(vec![Some("Ann"), Some("李雷"), None, Some("two\nlines | tab\t")])),
        ),
        ("age", Arc::new(Int32Array::from(vec![Some(31), Some(4), Some(100), None]))),
        ("member", Arc::new(BooleanArray::from(vec![Some(true), Some(false), None, Some(true)]))),
    ];
    RecordBatch::try_from_iter_with_nullable(columns.into_iter().map(|(name, array)| (name, array, true)))
        .unwrap()
}

/// `columns` numbers in one row.
pub fn wide(columns: usize) -> RecordBatch {
    let fields: Vec<Field> =
        (0..columns).map(|index| Field::new(format!("column_{index}"), DataType::Int64, false)).collect();
    let arrays: Vec<ArrayRef> =
        (0..columns).map(|index| Arc::new(Int64Array::from(vec![index as i64])) as ArrayRef).collect();
    RecordBatch::try_new(Arc::new(Schema::new(fields)), arrays).unwrap()
}

/// Everything that a format writes for `batches`, and its remarks.
pub fn encoded(format: Format, layout: &Layout, batches: &[RecordBatch]) -> (Vec<u8>, Vec<String>) {
    let mut encoder: Box<dyn Encoder> = format.encoder(batches[0].schema(), layout).unwrap();
    let mut out = Vec::new();
    for batch in batches {
        encoder.batch(batch, &mut out).unwrap();
    }
    let remarks = encoder.finish(&mut out).unwrap();
    (out, remarks)
}

/// As [`encoded`], for a format that writes text without remarks.
pub fn text(format: Format, batches: &[RecordBatch]) -> String {
    let (out, remarks) = encoded(format, &Layout::default(), batches);
    assert!(remarks.is_empty(), "{remarks:?}");
    String::from_utf8(out).unwrap()
}
