//! Users' functions inside of loops.

use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, BooleanArray, Decimal64Array, Float64Array, Int8Array, Int64Array,
};
use arrow::datatypes::{DataType, Float64Type, Int8Type, Int64Type};
use nyala_pipeline::guest::ScalarGuest;
use nyala_pipeline::program::StateOp;
use nyala_pipeline::{Backend, Program};
use nyala_sandbox::RowFunction;
use nyala_schema::expr::{ArithmeticOp, CompareOp};
use nyala_schema::guest::GuestFunction;
use nyala_schema::{ErrorCode, Value};

use crate::builder::{Batch, Builder, run};
use crate::modules::{call, function, giving_null};
use crate::subject::{kernels, subject};

const MIXED: &str = r#"(module
    (func (export "triple_plus") (param i64 i64) (result i64)
        (i64.add (i64.mul (local.get 0) (i64.const 3)) (local.get 1)))
    (func (export "halve") (param i64) (result f64)
        (f64.div (f64.convert_i64_s (local.get 0)) (f64.const 2)))
    (func (export "quotient") (param i64 i64) (result i64) (i64.div_s (local.get 0) (local.get 1)))
    (func (export "grow") (param i32) (result i32) (i32.mul (local.get 0) (i32.const 100)))
    (func (export "odd") (param i64) (result i32) (i32.and (i32.wrap_i64 (local.get 0)) (i32.const 1)))
    (func (export "even_bits") (param i64) (result i32) (i32.and (i32.wrap_i64 (local.get 0)) (i32.const 6)))
    (func (export "not") (param i32) (result i32) (i32.eqz (local.get 0)))
    (func (export "raise") (param i64) (result i64) (i64.mul (local.get 0) (i64.const 1000))))"#;

const COUNTER: &str = r#"(module
    (global $calls (mut i64) (i64.const 0))
    (func (export "count") (param i64) (result i64)
        (global.set $calls (i64.add (global.get $calls) (local.get 0)))
        (global.get $calls)))"#;

/// As compilers make modules: with much that one function does not need.
const LARGE: &str = r#"(module
    (import "nyala" "fail" (func $fail (param i32 i32 i32)))
    (import "nyala" "now" (func $now (result i64)))
    (type $unary (func (param i64) (result i64)))
    (table 2 funcref)
    (elem (i32.const 0) $square $loud)
    (memory 1)
    (global $top (mut i32) (i32.const 4096))
    (data (i32.const 16) "\2a\00\00\00\00\00\00\00")
    (func $loud (param i64) (result i64) (call $fail (i32.const 0) (i32.const 0) (i32.const 0)) (call $now))
    (func $square (param i64) (result i64) (i64.mul (local.get 0) (local.get 0)))
    (func (export "loud") (param i64) (result i64) (call $loud (local.get 0)))
    (func (export "any") (param i64) (result i64) (call_indirect (type $unary) (local.get 0) (i32.const 0)))
    (func (export "square") (param i32) (result i32) (unreachable))
    (func (export "nyala_row_square") (param i64) (result i64) (call $square (local.get 0)))
    (func (export "plus_data") (param i64) (result i64)
        (i64.add (local.get 0) (i64.load (i32.const 16)))))"#;

fn integers(values: &[Option<i64>]) -> ArrayRef {
    Arc::new(Int64Array::from(values.to_vec()))
}

fn of_integers(name: &str, count: usize) -> GuestFunction {
    function(MIXED, name, &vec![DataType::Int64; count], DataType::Int64)
}

fn only_loops(program: &Arc<Program>) {
    let text = subject().describe(program).unwrap();
    assert!(!text.contains("interpreter"), "{text}");
}

#[test]
fn null_arguments_give_null() {
    let mut b = Builder::default();
    let (x, y) = (b.input(DataType::Int64, true), b.input(DataType::Int64, true));
    let sum = call(&mut b, &of_integers("triple_plus", 2), &[x, y]);
    let quotient = call(&mut b, &of_integers("quotient", 2), &[x, y]);
    b.outputs = vec![sum, quotient];
    only_loops(&b.program());
    // A NULL divisor may well have 0 under it.
    let batch = Batch::of(vec![
        integers(&[Some(1), None, Some(-9), Some(7)]),
        integers(&[Some(2), Some(1), None, Some(-2)]),
    ]);
    let (outcome, _) = run(&subject(), &b, &batch, &[]).unwrap();
    assert_eq!(outcome.columns[0].as_ref(), integers(&[Some(5), None, None, Some(19)]).as_ref());
    assert_eq!(outcome.columns[1].as_ref(), integers(&[Some(0), None, None, Some(-3)]).as_ref());
}

#[test]
fn only_what_is_called_of_a_module_is_nested() {
    let of = |name: &str| function(LARGE, name, &[DataType::Int64], DataType::Int64);
    let mut b = Builder::default();
    let x = b.input(DataType::Int64, false);
    let square = call(&mut b, &of("square"), &[x]);
    let both = call(&mut b, &of("plus_data"), &[square]);
    b.outputs = vec![square, both];
    only_loops(&b.program());
    let batch = Batch::of(vec![integers(&[Some(1), Some(-3)])]);
    let (outcome, _) = run(&subject(), &b, &batch, &[]).unwrap();
    assert_eq!(outcome.columns[0].as_ref(), integers(&[Some(1), Some(9)]).as_ref());
    assert_eq!(outcome.columns[1].as_ref(), integers(&[Some(43), Some(51)]).as_ref());
    for name in ["loud", "any"] {
        let error = RowFunction::new(&kernels().0, Arc::new(of(name))).map(drop).unwrap_err();
        assert_eq!(error.code(), ErrorCode::InvalidModule);
        assert!(error.message().contains("it may call nyala.fail"), "{error:?}");
    }
}

#[test]
fn functions_are_nested_filter_and_are_summed() {
    let triple = of_integers("triple_plus", 2);
    let odd = function(MIXED, "odd", &[DataType::Int64], DataType::Boolean);
    let quotient = of_integers("quotient", 2);
    let mut b = Builder::default();
    let (x, y) = (b.input(DataType::Int64, false), b.input(DataType::Int64, false));
    let zero = b.constant(Value::int64(0));
    let nonzero = b.compare(CompareOp::NotEqual, y, zero);
    b.filter(nonzero);
    let inner = call(&mut b, &triple, &[x, y]);
    let chosen = call(&mut b, &odd, &[inner]);
    b.filter(chosen);
    let outer = call(&mut b, &triple, &[inner, inner]);
    let ratio = call(&mut b, &quotient, &[outer, y]);
    let more = b.arithmetic(ArithmeticOp::Add, ratio, x, DataType::Int64);
    b.update(StateOp::SumInteger, Some(more), None);
    b.update(StateOp::Count, None, None);
    only_loops(&b.program());
    let (xs, ys): (Vec<i64>, Vec<i64>) = (0..100).map(|i| (i * 7 % 31 - 9, i % 5)).unzip();
    let expected: Vec<i64> = xs
        .iter()
        .zip(&ys)
        .filter(|(x, y)| **y != 0 && (*x * 3 + *y) & 1 == 1)
        .map(|(x, y)| (x * 3 + y) * 4 / y + x)
        .collect();
    let inputs: Vec<ArrayRef> = vec![Arc::new(Int64Array::from(xs)), Arc::new(Int64Array::from(ys))];
    let (_, records) = run(&subject(), &b, &Batch::of(inputs), &[0; 32]).unwrap();
    assert_eq!(
        i128::from_ne_bytes(records[..16].try_into().unwrap()),
        i128::from(expected.iter().sum::<i64>())
    );
    assert_eq!(i64::from_ne_bytes(records[16..24].try_into().unwrap()), expected.len() as i64);
}

#[test]
fn only_selected_rows_are_called() {
    let mut b = Builder::default();
    let (x, y) = (b.input(DataType::Int64, false), b.input(DataType::Int64, false));
    let quotient = call(&mut b, &of_integers("quotient", 2), &[x, y]);
    b.outputs = vec![quotient];
    let mut batch =
        Batch::of(vec![integers(&[Some(8), Some(8), Some(9)]), integers(&[Some(2), Some(0), Some(3)])]);
    batch.selection = Some(vec![0, 2]);
    let (outcome, _) = run(&subject(), &b, &batch, &[]).unwrap();
    assert_eq!(outcome.columns[0].as_primitive::<Int64Type>().values(), &[4, 3]);
    batch.selection = None;
    let error = run(&subject(), &b, &batch, &[]).err().unwrap();
    assert_eq!(error.code(), ErrorCode::GuestFailed);
    assert!(error.message().contains("quotient@3") && error.message().contains("divide by zero"), "{error}");
}

#[test]
fn branches_guard_what_may_trap() {
    let mut b = Builder::default();
    let (x, y) = (b.input(DataType::Int64, false), b.input(DataType::Int64, true));
    let zero = b.constant(Value::int64(0));
    let safe = b.compare(CompareOp::Greater, y, zero);
    let quotient = of_integers("quotient", 2);
    let then = b.branch(|b| call(b, &quotient, &[x, y]));
    let otherwise = b.branch(|b| b.constant(Value::int64(-1)));
    let result = b.if_(safe, then, otherwise);
    b.outputs = vec![result];
    only_loops(&b.program());
    let batch = Batch::of(vec![integers(&[Some(8), Some(8), Some(9)]), integers(&[Some(2), Some(0), None])]);
    let (outcome, _) = run(&subject(), &b, &batch, &[]).unwrap();
    assert_eq!(outcome.columns[0].as_ref(), integers(&[Some(4), Some(-1), Some(-1)]).as_ref());
}

#[test]
fn results_have_the_width_of_their_type() {
    let kernels = &kernels().0;
    let call = |function: GuestFunction, argument: ArrayRef| {
        let rows = argument.len();
        RowFunction::new(kernels, Arc::new(function)).unwrap().call(&[argument], rows)
    };
    let grow = function(MIXED, "grow", &[DataType::Int8], DataType::Int8);
    let grown = call(grow, Arc::new(Int8Array::from(vec![Some(1), Some(2), None, Some(-2)]))).unwrap();
    let expected = Int8Array::from(vec![Some(100), Some(-56), None, Some(56)]);
    assert_eq!(grown.as_primitive::<Int8Type>(), &expected);

    // A Boolean is true when it is not 0.
    let even = function(MIXED, "even_bits", &[DataType::Int64], DataType::Boolean);
    let evens = call(even, integers(&[Some(1), Some(2), Some(4), None])).unwrap();
    assert_eq!(evens.as_boolean(), &BooleanArray::from(vec![Some(false), Some(true), Some(true), None]));
    let not = function(MIXED, "not", &[DataType::Boolean], DataType::Boolean);
    let turned = call(not, Arc::new(BooleanArray::from(vec![Some(true), None, Some(false)]))).unwrap();
    assert_eq!(turned.as_boolean(), &BooleanArray::from(vec![Some(false), None, Some(true)]));

    let halve = function(MIXED, "halve", &[DataType::Int64], DataType::Float64);
    let halves = call(halve, integers(&[Some(3), None])).unwrap();
    assert_eq!(halves.as_primitive::<Float64Type>(), &Float64Array::from(vec![Some(1.5), None]));

    let money = DataType::Decimal64(6, 2);
    let raise = function(MIXED, "raise", std::slice::from_ref(&money), money.clone());
    let amounts = |values: Vec<Option<i64>>| -> ArrayRef {
        Arc::new(Decimal64Array::from(values).with_precision_and_scale(6, 2).unwrap())
    };
    let raised = call(raise.clone(), amounts(vec![Some(7), None])).unwrap();
    assert_eq!(raised.as_ref(), amounts(vec![Some(7000), None]).as_ref());
    let error = call(raise.clone(), amounts(vec![Some(7), Some(1000)])).unwrap_err();
    assert_eq!(error.code(), ErrorCode::GuestFailed);
    assert!(error.message().contains("row 1"), "{error}");
    let raised = call(giving_null(raise), amounts(vec![Some(1000), Some(7)])).unwrap();
    assert_eq!(raised.as_ref(), amounts(vec![None, Some(7000)]).as_ref());
}

#[test]
fn nothing_is_left_from_batch_to_batch() {
    let mut b = Builder::default();
    let x = b.input(DataType::Int64, false);
    let counted = call(&mut b, &function(COUNTER, "count", &[DataType::Int64], DataType::Int64), &[x]);
    b.outputs = vec![counted];
    let backend = subject();
    let executable = backend.compile(&b.program()).unwrap();
    let inputs = [integers(&[Some(1), Some(10)])];
    for _ in 0..2 {
        let call =
            nyala_pipeline::Call { rows: 2, inputs: &inputs, parameters: &[], selection: None, states: None };
        let outcome = executable.run(call).unwrap();
        assert_eq!(outcome.columns[0].as_primitive::<Int64Type>().values(), &[1, 11]);
    }
}
