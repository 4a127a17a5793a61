//! Programs cut into native loops and parts for the interpreter.

use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, Int64Array, StringViewArray};
use arrow::datatypes::{DataType, Int64Type};
use nyala_pipeline::program::StateOp;
use nyala_pipeline::{Backend, Op, Type};
use nyala_schema::expr::{ArithmeticOp, CompareOp, Volatility};
use nyala_schema::{ErrorCode, Value};

use crate::builder::{Batch, Builder, run};
use crate::subject::subject;

fn texts(values: &[&str]) -> ArrayRef {
    Arc::new(StringViewArray::from(values.to_vec()))
}

fn integers(values: &[i64]) -> ArrayRef {
    Arc::new(Int64Array::from(values.to_vec()))
}

fn stages(listing: &str) -> Vec<&str> {
    listing.lines().filter(|line| line.starts_with("; stage")).collect()
}

#[test]
fn cheap_filters_run_before_text() {
    let mut b = Builder::default();
    let (t, x) = (b.input(DataType::Utf8View, false), b.input(DataType::Int64, false));
    let matches = b.like(t, "a%");
    b.filter(matches);
    let limit = b.constant(Value::int64(2));
    let big = b.compare(CompareOp::Greater, x, limit);
    b.filter(big);
    let sum = b.arithmetic(ArithmeticOp::Add, x, limit, DataType::Int64);
    b.outputs = vec![t, sum];
    let backend = subject();
    let clif = backend.clif(&b.program()).unwrap();
    assert_eq!(
        stages(&clif),
        [
            "; stage 0: native",
            "; stage 1: interpreter runs 4 statements, 1 of them filters",
            "; stage 2: native"
        ],
        "{clif}"
    );
    let batch = Batch::of(vec![texts(&["ab", "ab", "b", "ac"]), integers(&[1, 3, 4, 5])]);
    let (outcome, _) = run(&backend, &b, &batch, &[]).unwrap();
    assert_eq!(outcome.selection, Some(vec![1, 3]));
    assert_eq!(outcome.columns[0].as_ref(), texts(&["ab", "ac"]).as_ref());
    assert_eq!(outcome.columns[1].as_primitive::<Int64Type>().values(), &[5, 7]);
}

#[test]
fn filters_that_may_fail_do_not_overtake() {
    let mut b = Builder::default();
    let (t, x) = (b.input(DataType::Utf8View, false), b.input(DataType::Int64, false));
    let matches = b.like(t, "a%");
    b.filter(matches);
    let hundred = b.constant(Value::int64(100));
    let quotient = b.arithmetic(ArithmeticOp::Divide, hundred, x, DataType::Int64);
    let big = b.compare(CompareOp::Greater, quotient, hundred);
    let small = b.let_(Op::Not(big), Type::new(DataType::Boolean, false));
    b.filter(small);
    let batch = Batch::of(vec![texts(&["a", "b"]), integers(&[5, 0])]);
    let (outcome, _) = run(&subject(), &b, &batch, &[]).unwrap();
    assert_eq!(outcome.selection, Some(vec![0]), "row 1 divides by zero but was dropped before");
}

#[test]
fn text_results_are_carried_into_loops() {
    let mut b = Builder::default();
    let (t, x) = (b.input(DataType::Utf8View, false), b.input(DataType::Int64, true));
    let matches = b.like(t, "a%");
    let zero = b.constant(Value::int64(0));
    let (then, otherwise) = (b.branch(|_| x), b.branch(|_| zero));
    let value = b.if_(matches, then, otherwise);
    b.update(StateOp::SumInteger, Some(value), None);
    b.update(StateOp::Count, Some(value), Some(matches));
    let mut batch = Batch::of(vec![
        texts(&["a", "b", "ab", "a"]),
        Arc::new(Int64Array::from(vec![Some(1), Some(2), Some(3), None])),
    ]);
    batch.selection = Some(vec![0, 2, 3]);
    let (_, records) = run(&subject(), &b, &batch, &[0; 32]).unwrap();
    assert_eq!(i128::from_ne_bytes(records[..16].try_into().unwrap()), 4);
    assert_eq!(i64::from_ne_bytes(records[16..24].try_into().unwrap()), 2);
}

#[test]
fn values_made_for_a_filter_follow_the_rows() {
    let mut b = Builder::default();
    let (t, x) = (b.input(DataType::Utf8View, false), b.input(DataType::Int64, false));
    let length = b.let_(
        Op::Call {
            function: "character_length".into(),
            arguments: vec![t],
            volatility: Volatility::Immutable,
        },
        Type::new(DataType::Int32, true),
    );
    let matches = b.like(t, "%a%");
    b.filter(matches);
    let wide = b.cast(length, DataType::Int64, false);
    let shorter = b.compare(CompareOp::Less, wide, x);
    b.filter(shorter);
    let sum = b.arithmetic(ArithmeticOp::Add, wide, x, DataType::Int64);
    b.outputs = vec![sum, length];
    let batch = Batch::of(vec![texts(&["a", "bb", "aaa", "ba"]), integers(&[1, 9, 9, 5])]);
    let (outcome, _) = run(&subject(), &b, &batch, &[]).unwrap();
    assert_eq!(outcome.selection, Some(vec![2, 3]));
    assert_eq!(outcome.columns[0].as_primitive::<Int64Type>().values(), &[12, 7]);
    assert_eq!(outcome.columns[1].len(), 2);
}

#[test]
fn text_alone_is_left_to_the_interpreter() {
    let mut b = Builder::default();
    let t = b.input(DataType::Utf8View, false);
    let matches = b.like(t, "a%");
    b.filter(matches);
    b.outputs = vec![t];
    let error = subject().compile(&b.program()).err().unwrap();
    assert_eq!(error.code(), ErrorCode::Unsupported);
}

#[test]
fn huge_programs_are_left_to_the_interpreter() {
    let mut b = Builder::default();
    let mut sum = b.input(DataType::Float64, false);
    for _ in 0..5_000 {
        sum = b.arithmetic(ArithmeticOp::Add, sum, sum, DataType::Float64);
    }
    b.outputs = vec![sum];
    let error = subject().compile(&b.program()).err().unwrap();
    assert_eq!(error.code(), ErrorCode::Unsupported);
}

#[test]
fn listings_show_machine_code() {
    let mut b = Builder::default();
    let x = b.input(DataType::Int64, false);
    let sum = b.arithmetic(ArithmeticOp::Add, x, x, DataType::Int64);
    b.outputs = vec![sum];
    let listing = subject().compile(&b.program()).unwrap().listing();
    assert!(listing.contains("function u0:0") && listing.contains("; machine code"), "{listing}");
    assert!(listing.contains("ret"), "{listing}");
}
