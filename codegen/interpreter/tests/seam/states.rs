//! Updates of state records.

use arrow::array::ArrayRef;
use arrow::datatypes::DataType;
use nyala_pipeline::backend::States;
use nyala_pipeline::program::{StateOp, StateUpdate};
use nyala_schema::ErrorCode;

use crate::build::*;

const STRIDE: usize = 64;

struct Record {
    count: i64,
    sum: i128,
    float: f64,
    least: i64,
    most: i64,
}

fn initial(groups: usize) -> Vec<u8> {
    let mut record = [0; STRIDE];
    record[40..48].copy_from_slice(&i64::MAX.to_ne_bytes());
    record[48..56].copy_from_slice(&i64::MIN.to_ne_bytes());
    record.repeat(groups)
}

fn read(records: &[u8], group: usize) -> Record {
    let field = |at: usize| -> [u8; 8] { records[group * STRIDE + at..][..8].try_into().unwrap() };
    let sum: [u8; 16] = records[group * STRIDE + 16..][..16].try_into().unwrap();
    Record {
        count: i64::from_ne_bytes(field(0)),
        sum: i128::from_ne_bytes(sum),
        float: f64::from_ne_bytes(field(32)),
        least: i64::from_ne_bytes(field(40)),
        most: i64::from_ne_bytes(field(48)),
    }
}

/// Count, sum, least and greatest of the first column, float sum of the second, all under a mask where there is one.
fn program(values: ArrayRef, floats: ArrayRef, mask: Option<ArrayRef>) -> Make {
    let mut make = Make::new();
    let (value, float) = (make.input(values), make.input(floats));
    let mask = mask.map(|mask| make.input(mask));
    for (op, value, offset) in [
        (StateOp::Count, Some(value), 0),
        (StateOp::SumInteger, Some(value), 16),
        (StateOp::SumFloat, Some(float), 32),
        (StateOp::Min(DataType::Int64), Some(value), 40),
        (StateOp::Max(DataType::Int64), Some(value), 48),
    ] {
        make.update(StateUpdate { op, value, mask, offset });
    }
    make
}

#[test]
fn groups_take_their_rows_and_nulls_are_skipped() {
    let make = program(
        numbers([Some(5), None, Some(-3), Some(i64::MAX), Some(1)]),
        doubles([Some(0.5), Some(1.0), None, Some(2.0), Some(0.25)]),
        Some(flags([Some(true), Some(true), Some(true), Some(true), None])),
    );
    let mut records = initial(2);
    let states = States { groups: Some(&[0, 0, 1, 0, 1]), records: &mut records, stride: STRIDE };
    make.run_with(None, Some(states)).unwrap();
    let (first, second) = (read(&records, 0), read(&records, 1));
    assert_eq!((first.count, first.sum, first.float), (2, i128::from(i64::MAX) + 5, 3.5));
    assert_eq!((first.least, first.most), (5, i64::MAX));
    assert_eq!((second.count, second.sum, second.float), (1, -3, 0.0));
    assert_eq!((second.least, second.most), (-3, -3));
}

#[test]
fn one_group_for_all_rows_in_every_shape() {
    for mask in [None, Some(flags([true; 4]))] {
        let make = program(numbers([i64::MIN, -1, i64::MIN, 7]), doubles([1.0, 2.0, 3.0, 4.0]), mask);
        let mut records = initial(1);
        let states = States { groups: None, records: &mut records, stride: STRIDE };
        make.run_with(None, Some(states)).unwrap();
        let record = read(&records, 0);
        assert_eq!(record.sum, 2 * i128::from(i64::MIN) + 6);
        assert_eq!((record.count, record.float, record.least, record.most), (4, 10.0, i64::MIN, 7));
    }
}

#[test]
fn groups_are_those_of_selected_rows() {
    let make = program(numbers([1, 2, 4, 8]), doubles([1.0, 2.0, 4.0, 8.0]), None);
    let mut records = initial(2);
    let states = States { groups: Some(&[1, 0]), records: &mut records, stride: STRIDE };
    make.run_with(Some(&[1, 3]), Some(states)).unwrap();
    assert_eq!((read(&records, 0).sum, read(&records, 1).sum), (8, 2));
}

#[test]
fn updates_follow_filters() {
    let mut make = Make::new();
    let value = make.input(numbers([1, 2, 3]));
    let keep = make.input(flags([Some(true), None, Some(true)]));
    make.filter(keep);
    make.update(StateUpdate { op: StateOp::Count, value: None, mask: None, offset: 0 });
    make.update(StateUpdate { op: StateOp::SumInteger, value: Some(value), mask: None, offset: 16 });
    let mut records = initial(1);
    let states = States { groups: None, records: &mut records, stride: STRIDE };
    make.run_with(None, Some(states)).unwrap();
    let record = read(&records, 0);
    assert_eq!((record.count, record.sum), (2, 4));
}

#[test]
fn a_sum_beyond_128_bits_is_an_overflow() {
    let mut make = Make::new();
    let value = make.input(large([i128::MAX, 1], 38, 0));
    make.update(StateUpdate { op: StateOp::SumInteger, value: Some(value), mask: None, offset: 16 });
    let mut records = initial(1);
    let states = States { groups: None, records: &mut records, stride: STRIDE };
    let error = make.run_with(None, Some(states)).map(|_| ()).unwrap_err();
    assert_eq!(error.code(), ErrorCode::NumericOverflow);
}

#[test]
fn nan_is_the_greatest_float() {
    let mut make = Make::new();
    let value = make.input(doubles([1.0, f64::NAN, -2.0]));
    make.update(StateUpdate { op: StateOp::Max(DOUBLE), value: Some(value), mask: None, offset: 0 });
    make.update(StateUpdate { op: StateOp::Min(DOUBLE), value: Some(value), mask: None, offset: 8 });
    let mut records = vec![0; 16];
    records[..8].copy_from_slice(&f64::NEG_INFINITY.to_ne_bytes());
    records[8..].copy_from_slice(&f64::NAN.to_ne_bytes());
    let states = States { groups: None, records: &mut records, stride: 16 };
    make.run_with(None, Some(states)).unwrap();
    assert!(f64::from_ne_bytes(records[..8].try_into().unwrap()).is_nan());
    assert_eq!(f64::from_ne_bytes(records[8..].try_into().unwrap()), -2.0);
}
