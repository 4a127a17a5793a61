//! Columns of every kind, there and back.

use std::sync::Arc;

use arrow::array::*;
use arrow::datatypes::*;
use nyala_pipeline::Guests;

use crate::fixture::{Fixture, identity, module};

const LONG: &str = "a text that is longer than what is in a view";

fn texts(rows: usize) -> StringViewArray {
    (0..rows)
        .map(|row| match row % 5 {
            0 => Some(format!("t{row}")),
            1 => None,
            2 => Some(format!("{LONG} {row}")),
            3 => Some(String::new()),
            _ => Some("zwölf Zeichen".to_owned()),
        })
        .collect()
}

/// Each with NULLs, of eleven rows.
fn columns() -> Vec<ArrayRef> {
    fn some<T>(values: impl Fn(i64) -> T) -> Vec<Option<T>> {
        (0..11).map(|row| (row % 4 != 2).then(|| values(row))).collect()
    }
    let texts = texts(11);
    let bytes: BinaryViewArray = texts.iter().map(|text| text.map(|text| text.as_bytes().to_vec())).collect();
    let plain: StringArray = texts.iter().collect();
    let list = ListArray::from_iter_primitive::<Int64Type, _, _>(some(|row| {
        (0..row % 3).map(|value| (value != 1).then_some(value)).collect::<Vec<_>>()
    }));
    let mut nested = ListBuilder::new(StringViewBuilder::new());
    for row in 0..11 {
        (0..row % 4).for_each(|index| nested.values().append_value(format!("{LONG} {row} {index}")));
        nested.append(row % 3 != 1);
    }
    let structs = StructArray::from(vec![
        (
            Arc::new(Field::new("number", DataType::Int32, true)),
            Arc::new(Int32Array::from(some(|row| row as i32))) as _,
        ),
        (Arc::new(Field::new("text", DataType::Utf8View, true)), Arc::new(texts.clone()) as ArrayRef),
    ]);
    vec![
        Arc::new(BooleanArray::from(some(|row| row % 2 == 0))),
        Arc::new(Int8Array::from(some(|row| -row as i8))),
        Arc::new(Int16Array::from(some(|row| -row as i16 * 300))),
        Arc::new(Int32Array::from(some(|row| -row as i32 * 70_000))),
        Arc::new(Int64Array::from(some(|row| -row << 40))),
        Arc::new(Date32Array::from(some(|row| row as i32))),
        Arc::new(Time64MicrosecondArray::from(some(|row| row * 1_000_001))),
        Arc::new(TimestampMicrosecondArray::from(some(|row| row << 40))),
        Arc::new(TimestampMicrosecondArray::from(some(|row| row << 40)).with_timezone("UTC")),
        Arc::new(Float32Array::from(some(|row| row as f32 / 3.0))),
        Arc::new(Float64Array::from(some(|row| row as f64 / 3.0))),
        Arc::new(Decimal64Array::from(some(|row| row * -1001)).with_precision_and_scale(12, 2).unwrap()),
        Arc::new(
            Decimal128Array::from(some(|row| i128::from(row) * 99)).with_precision_and_scale(18, 3).unwrap(),
        ),
        Arc::new(
            Decimal128Array::from(some(|row| i128::from(row) << 70)).with_precision_and_scale(38, 4).unwrap(),
        ),
        Arc::new(IntervalMonthDayNanoArray::from(some(|row| {
            IntervalMonthDayNano::new(row as i32, -3, row << 40)
        }))),
        Arc::new(texts),
        Arc::new(bytes),
        Arc::new(plain),
        Arc::new(list),
        Arc::new(nested.finish()),
        Arc::new(structs),
    ]
}

#[test]
fn every_kind_comes_back_as_it_went_in() {
    let fixture = Fixture::new();
    for column in columns() {
        let data_type = column.data_type();
        for strict in [false, true] {
            let mut function =
                fixture.function(&identity(), std::slice::from_ref(data_type), data_type.clone());
            function.strict = strict;
            let guest = fixture.sandbox.scalar(&Arc::new(function)).unwrap();
            // Sliced columns have buffers that do not begin where the column does.
            for (start, rows) in [(0, 11), (3, 7), (2, 1), (5, 0)] {
                let passed = column.slice(start, rows);
                let returned = guest.call(std::slice::from_ref(&passed), rows).unwrap();
                returned.to_data().validate_full().unwrap();
                let returned = arrow::compute::cast(&returned, data_type).unwrap();
                assert_eq!(&returned, &passed, "{data_type}, strict: {strict}, {rows} rows from {start}");
            }
        }
    }
}

#[test]
fn large_batches_are_passed_in_pieces() {
    let fixture = Fixture::new();
    let mut function = fixture.function(&identity(), &[DataType::Utf8View], DataType::Utf8View);
    function.code.limits.memory_bytes = 1 << 20;
    let guest = fixture.sandbox.scalar(&Arc::new(function)).unwrap();
    let passed: ArrayRef = Arc::new(texts(70_000));
    assert_eq!(&guest.call(std::slice::from_ref(&passed), 70_000).unwrap(), &passed);
}

#[test]
fn strict_functions_do_not_see_null() {
    let fixture = Fixture::new();
    // The number of rows that arrived, in each row.
    let body = r#"(func (export "nyala_scalar_f") (param $batch i32) (result i32)
      (local $rows i32) (local $at i32) (local $out i32)
      (local.set $rows (i32.load offset=8 (local.get $batch)))
      (if (i32.load offset=8 (i32.load (local.get $batch))) (then unreachable))
      (local.set $out (call $alloc (i32.const 65536) (i32.const 16)))
      (loop $next
        (i64.store offset=32 (i32.add (local.get $out) (i32.mul (local.get $at) (i32.const 8))) (i64.extend_i32_u (local.get $rows)))
        (br_if $next (i32.lt_u (local.tee $at (i32.add (local.get $at) (i32.const 1))) (local.get $rows))))
      (i32.store (local.get $out) (i32.const 5))
      (i32.store offset=4 (local.get $out) (local.get $rows))
      (i32.store offset=12 (local.get $out) (i32.add (local.get $out) (i32.const 32)))
      (local.get $out))"#;
    let arguments = [DataType::Utf8View, DataType::Int32];
    let function = Arc::new(fixture.function(&module(body), &arguments, DataType::Int64));
    let guest = fixture.sandbox.scalar(&function).unwrap();
    let text: ArrayRef = Arc::new(StringViewArray::from(vec![Some("a"), None, Some("c"), Some("d")]));
    let number: ArrayRef = Arc::new(Int32Array::from(vec![Some(1), Some(2), None, Some(4)]));
    let returned = guest.call(&[text.clone(), number], 4).unwrap();
    assert_eq!(returned.as_primitive::<Int64Type>(), &Int64Array::from(vec![Some(2), None, None, Some(2)]));
    let no_number: ArrayRef = Arc::new(Int32Array::new_null(4));
    assert_eq!(guest.call(&[text, no_number], 4).unwrap().null_count(), 4);
}
