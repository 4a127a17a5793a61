//! Filters, constants, series, lists, scalar subqueries.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, Int64Array, ListArray, RecordBatch};
use arrow::datatypes::{DataType, Field, Int64Type, Schema};
use nyala_schema::expr::{ArithmeticOp, CompareOp};
use nyala_schema::operator::UnnestColumn;
use nyala_schema::{ErrorCode, OperatorKind, Value};

use crate::harness::{Harness, arithmetic, column, compare, filter, int, operator, project};
use crate::table::{Kind, Row, Table};

#[test]
fn filters_and_projections() {
    let harness = Harness::new();
    let rows: Vec<Row> = (0..1000).map(|n| vec![Some(n), (n % 3 > 0).then_some(n * 2)]).collect();
    let table = Table::new("table", &[Kind::Int, Kind::Int], rows);
    let scan = harness.scan(&table);
    let large = compare(CompareOp::Greater, column(&scan, 1), int(1900));
    let even = arithmetic(ArithmeticOp::Remainder, column(&scan, 0), int(2));
    let root = filter(large, scan);
    let root = filter(compare(CompareOp::Equal, even, int(0)), root);
    let sum = arithmetic(ArithmeticOp::Add, column(&root, 0), column(&root, 1));
    let root = project(vec![sum, column(&root, 0)], root);
    let mut expected: Vec<Vec<String>> = (0..1000)
        .filter(|n| n % 3 > 0 && n * 2 > 1900 && n % 2 == 0)
        .map(|n: i64| vec![(n * 3).to_string(), n.to_string()])
        .collect();
    expected.sort();
    assert_eq!(harness.sorted(&root).unwrap(), expected);
}

/// Where a scan's filter leaves no row of a batch, the other columns are not read.
#[test]
fn columns_are_read_only_where_rows_pass() {
    let harness = Harness::new();
    let rows: Vec<Row> = (0..6400).map(|n| vec![Some(n), Some(n), Some(n)]).collect();
    let table = Table::new("table", &[Kind::Int, Kind::Int, Kind::Text], rows);
    let mut scan = harness.scan(&table);
    let predicate = compare(CompareOp::Less, column(&scan, 0), int(10));
    if let OperatorKind::Scan(scan) = &mut scan.kind {
        scan.filters = vec![predicate];
    }
    assert_eq!(harness.rows(&scan).unwrap().len(), 10);
    // 64 parts of 100 rows, read in two batches each; two more columns of the one batch with rows.
    assert_eq!(harness.columns_read.load(std::sync::atomic::Ordering::Relaxed), 2 * 64 + 2);
}

#[test]
fn constants_and_unions() {
    let harness = Harness::new();
    let schema = Arc::new(Schema::new(vec![Field::new("n", DataType::Int64, true)]));
    let values = |numbers: Vec<i64>| {
        let array: ArrayRef = Arc::new(Int64Array::from(numbers));
        let batch = RecordBatch::try_new(schema.clone(), vec![array]).unwrap();
        operator(OperatorKind::Values(batch), vec![], schema.clone())
    };
    let inputs = vec![values(vec![1, 2, 3]), values(vec![]), values(vec![7, 8])];
    let root = operator(OperatorKind::Union, inputs, schema.clone());
    assert_eq!(harness.sorted(&root).unwrap(), [["1"], ["2"], ["3"], ["7"], ["8"]]);
}

#[test]
fn series() {
    let harness = Harness::new();
    let run = |start: i64, stop: i64, step: i64, inclusive: bool| {
        let schema = Arc::new(Schema::new(vec![Field::new("n", DataType::Int64, false)]));
        let [start, stop, step] = [start, stop, step].map(Value::int64);
        let root = operator(OperatorKind::Series { start, stop, step, inclusive }, vec![], schema);
        harness.rows(&root).map(|rows| {
            let mut numbers: Vec<i64> = rows.iter().map(|row| row[0].parse().unwrap()).collect();
            numbers.sort_unstable();
            numbers
        })
    };
    assert_eq!(run(1, 10, 3, true).unwrap(), [1, 4, 7, 10]);
    assert_eq!(run(1, 10, 3, false).unwrap(), [1, 4, 7]);
    assert_eq!(run(5, 1, -2, true).unwrap(), [1, 3, 5]);
    assert_eq!(run(1, 0, 1, true).unwrap(), Vec::<i64>::new());
    assert_eq!(run(0, 999, 1, true).unwrap(), (0..1000).collect::<Vec<_>>());
    assert_eq!(run(0, 1, 0, true).unwrap_err().code(), ErrorCode::InvalidParameter);
}

#[test]
fn lists_become_rows() {
    let harness = Harness::new();
    let lists: ListArray = ListArray::from_iter_primitive::<Int64Type, _, _>(vec![
        Some(vec![Some(1), None]),
        None,
        Some(vec![]),
        Some(vec![Some(5)]),
    ]);
    let numbers: ArrayRef = Arc::new(Int64Array::from(vec![10, 20, 30, 40]));
    let schema = Arc::new(Schema::new(vec![
        Field::new("n", DataType::Int64, true),
        Field::new("list", lists.data_type().clone(), true),
    ]));
    let output = Arc::new(Schema::new(vec![
        Field::new("n", DataType::Int64, true),
        Field::new("element", DataType::Int64, true),
    ]));
    let run = |preserve_nulls: bool| {
        let scan = harness.scan_batches(
            "lists",
            schema.clone(),
            vec![vec![numbers.clone(), Arc::new(lists.clone())]],
        );
        let columns = vec![UnnestColumn { index: 1, depth: 1 }];
        let root = operator(OperatorKind::Unnest { columns, preserve_nulls }, vec![scan], output.clone());
        harness.sorted(&root).unwrap()
    };
    assert_eq!(run(false), [["10", "1"], ["10", "NULL"], ["40", "5"]]);
    assert_eq!(run(true), [["10", "1"], ["10", "NULL"], ["20", "NULL"], ["40", "5"]]);
}

#[test]
fn a_second_row_of_a_scalar_subquery_is_an_error() {
    let harness = Harness::new();
    let table = |count: i64| Table::new("table", &[Kind::Int], (0..count).map(|n| vec![Some(n)]).collect());
    let run = |count: i64| {
        let scan = harness.scan(&table(count));
        let schema = scan.schema.clone();
        harness.rows(&operator(OperatorKind::AtMostOneRow, vec![scan], schema))
    };
    assert_eq!(run(1).unwrap(), [["0"]]);
    assert!(run(0).unwrap().is_empty());
    let error = run(2).unwrap_err();
    assert_eq!(error.code(), ErrorCode::Cardinality);
    assert_eq!(error.message(), "a scalar subquery gave more than one row");
}
