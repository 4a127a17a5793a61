//! Each operation with NULLs, selections, empty batches and its failures.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, Date32Array};
use arrow::datatypes::{DataType, Float64Type, Int64Type};
use nyala_pipeline::program::Op;
use nyala_schema::expr::{ArithmeticOp, CompareOp};
use nyala_schema::{ErrorCode, Value};

use crate::build::*;

#[test]
fn arithmetic_keeps_nulls_and_skips_what_is_under_them() {
    let mut make = Make::new();
    let left = make.input(numbers([Some(i64::MAX), None, Some(7)]));
    let right = make.input(numbers([None, Some(1), Some(3)]));
    for op in [ArithmeticOp::Add, ArithmeticOp::Multiply, ArithmeticOp::Divide, ArithmeticOp::Remainder] {
        let value = make.arithmetic(op, left, right, BIGINT);
        make.output(value);
    }
    let columns = make.run().unwrap().columns;
    same(&columns[0], &numbers([None, None, Some(10)]));
    same(&columns[1], &numbers([None, None, Some(21)]));
    same(&columns[2], &numbers([None, None, Some(2)]));
    same(&columns[3], &numbers([None, None, Some(1)]));
}

#[test]
fn overflow_and_division_by_zero_name_their_operands() {
    let failure = |op, left: i64, right: i64| {
        let mut make = Make::new();
        let left = make.input(numbers([1, left]));
        let right = make.number(right);
        let value = make.arithmetic(op, left, right, BIGINT);
        make.output(value);
        make.run().map(|_| ()).unwrap_err()
    };
    let error = failure(ArithmeticOp::Add, i64::MAX, 1);
    assert_eq!(error.code(), ErrorCode::NumericOverflow);
    assert!(error.message().contains("9223372036854775807 + 1"), "{}", error.message());
    assert_eq!(failure(ArithmeticOp::Divide, 5, 0).code(), ErrorCode::DivisionByZero);
    assert_eq!(failure(ArithmeticOp::Remainder, 5, 0).code(), ErrorCode::DivisionByZero);
    assert_eq!(failure(ArithmeticOp::Divide, i64::MIN, -1).code(), ErrorCode::NumericOverflow);
}

#[test]
fn floats_follow_ieee_and_compare_totally() {
    let mut make = Make::new();
    let left = make.input(doubles([0.0, -0.0, f64::NAN, -f64::NAN, f64::INFINITY]));
    let right = make.input(doubles([-0.0, 1.0, f64::NAN, 1.0, f64::NAN]));
    let equal = make.compare(CompareOp::Equal, left, right);
    let greater = make.compare(CompareOp::Greater, left, right);
    let zero = make.constant(Value::float64(0.0));
    let quotient = make.arithmetic(ArithmeticOp::Divide, right, zero, DOUBLE);
    for value in [equal, greater, quotient] {
        make.output(value);
    }
    let columns = make.run().unwrap().columns;
    same(&columns[0], &flags([true, false, true, false, false]));
    same(&columns[1], &flags([false, false, false, true, false]));
    assert_eq!(columns[2].as_primitive::<Float64Type>().value(1), f64::INFINITY);
}

#[test]
fn decimals_work_in_both_widths() {
    let mut make = Make::new();
    let price = make.input(small([Some(1000), None, Some(-250)], 12, 2));
    let factor = make.input(small([Some(94), Some(1), Some(5)], 12, 2));
    let product = make.arithmetic(ArithmeticOp::Multiply, price, factor, DataType::Decimal64(18, 4));
    let wide = make.arithmetic(ArithmeticOp::Multiply, price, factor, DataType::Decimal128(24, 4));
    let quotient = make.arithmetic(ArithmeticOp::Divide, price, factor, DataType::Decimal128(20, 6));
    let sum = make.arithmetic(ArithmeticOp::Add, wide, product, DataType::Decimal128(25, 4));
    for value in [product, wide, quotient, sum] {
        make.output(value);
    }
    let columns = make.run().unwrap().columns;
    same(&columns[0], &small([Some(94_000), None, Some(-1250)], 18, 4));
    same(&columns[1], &large([Some(94_000), None, Some(-1250)], 24, 4));
    // 10.00 / 0.94 = 10.638297…, truncated.
    same(&columns[2], &large([Some(10_638_297), None, Some(-50_000_000)], 20, 6));
    same(&columns[3], &large([Some(188_000), None, Some(-2500)], 25, 4));
}

#[test]
fn a_decimal_beyond_its_precision_is_an_overflow() {
    let mut make = Make::new();
    let value = make.input(small([99_999], 5, 2));
    let one = make.input(small([1], 5, 2));
    let sum = make.arithmetic(ArithmeticOp::Add, value, one, DataType::Decimal64(5, 2));
    make.output(sum);
    let error = make.run().map(|_| ()).unwrap_err();
    assert_eq!(error.code(), ErrorCode::NumericOverflow);
    assert!(error.message().contains("999.99 + 0.01"), "{}", error.message());
}

#[test]
fn dates_and_intervals_go_through_arrow() {
    let mut make = Make::new();
    let date: ArrayRef = Arc::new(Date32Array::from(vec![Some(9204), None]));
    let day = make.input(date);
    let interval: ArrayRef = Arc::new(arrow::array::IntervalMonthDayNanoArray::from(vec![
        arrow::datatypes::IntervalMonthDayNano::new(1, 0, 0),
    ]));
    let month = make.constant(Value::new(interval));
    let later = make.arithmetic(ArithmeticOp::Add, day, month, DataType::Date32);
    let days = make.arithmetic(ArithmeticOp::Subtract, later, day, BIGINT);
    make.output(later);
    make.output(days);
    let columns = make.run().unwrap().columns;
    same(&columns[0], &(Arc::new(Date32Array::from(vec![Some(9235), None])) as ArrayRef));
    same(&columns[1], &numbers([Some(31), None]));
}

#[test]
fn logic_is_kleenes() {
    let values = [Some(true), Some(false), None];
    let left: Vec<Option<bool>> = values.iter().flat_map(|value| [*value; 3]).collect();
    let right: Vec<Option<bool>> = (0..9).map(|row| values[row % 3]).collect();
    let mut make = Make::new();
    let (l, r) = (make.input(flags(left)), make.input(flags(right)));
    let and = make.op(Op::And(l, r), BOOLEAN);
    let or = make.op(Op::Or(l, r), BOOLEAN);
    let not = make.op(Op::Not(r), BOOLEAN);
    let null = make.constant(Value::null(&BOOLEAN));
    let with_null = make.op(Op::And(l, null), BOOLEAN);
    let is_null = make.op(Op::IsNull(r), BOOLEAN);
    for value in [and, or, not, with_null, is_null] {
        make.output(value);
    }
    let columns = make.run().unwrap().columns;
    let (t, f, n) = (Some(true), Some(false), None);
    same(&columns[0], &flags([t, f, n, f, f, f, n, f, n]));
    same(&columns[1], &flags([t, t, t, t, f, n, t, n, n]));
    same(&columns[2], &flags([f, t, n, f, t, n, f, t, n]));
    same(&columns[3], &flags([n, n, n, f, f, f, n, n, n]));
    same(&columns[4], &flags([f, f, t, f, f, t, f, f, t]));
}

#[test]
fn distinctness_is_never_null() {
    let mut make = Make::new();
    let left = make.input(numbers([Some(1), None, None]));
    let right = make.input(numbers([Some(1), None, Some(2)]));
    let distinct = make.compare(CompareOp::Distinct, left, right);
    let equal = make.compare(CompareOp::Equal, left, right);
    make.output(distinct);
    make.output(equal);
    let columns = make.run().unwrap().columns;
    same(&columns[0], &flags([false, false, true]));
    same(&columns[1], &flags([Some(true), None, None]));
}

#[test]
fn decimals_of_different_width_compare_by_value() {
    let mut make = Make::new();
    let left = make.input(small([Some(150), Some(151)], 10, 2));
    let right = make.constant(Value::new(large([150], 20, 2)));
    let equal = make.compare(CompareOp::Equal, left, right);
    make.output(equal);
    same(&make.result().unwrap(), &flags([true, false]));
}

#[test]
fn casts_round_decimals_half_away_from_zero() {
    let mut make = Make::new();
    let value = make.input(small([Some(1250), Some(-1250), Some(1249), None], 10, 3));
    let narrow = make.cast(value, false, DataType::Decimal64(9, 2));
    let wide = make.cast(value, false, DataType::Decimal128(30, 5));
    let back = make.cast(wide, false, DataType::Decimal64(12, 1));
    for value in [narrow, wide, back] {
        make.output(value);
    }
    let columns = make.run().unwrap().columns;
    same(&columns[0], &small([Some(125), Some(-125), Some(125), None], 9, 2));
    same(&columns[1], &large([Some(125_000), Some(-125_000), Some(124_900), None], 30, 5));
    same(&columns[2], &small([Some(13), Some(-13), Some(12), None], 12, 1));
}

#[test]
fn casts_fail_by_kind_or_give_null() {
    let code = |column: ArrayRef, ty: DataType| {
        let mut make = Make::new();
        let value = make.input(column);
        let cast = make.cast(value, false, ty);
        make.output(cast);
        make.run().map(|_| ()).unwrap_err().code()
    };
    assert_eq!(code(texts(["12", "1x"]), BIGINT), ErrorCode::InvalidText);
    assert_eq!(code(texts(["1995-13-01"]), DataType::Date32), ErrorCode::InvalidDatetime);
    assert_eq!(code(numbers([3_000_000_000]), DataType::Int32), ErrorCode::NumericOverflow);
    assert_eq!(code(numbers([1000]), DataType::Decimal64(4, 2)), ErrorCode::NumericOverflow);
    let mut make = Make::new();
    let value = make.input(texts(["12", "1x"]));
    let cast = make.cast(value, true, BIGINT);
    make.output(cast);
    same(&make.result().unwrap(), &numbers([Some(12), None]));
}

#[test]
fn filters_narrow_and_compose_with_the_selection() {
    let mut make = Make::new();
    let a = make.input(numbers([Some(1), Some(2), None, Some(4), Some(5), Some(6)]));
    let b = make.input(texts(["a", "b", "c", "d", "e", "f"]));
    let two = make.number(2);
    let six = make.number(6);
    let above = make.compare(CompareOp::Greater, a, two);
    make.filter(above);
    let below = make.compare(CompareOp::Less, a, six);
    make.filter(below);
    make.output(b);
    make.output(a);
    let outcome = make.run_with(Some(&[0, 2, 4, 5]), None).unwrap();
    assert_eq!(outcome.selection, Some(vec![4]));
    same(&outcome.columns[0], &texts(["e"]));
    let outcome = make.run().unwrap();
    assert_eq!(outcome.selection, Some(vec![3, 4]));
    same(&outcome.columns[0], &texts(["d", "e"]));
    same(&outcome.columns[1], &numbers([4, 5]));
}

#[test]
fn nothing_left_and_nothing_there() {
    let mut make = Make::new();
    let a = make.input(numbers([1, 2]));
    let zero = make.number(0);
    let none = make.compare(CompareOp::Less, a, zero);
    make.filter(none);
    // Would fail for any row.
    let quotient = make.arithmetic(ArithmeticOp::Divide, a, zero, BIGINT);
    make.output(quotient);
    make.output(zero);
    let outcome = make.run().unwrap();
    assert_eq!(outcome.selection, Some(vec![]));
    assert!(outcome.columns.iter().all(|column| column.is_empty()));
    assert_eq!(make.run_with(Some(&[]), None).unwrap().columns[0].len(), 0);
}

#[test]
fn a_program_without_filter_has_no_selection() {
    let mut make = Make::new();
    let a = make.input(numbers([1, 2, 3]));
    make.output(a);
    let outcome = make.run_with(Some(&[1, 2]), None).unwrap();
    assert_eq!(outcome.selection, None);
    same(&outcome.columns[0], &numbers([2, 3]));
}

/// `CASE WHEN b <> 0 THEN a / b ELSE -1 END`
fn guarded_division(a: ArrayRef, b: ArrayRef) -> ArrayRef {
    let mut make = Make::new();
    let (a, b) = (make.input(a), make.input(b));
    let zero = make.number(0);
    let safe = make.compare(CompareOp::NotEqual, b, zero);
    let value = make.choose(
        safe,
        |make| make.arithmetic(ArithmeticOp::Divide, a, b, BIGINT),
        |make| make.number(-1),
        BIGINT,
    );
    make.output(value);
    make.result().unwrap()
}

#[test]
fn branches_see_only_their_rows() {
    let mixed = guarded_division(numbers([6, 7, 8, 9]), numbers([Some(2), Some(0), None, Some(3)]));
    same(&mixed, &numbers([3, -1, -1, 3]));
    same(&guarded_division(numbers([6, 7]), numbers([0, 0])), &numbers([-1, -1]));
    same(&guarded_division(numbers([6, 8]), numbers([1, 2])), &numbers([6, 4]));
    same(&guarded_division(numbers([0i64; 0]), numbers([0i64; 0])), &numbers([0i64; 0]));
}

#[test]
fn nested_branches_read_inputs_of_their_rows() {
    let mut make = Make::new();
    let a = make.input(numbers([1, 2, 3, 4]));
    let two = make.number(2);
    let small = make.compare(CompareOp::LessOrEqual, a, two);
    let value = make.choose(
        small,
        |make| {
            let one = make.number(1);
            let first = make.compare(CompareOp::Equal, a, one);
            make.choose(first, |make| make.cast(a, false, TEXT), |make| make.text("two"), TEXT)
        },
        |make| {
            let again = make.op(Op::Input(0), BIGINT);
            make.cast(again, false, TEXT)
        },
        TEXT,
    );
    make.output(value);
    same(&make.result().unwrap(), &texts(["1", "two", "3", "4"]));
}

#[test]
fn sets_hold_numbers_texts_and_floats() {
    let found = |column: ArrayRef, values: ArrayRef, negated| {
        let mut make = Make::new();
        let input = make.input(column);
        let set = make.set(values);
        let value = make.op(Op::InSet { input, set, negated }, BOOLEAN);
        make.output(value);
        make.result().unwrap()
    };
    same(
        &found(numbers([Some(3), Some(4), None]), numbers([3, 9]), false),
        &flags([Some(true), Some(false), None]),
    );
    same(&found(numbers([i64::MIN, 5]), numbers([i64::MIN, i64::MAX]), true), &flags([false, true]));
    same(&found(texts(["a", "bb", "c"]), texts(["bb", "c"]), false), &flags([false, true, true]));
    same(
        &found(doubles([-0.0, f64::NAN, 1.0]), doubles([0.0, f64::NAN]), false),
        &flags([true, true, false]),
    );
    same(&found(small([100, 250], 9, 2), small([250], 9, 2), false), &flags([false, true]));
}

#[test]
fn patterns_constant_and_not() {
    let mut make = Make::new();
    let text = make.input(texts([Some("forest green"), Some("Green"), None]));
    let pattern = make.text("%green%");
    let patterns = make.input(texts([Some("forest%"), Some("_____"), Some("%")]));
    let constant = make.like(text, pattern, false);
    let negated = make.like(text, pattern, true);
    let each = make.like(text, patterns, false);
    let folded = make
        .op(Op::Like { input: text, pattern, escape: None, negated: false, case_insensitive: true }, BOOLEAN);
    for value in [constant, negated, each, folded] {
        make.output(value);
    }
    let columns = make.run().unwrap().columns;
    same(&columns[0], &flags([Some(true), Some(false), None]));
    same(&columns[1], &flags([Some(false), Some(true), None]));
    same(&columns[2], &flags([Some(true), Some(true), None]));
    same(&columns[3], &flags([Some(true), Some(true), None]));
}

#[test]
fn functions_of_the_library() {
    let mut make = Make::new();
    let text = make.input(texts([Some("Hello"), None]));
    let price = make.input(small([Some(-150), Some(249)], 10, 2));
    let day = make.input(Arc::new(Date32Array::from(vec![9204, 11_016])));
    let upper = make.call("upper", vec![text], TEXT);
    let absolute = make.call("abs", vec![price], DataType::Decimal64(10, 2));
    let year = make.text("year");
    let year = make.call("date_part", vec![year, day], DataType::Int32);
    let suffix = make.text("!");
    let joined = make.call("string_concat", vec![text, suffix], TEXT);
    let (one, two) = (make.number(1), make.number(2));
    let start = make.call("substr", vec![text, one, two], TEXT);
    let length = make.call("character_length", vec![text], DataType::Int32);
    let none = make.text("none");
    let filled = make.call("coalesce", vec![text, none], TEXT);
    let six = make.number(6);
    let bits = make.call("bit_and", vec![six, two], BIGINT);
    for value in [upper, absolute, year, joined, start, length, filled, bits] {
        make.output(value);
    }
    let columns = make.run().unwrap().columns;
    same(&columns[0], &texts([Some("HELLO"), None]));
    same(&columns[1], &small([150, 249], 10, 2));
    assert_eq!(columns[2].as_primitive::<arrow::datatypes::Int32Type>().values(), &[1995, 2000]);
    same(&columns[3], &texts([Some("Hello!"), None]));
    same(&columns[4], &texts([Some("He"), None]));
    assert_eq!(columns[5].as_primitive::<arrow::datatypes::Int32Type>().value(0), 5);
    same(&columns[6], &texts(["Hello", "none"]));
    same(&columns[7], &numbers([2, 2]));
}

#[test]
fn volatile_functions_run_for_every_row() {
    let mut make = Make::new();
    let a = make.input(numbers(0..64));
    let random = make.volatile("random", DOUBLE);
    make.output(a);
    make.output(random);
    let columns = make.run().unwrap().columns;
    let values = columns[1].as_primitive::<Float64Type>();
    assert_eq!(values.len(), 64);
    assert!(values.values().iter().any(|value| *value != values.value(0)));
    assert_eq!(columns[0].as_primitive::<Int64Type>().len(), 64);
}

#[test]
fn an_unknown_function_is_named() {
    let mut make = Make::new();
    let a = make.input(numbers([1]));
    let value = make.call("frobnicate", vec![a], BIGINT);
    make.output(value);
    let error = make.run().map(|_| ()).unwrap_err();
    assert_eq!(error.code(), ErrorCode::UndefinedFunction);
    assert!(error.message().contains("frobnicate"));
}
