//! Loops by hand: what they give for values that can be reckoned in the head.

use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, BooleanArray, Decimal64Array, Decimal128Array, Float64Array, Int64Array,
};
use arrow::datatypes::{DataType, Decimal128Type, Int64Type};
use nyala_pipeline::program::StateOp;
use nyala_pipeline::{Backend, Op, Type};
use nyala_schema::expr::{ArithmeticOp, CompareOp};
use nyala_schema::{ErrorCode, Value};

use crate::builder::{Batch, Builder, run};
use crate::subject::subject;

fn integers(values: &[Option<i64>]) -> ArrayRef {
    Arc::new(Int64Array::from(values.to_vec()))
}

fn decimals(values: &[i64]) -> ArrayRef {
    Arc::new(Decimal64Array::from(values.to_vec()).with_precision_and_scale(12, 2).unwrap())
}

fn i128_at(records: &[u8], offset: usize) -> i128 {
    i128::from_ne_bytes(records[offset..offset + 16].try_into().unwrap())
}

fn i64_at(records: &[u8], offset: usize) -> i64 {
    i64::from_ne_bytes(records[offset..offset + 8].try_into().unwrap())
}

#[test]
fn sums_of_null_are_null() {
    let mut b = Builder::default();
    let (x, y) = (b.input(DataType::Int64, true), b.input(DataType::Int64, true));
    let sum = b.arithmetic(ArithmeticOp::Add, x, y, DataType::Int64);
    b.outputs = vec![sum];
    let batch = Batch::of(vec![
        integers(&[Some(1), None, Some(i64::MAX), Some(-5)]),
        integers(&[Some(2), Some(i64::MAX), None, Some(5)]),
    ]);
    let (outcome, _) = run(&subject(), &b, &batch, &[]).unwrap();
    assert_eq!(outcome.columns[0].as_ref(), integers(&[Some(3), None, None, Some(0)]).as_ref());
    assert!(outcome.selection.is_none());
}

#[test]
fn overflow_is_the_interpreters_error() {
    let mut b = Builder::default();
    let (x, y) = (b.input(DataType::Int64, false), b.input(DataType::Int64, false));
    let sum = b.arithmetic(ArithmeticOp::Add, x, y, DataType::Int64);
    b.outputs = vec![sum];
    let batch = Batch::of(vec![integers(&[Some(1), Some(i64::MAX)]), integers(&[Some(1), Some(1)])]);
    let backend = subject();
    let error = run(&backend, &b, &batch, &[]).err().unwrap();
    assert_eq!(error.code(), ErrorCode::NumericOverflow, "{error:?}");
    assert_eq!(backend.compile_stats().disagreements, 0);
}

#[test]
fn division_by_zero_in_a_dropped_row_is_none() {
    let mut b = Builder::default();
    let (x, y) = (b.input(DataType::Int64, false), b.input(DataType::Int64, false));
    let zero = b.constant(Value::int64(0));
    let nonzero = b.compare(CompareOp::NotEqual, y, zero);
    b.filter(nonzero);
    let quotient = b.arithmetic(ArithmeticOp::Divide, x, y, DataType::Int64);
    b.outputs = vec![quotient];
    let inputs = vec![integers(&[Some(7), Some(7), Some(-7)]), integers(&[Some(2), Some(0), Some(2)])];
    let (outcome, _) = run(&subject(), &b, &Batch::of(inputs.clone()), &[]).unwrap();
    assert_eq!(outcome.selection, Some(vec![0, 2]));
    assert_eq!(outcome.columns[0].as_primitive::<Int64Type>().values(), &[3, -3]);

    let mut unguarded = Builder::default();
    let (x, y) = (unguarded.input(DataType::Int64, false), unguarded.input(DataType::Int64, false));
    let quotient = unguarded.arithmetic(ArithmeticOp::Divide, x, y, DataType::Int64);
    unguarded.outputs = vec![quotient];
    let error = run(&subject(), &unguarded, &Batch::of(inputs), &[]).err().unwrap();
    assert_eq!(error.code(), ErrorCode::DivisionByZero);
}

#[test]
fn decimals_are_rounded_half_away_from_zero() {
    let mut b = Builder::default();
    let x = b.input(DataType::Decimal64(12, 2), false);
    let rounded = b.cast(x, DataType::Decimal128(20, 1), false);
    b.outputs = vec![rounded];
    let (outcome, _) =
        run(&subject(), &b, &Batch::of(vec![decimals(&[105, -105, 104, -104, 99])]), &[]).unwrap();
    assert_eq!(outcome.columns[0].as_primitive::<Decimal128Type>().values(), &[11, -11, 10, -10, 10]);
}

#[test]
fn products_of_wide_decimals_are_checked() {
    let mut b = Builder::default();
    let ty = DataType::Decimal128(38, 0);
    let (x, y) = (b.input(ty.clone(), false), b.input(ty.clone(), false));
    let product = b.arithmetic(ArithmeticOp::Multiply, x, y, ty);
    b.outputs = vec![product];
    let wide = |values: &[i128]| -> ArrayRef {
        Arc::new(Decimal128Array::from(values.to_vec()).with_precision_and_scale(38, 0).unwrap())
    };
    let big = 10i128.pow(20);
    let batch = Batch::of(vec![wide(&[3, -big, big]), wide(&[-4, 7, 10i128.pow(17)])]);
    let (outcome, _) = run(&subject(), &b, &batch, &[]).unwrap();
    assert_eq!(
        outcome.columns[0].as_primitive::<Decimal128Type>().values(),
        &[-12, -7 * big, 10i128.pow(37)]
    );
    for (l, r) in [(10i128.pow(19), 10i128.pow(19)), (10i128.pow(37), 10i128.pow(37))] {
        let error = run(&subject(), &b, &Batch::of(vec![wide(&[l]), wide(&[r])]), &[]).err().unwrap();
        assert_eq!(error.code(), ErrorCode::NumericOverflow);
    }
}

#[test]
fn floats_compare_in_sql_order() {
    let mut b = Builder::default();
    let (x, y) = (b.input(DataType::Float64, false), b.input(DataType::Float64, false));
    let ops = [CompareOp::Equal, CompareOp::Less, CompareOp::Greater, CompareOp::LessOrEqual];
    b.outputs = ops.iter().map(|op| b.compare(*op, x, y)).collect();
    let (nan, inf) = (f64::NAN, f64::INFINITY);
    let batch = Batch::of(vec![
        Arc::new(Float64Array::from(vec![0.0, nan, nan, inf, 1.0])),
        Arc::new(Float64Array::from(vec![-0.0, nan, inf, nan, 2.0])),
    ]);
    let (outcome, _) = run(&subject(), &b, &batch, &[]).unwrap();
    let expected = [
        [true, true, false, false, false],
        [false, false, false, true, true],
        [false, false, true, false, false],
        [true, true, false, true, true],
    ];
    for (column, expected) in outcome.columns.iter().zip(expected) {
        assert_eq!(column.as_boolean(), &BooleanArray::from(expected.to_vec()));
    }
}

#[test]
fn boolean_columns_are_read_from_any_offset() {
    let mut b = Builder::default();
    let (x, y) = (b.input(DataType::Boolean, true), b.input(DataType::Boolean, true));
    let and = b.let_(Op::And(x, y), Type::new(DataType::Boolean, true));
    let or = b.let_(Op::Or(x, y), Type::new(DataType::Boolean, true));
    b.outputs = vec![and, or];
    let kinds = [Some(true), Some(false), None];
    let left: BooleanArray = (0..20).map(|i| kinds[i % 3]).collect();
    let right: BooleanArray = (0..20).map(|i| kinds[(i / 3) % 3]).collect();
    let batch = Batch::of(vec![Arc::new(left.slice(5, 13)), Arc::new(right.slice(5, 13))]);
    let (outcome, _) = run(&subject(), &b, &batch, &[]).unwrap();
    for row in 0..13 {
        let (l, r) = (kinds[(row + 5) % 3], kinds[((row + 5) / 3) % 3]);
        let and = match (l, r) {
            (Some(false), _) | (_, Some(false)) => Some(false),
            (Some(true), Some(true)) => Some(true),
            _ => None,
        };
        let or = match (l, r) {
            (Some(true), _) | (_, Some(true)) => Some(true),
            (Some(false), Some(false)) => Some(false),
            _ => None,
        };
        let at = |column: usize| {
            let column = outcome.columns[column].as_boolean();
            column.is_valid(row).then(|| column.value(row))
        };
        assert_eq!((at(0), at(1)), (and, or), "row {row}: {l:?} {r:?}");
    }
}

#[test]
fn states_of_groups_are_updated_in_place() {
    let mut b = Builder::default();
    let (x, d) = (b.input(DataType::Int64, true), b.input(DataType::Decimal64(12, 2), false));
    b.update(StateOp::Count, None, None);
    b.update(StateOp::Count, Some(x), None);
    b.update(StateOp::SumInteger, Some(d), None);
    b.update(StateOp::Max(DataType::Int64), Some(x), None);
    let mut initial = vec![0u8; 64];
    initial[48..56].copy_from_slice(&i64::MIN.to_ne_bytes());
    let mut batch = Batch::of(vec![
        integers(&[Some(4), None, Some(-2), Some(9), Some(1)]),
        decimals(&[100, 200, -300, 400, 500]),
    ]);
    batch.selection = Some(vec![0, 1, 2, 4]);
    batch.groups = Some(vec![1, 0, 1, 0]);
    batch.group_count = 2;
    let (_, records) = run(&subject(), &b, &batch, &initial).unwrap();
    let group = |g: usize| {
        let at = g * 64;
        let counts = (i64_at(&records, at), i64_at(&records, at + 16));
        (counts, i128_at(&records, at + 32), i64_at(&records, at + 48))
    };
    assert_eq!(group(0), ((2, 1), 700, 1));
    assert_eq!(group(1), ((2, 2), -200, 4));

    batch.groups = Some(vec![1, 0, 2, 0]);
    let error = run(&subject(), &b, &batch, &initial).err().unwrap();
    assert_eq!(error.code(), ErrorCode::Internal, "a group number out of range is noticed");
}

#[test]
fn filtered_sums_stay_in_registers() {
    let mut b = Builder::default();
    let (price, discount) =
        (b.input(DataType::Decimal64(12, 2), false), b.input(DataType::Decimal64(12, 2), false));
    let low = b.constant(Value::new(decimals(&[5])));
    let passes = b.compare(CompareOp::GreaterOrEqual, discount, low);
    b.filter(passes);
    let product = b.arithmetic(ArithmeticOp::Multiply, price, discount, DataType::Decimal64(18, 4));
    b.update(StateOp::SumInteger, Some(product), None);
    b.update(StateOp::Count, None, None);
    let batch = Batch::of(vec![decimals(&[100, 200, 300]), decimals(&[5, 4, 7])]);
    let mut initial = vec![0u8; 32];
    initial[0..16].copy_from_slice(&1_000i128.to_ne_bytes());
    let (outcome, records) = run(&subject(), &b, &batch, &initial).unwrap();
    assert_eq!(outcome.selection, Some(vec![0, 2]));
    assert_eq!((i128_at(&records, 0), i64_at(&records, 16)), (1_000 + 500 + 2_100, 2));
}

#[test]
fn row_numbers_out_of_range_are_noticed() {
    let mut b = Builder::default();
    let x = b.input(DataType::Int64, false);
    let one = b.constant(Value::int64(1));
    let sum = b.arithmetic(ArithmeticOp::Add, x, one, DataType::Int64);
    b.outputs = vec![sum];
    let mut batch = Batch::of(vec![integers(&[Some(1), Some(2)])]);
    batch.selection = Some(vec![1, 2]);
    let error = run(&subject(), &b, &batch, &[]).err().unwrap();
    assert_eq!(error.code(), ErrorCode::Internal);
}

#[test]
fn branches_guard_what_may_fail() {
    let mut b = Builder::default();
    let (x, y) = (b.input(DataType::Int64, false), b.input(DataType::Int64, true));
    let zero = b.constant(Value::int64(0));
    let none = b.constant(Value::null(&DataType::Int64));
    let nonzero = b.compare(CompareOp::NotEqual, y, zero);
    let then = b.branch(|b| b.arithmetic(ArithmeticOp::Divide, x, y, DataType::Int64));
    let otherwise = b.branch(|_| none);
    let result = b.if_(nonzero, then, otherwise);
    b.outputs = vec![result];
    let batch = Batch::of(vec![integers(&[Some(9), Some(9), Some(9)]), integers(&[Some(0), Some(3), None])]);
    let (outcome, _) = run(&subject(), &b, &batch, &[]).unwrap();
    assert_eq!(outcome.columns[0].as_ref(), integers(&[None, Some(3), None]).as_ref());
}

#[test]
fn programs_are_cached_by_form_and_not_by_constants() {
    let backend = subject();
    for limit in [1, 2, 3] {
        let mut b = Builder::default();
        let x = b.input(DataType::Int64, false);
        let limit = b.constant(Value::int64(limit));
        let small = b.compare(CompareOp::LessOrEqual, x, limit);
        b.filter(small);
        let batch = Batch::of(vec![integers(&[Some(1), Some(2), Some(3)])]);
        let (outcome, _) = run(&backend, &b, &batch, &[]).unwrap();
        let expected = outcome.selection.unwrap().len() as i64;
        assert_eq!(
            Value::int64(expected),
            match &b.constants[0] {
                nyala_pipeline::Parameter::Scalar(value) => value.clone(),
                nyala_pipeline::Parameter::Set(_) => unreachable!("a scalar was given"),
            }
        );
    }
    let stats = backend.compile_stats();
    assert_eq!((stats.misses, stats.hits, stats.cached, stats.functions), (1, 2, 1, 1), "{stats:?}");
    assert!(stats.code_bytes > 0 && stats.compile_ns > 0);
}

#[test]
fn code_is_evicted_and_still_runs_where_it_is_held() {
    let backend =
        nyala_native::NativeBackend::try_new(Arc::new(crate::builder::interpreter()), 1, true).unwrap();
    let build = |op| {
        let mut b = Builder::default();
        let (x, one) = (b.input(DataType::Int64, false), b.constant(Value::int64(10)));
        let result = b.arithmetic(op, x, one, DataType::Int64);
        b.outputs = vec![result];
        b
    };
    let (add, subtract) = (build(ArithmeticOp::Add), build(ArithmeticOp::Subtract));
    let held = backend.compile(&add.program()).unwrap();
    backend.compile(&subtract.program()).unwrap();
    assert_eq!((backend.compile_stats().evictions, backend.compile_stats().cached), (1, 1));
    let inputs = [integers(&[Some(1)])];
    let call = nyala_pipeline::Call {
        rows: 1,
        inputs: &inputs,
        parameters: &add.constants,
        selection: None,
        states: None,
    };
    let outcome = held.run(call).unwrap();
    assert_eq!(outcome.columns[0].as_primitive::<Int64Type>().values(), &[11]);
}
