//! Dictionary-encoded text gives what plain text gives.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, DictionaryArray, PrimitiveArray};
use arrow::compute::cast;
use arrow::datatypes::{ArrowDictionaryKeyType, DataType, UInt8Type, UInt16Type, UInt32Type};
use nyala_pipeline::program::{Op, ValueId};
use nyala_schema::expr::CompareOp;

use crate::build::*;

fn encoded<K: ArrowDictionaryKeyType>(codes: PrimitiveArray<K>, entries: &[&str]) -> ArrayRef {
    Arc::new(DictionaryArray::<K>::try_new(codes, texts(entries.iter().copied())).unwrap())
}

fn columns() -> Vec<ArrayRef> {
    let entries = ["apple", "banana", "7"];
    let codes = [Some(0u8), Some(1), None, Some(1), Some(0), Some(1)];
    vec![
        encoded::<UInt8Type>(codes.into_iter().collect(), &entries),
        encoded::<UInt16Type>(codes.map(|code| code.map(u16::from)).into_iter().collect(), &entries),
        encoded::<UInt32Type>([0u32, 1, 1, 1, 0, 1].map(Some).into_iter().collect(), &entries),
    ]
}

/// Runs the operation on the column as it is and unpacked.
fn check(operation: impl Fn(&mut Make, ValueId) -> ValueId) {
    for column in columns() {
        let run = |column: ArrayRef| {
            let mut make = Make::new();
            let text = make.input(column);
            let value = operation(&mut make, text);
            make.output(value);
            make.result().unwrap()
        };
        let plain = run(cast(&column, &TEXT).unwrap());
        let result = run(column);
        same(&cast(&result, plain.data_type()).unwrap(), &plain);
    }
}

#[test]
fn every_operation_agrees_with_plain_text() {
    check(|make, text| {
        let value = make.text("banana");
        make.compare(CompareOp::Equal, text, value)
    });
    check(|make, text| {
        let value = make.text("banana");
        make.compare(CompareOp::Distinct, value, text)
    });
    check(|make, text| {
        let pattern = make.text("%an%");
        make.like(text, pattern, true)
    });
    check(|make, text| {
        let set = make.set(texts(["apple", "7"]));
        make.op(Op::InSet { input: text, set, negated: false }, BOOLEAN)
    });
    check(|make, text| make.op(Op::IsNull(text), BOOLEAN));
    check(|make, text| {
        let (one, three) = (make.number(1), make.number(3));
        make.call("substr", vec![text, one, three], TEXT)
    });
    check(|make, text| make.call("upper", vec![text], TEXT));
    check(|make, text| {
        let other = make.text("none");
        make.call("coalesce", vec![text, other], TEXT)
    });
    check(|make, text| make.compare(CompareOp::Equal, text, text));
}

#[test]
fn an_entry_that_no_row_has_cannot_fail() {
    let entries = ["1", "2", "x"];
    let column = encoded::<UInt8Type>([0u8, 1, 1, 0].map(Some).into_iter().collect(), &entries);
    let mut make = Make::new();
    let text = make.input(column);
    let number = make.cast(text, false, BIGINT);
    make.output(number);
    same(&make.result().unwrap(), &numbers([1, 2, 2, 1]));
}

#[test]
fn text_results_stay_encoded_and_filters_keep_them() {
    let column = encoded::<UInt8Type>([0u8, 1, 1, 0].map(Some).into_iter().collect(), &["a", "b"]);
    let mut make = Make::new();
    let text = make.input(column);
    let b = make.text("b");
    let wanted = make.compare(CompareOp::Equal, text, b);
    make.filter(wanted);
    let upper = make.call("upper", vec![text], TEXT);
    make.output(upper);
    make.output(text);
    let outcome = make.run().unwrap();
    assert_eq!(outcome.selection, Some(vec![1, 2]));
    assert!(matches!(outcome.columns[1].data_type(), DataType::Dictionary(..)));
    same(&cast(&outcome.columns[0], &TEXT).unwrap(), &texts(["B", "B"]));
    assert_eq!(outcome.columns[1].len(), 2);
}

#[test]
fn branches_may_mix_encoded_and_plain() {
    let column = encoded::<UInt8Type>([0u8, 1, 1].map(Some).into_iter().collect(), &["a", "b"]);
    let mut make = Make::new();
    let text = make.input(column);
    let b = make.text("b");
    let is_b = make.compare(CompareOp::Equal, text, b);
    let value = make.choose(is_b, |make| make.text("other"), |_| text, TEXT);
    make.output(value);
    same(&make.result().unwrap(), &texts(["a", "other", "other"]));
}
