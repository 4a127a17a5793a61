//! Aggregates, table functions and operators.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, BooleanArray, Int64Array};
use arrow::datatypes::{DataType, Field, Int64Type, Schema, SchemaRef};
use nyala_pipeline::Guests;
use nyala_schema::ErrorCode;
use nyala_schema::expr::Expr;
use nyala_schema::guest::{GuestOperator, OperatorInput, OperatorOutput, OperatorParameter};
use nyala_schema::operator::{GuestCall, GuestInput, SortKey};
use nyala_schema::value::Value;

use crate::fixture::{Fixture, Query, module};

/// `sum(BIGINT)` for at most 300 groups, whose states are at 1024.
fn sum() -> String {
    module(
        r#"(func $column (param $count i32) (result i32)
          (local $values i32)
          (local.set $values (call $alloc (i32.mul (local.get $count) (i32.const 8)) (i32.const 8)))
          (memory.copy (local.get $values) (i32.const 1024) (i32.mul (local.get $count) (i32.const 8)))
          (memory.fill (i32.const 1024) (i32.const 0) (i32.const 2400))
          (i32.store (i32.const 64) (i32.const 5))
          (i32.store offset=4 (i32.const 64) (local.get $count))
          (i32.store offset=12 (i32.const 64) (local.get $values))
          (i32.const 64))
        (func $add (export "nyala_aggregate_f_update") (export "nyala_aggregate_f_merge")
          (param $batch i32) (param $groups i32) (param $count i32) (result i32)
          (local $values i32) (local $rows i32) (local $state i32)
          (local.set $values (i32.load offset=12 (i32.load (local.get $batch))))
          (local.set $rows (i32.load offset=8 (local.get $batch)))
          (loop $next
            (local.set $state (i32.add (i32.const 1024) (i32.mul (i32.const 8) (i32.load (local.get $groups)))))
            (i64.store (local.get $state) (i64.add (i64.load (local.get $state)) (i64.load (local.get $values))))
            (local.set $groups (i32.add (local.get $groups) (i32.const 4)))
            (local.set $values (i32.add (local.get $values) (i32.const 8)))
            (br_if $next (local.tee $rows (i32.sub (local.get $rows) (i32.const 1)))))
          (i32.const 0))
        (func (export "nyala_aggregate_f_finish") (param $count i32) (result i32) (call $column (local.get $count)))
        (func (export "nyala_aggregate_f_states") (param $count i32) (result i32)
          (i32.store (i32.const 112) (call $column (local.get $count)))
          (i32.store (i32.const 116) (i32.const 1))
          (i32.store (i32.const 120) (local.get $count))
          (i32.const 112))"#,
    )
}

fn numbers(values: impl IntoIterator<Item = impl Into<Option<i64>>>) -> ArrayRef {
    Arc::new(values.into_iter().map(Into::into).collect::<Int64Array>())
}

#[test]
fn an_aggregate_adds_up_merges_and_begins_anew() {
    let fixture = Fixture::new();
    let function = Arc::new(fixture.function(&sum(), &[DataType::Int64], DataType::Int64));
    fixture.sandbox.check(&function).unwrap();
    let query = Arc::new(Query::default());
    let _running = query.enter();
    let mut first = fixture.sandbox.aggregate(&function).unwrap();
    let values = numbers([Some(1), Some(2), None, Some(4), Some(8)]);
    first.update(&[values], &[], &[0, 1, 1, 2, 0], 3, None).unwrap();
    let kept = BooleanArray::from(vec![Some(true), Some(false), None]);
    first.update(&[numbers([16, 32, 64])], &[], &[3, 3, 3], 5, Some(&kept)).unwrap();
    first.update(&[numbers([0_i64; 0])], &[], &[], 6, None).unwrap();
    let states = first.take_states().unwrap();
    assert_eq!(states, [numbers([9, 2, 4, 16, 0, 0])]);

    let mut second = fixture.sandbox.aggregate(&function).unwrap();
    second.merge(&states, &[1, 1, 1, 0, 0, 0], 2).unwrap();
    second.merge(&states, &[0, 0, 0, 0, 0, 0], 2).unwrap();
    assert_eq!(&second.finish().unwrap(), &numbers([47, 15]));
    second.update(&[numbers([5])], &[], &[0], 1, None).unwrap();
    assert_eq!(&second.finish().unwrap(), &numbers([5]));
    assert_eq!(first.finish().unwrap().len(), 0);

    // Group 0 out of 0 is our own mistake, not one that the guest should see.
    assert_eq!(first.update(&[numbers([5])], &[], &[0], 0, None).unwrap_err().code(), ErrorCode::Internal);
    drop((first, second));
    assert_eq!(query.held(), 0);
}

#[test]
fn an_aggregate_that_failed_gives_nothing_more() {
    let fixture = Fixture::new();
    let broken = sum().replace("(i32.store offset=4 (i32.const 64)", "(i32.store offset=8 (i32.const 64)");
    let function = Arc::new(fixture.function(&broken, &[DataType::Int64], DataType::Int64));
    let mut guest = fixture.sandbox.aggregate(&function).unwrap();
    guest.update(&[numbers([5])], &[], &[0], 1, None).unwrap();
    assert_eq!(guest.finish().unwrap_err().code(), ErrorCode::GuestFailed);
    assert_eq!(guest.finish().unwrap_err().code(), ErrorCode::Internal);
    let mut next = fixture.sandbox.aggregate(&function).unwrap();
    next.update(&[numbers([5])], &[], &[0], 1, None).unwrap();
}

/// For each `n`: rows 1 to `n`.
fn up_to() -> String {
    module(
        r#"(global $pending (mut i32) (i32.const 0))
        (func (export "nyala_table_f_push") (param $batch i32) (result i32) (global.set $pending (local.get $batch)) (i32.const 0))
        (func (export "nyala_table_f_pull") (result i32)
          (local $values i32) (local $rows i32) (local $row i32) (local $number i64) (local $made i32) (local $sources i32) (local $out i32)
          (if (i32.eqz (global.get $pending)) (then (return (i32.const 0))))
          (local.set $values (i32.load offset=12 (i32.load (global.get $pending))))
          (local.set $rows (i32.load offset=8 (global.get $pending)))
          (global.set $pending (i32.const 0))
          (local.set $sources (call $alloc (i32.const 4000) (i32.const 16)))
          (local.set $out (call $alloc (i32.const 8000) (i32.const 16)))
          (loop $next
            (local.set $number (i64.const 0))
            (block $done (loop $more
              (br_if $done (i64.ge_s (local.get $number) (i64.load (i32.add (local.get $values) (i32.mul (local.get $row) (i32.const 8))))))
              (local.set $number (i64.add (local.get $number) (i64.const 1)))
              (i32.store (i32.add (local.get $sources) (i32.mul (local.get $made) (i32.const 4))) (local.get $row))
              (i64.store (i32.add (local.get $out) (i32.mul (local.get $made) (i32.const 8))) (local.get $number))
              (local.set $made (i32.add (local.get $made) (i32.const 1)))
              (br $more)))
            (br_if $next (i32.lt_u (local.tee $row (i32.add (local.get $row) (i32.const 1))) (local.get $rows))))
          (i32.store (i32.const 160) (i32.const 6))
          (i32.store (i32.const 164) (local.get $made))
          (i32.store (i32.const 172) (local.get $sources))
          (i32.store (i32.const 192) (i32.const 5))
          (i32.store (i32.const 196) (local.get $made))
          (i32.store (i32.const 204) (local.get $out))
          (i32.store (i32.const 112) (i32.const 160))
          (i32.store (i32.const 116) (i32.const 2))
          (i32.store (i32.const 120) (local.get $made))
          (i32.const 112))"#,
    )
}

#[test]
fn a_table_function_gives_rows_with_their_sources() {
    let fixture = Fixture::new();
    let columns = vec![Field::new("number", DataType::Int64, true)];
    let function = Arc::new(fixture.function(&up_to(), &[DataType::Int64], DataType::Struct(columns.into())));
    fixture.sandbox.check(&function).unwrap();
    let mut guest = fixture.sandbox.table(&function).unwrap();
    for _ in 0..2 {
        guest.push(&[numbers([Some(2), None, Some(0), Some(3)])], 4).unwrap();
        let rows = guest.pull().unwrap().unwrap();
        assert_eq!(rows.sources.unwrap(), [0, 0, 3, 3, 3]);
        assert_eq!((rows.rows, rows.columns), (5, vec![numbers([1, 2, 1, 2, 3])]));
        assert!(guest.pull().unwrap().is_none());
    }
    let lying = up_to().replace(
        "(i32.store (i32.const 160) (i32.const 6))",
        "(i32.store (local.get $sources) (i32.const 9)) (i32.store (i32.const 160) (i32.const 6))",
    );
    let columns = vec![Field::new("number", DataType::Int64, true)];
    let function = Arc::new(fixture.function(&lying, &[DataType::Int64], DataType::Struct(columns.into())));
    let mut guest = fixture.sandbox.table(&function).unwrap();
    guest.push(&[numbers([2])], 1).unwrap();
    let error = guest.pull().unwrap_err();
    assert!(error.message().contains("row number 9"), "{error:?}");
}

/// Extends its input by the running sum of the order key, begun with the parameter.
fn running_sum() -> String {
    module(
        r#"(global $start (mut i64) (i64.const 0)) (global $sum (mut i64) (i64.const 0))
        (global $row (mut i32) (i32.const 0)) (global $pending (mut i32) (i32.const 0))
        (data (i32.const 1024) "one order key")
        (func (export "nyala_operator_f_open") (param $parameters i32) (param $inputs i32) (param $count i32) (result i32)
          (if (i32.ne (i32.load (local.get $inputs)) (i32.const 1))
            (then (call $fail (i32.const 1024) (i32.const 13) (i32.const -1)) (return (i32.const 1))))
          ;; One partition key, two columns, kinds i64 i64 i64 text, the key is column 0.
          (if (i32.ne (i32.load offset=4 (local.get $inputs)) (i32.const 1)) (then unreachable))
          (if (i32.ne (i32.load offset=8 (local.get $inputs)) (i32.const 2)) (then unreachable))
          (if (i32.ne (i32.load offset=12 (i32.load offset=12 (local.get $inputs))) (i32.const 10)) (then unreachable))
          (if (i32.load offset=16 (local.get $inputs)) (then unreachable))
          (global.set $start (i64.load (i32.load offset=12 (i32.load (local.get $parameters)))))
          (global.set $sum (global.get $start))
          (i32.const 0))
        (func (export "nyala_operator_f_push") (param $input i32) (param $batch i32) (result i32)
          (global.set $pending (local.get $batch)) (i32.const 0))
        (func (export "nyala_operator_f_finish") (param i32) (result i32) (i32.const 0))
        (func (export "nyala_operator_f_reset") (result i32)
          (global.set $sum (global.get $start)) (global.set $row (i32.const 0)) (i32.const 0))
        (func (export "nyala_operator_f_pull") (result i32)
          (local $values i32) (local $rows i32) (local $at i32) (local $sources i32) (local $out i32)
          (if (i32.eqz (global.get $pending)) (then (return (i32.const 0))))
          (local.set $values (i32.load offset=12 (i32.load (global.get $pending))))
          (local.set $rows (i32.load offset=8 (global.get $pending)))
          (global.set $pending (i32.const 0))
          (local.set $sources (call $alloc (i32.const 4000) (i32.const 16)))
          (local.set $out (call $alloc (i32.const 8000) (i32.const 16)))
          (loop $next
            (global.set $sum (i64.add (global.get $sum) (i64.load (i32.add (local.get $values) (i32.mul (local.get $at) (i32.const 8))))))
            (i32.store (i32.add (local.get $sources) (i32.mul (local.get $at) (i32.const 4))) (global.get $row))
            (i64.store (i32.add (local.get $out) (i32.mul (local.get $at) (i32.const 8))) (global.get $sum))
            (global.set $row (i32.add (global.get $row) (i32.const 1)))
            (br_if $next (i32.lt_u (local.tee $at (i32.add (local.get $at) (i32.const 1))) (local.get $rows))))
          (i32.store (i32.const 160) (i32.const 6))
          (i32.store (i32.const 164) (local.get $rows))
          (i32.store (i32.const 172) (local.get $sources))
          (i32.store (i32.const 192) (i32.const 5))
          (i32.store (i32.const 196) (local.get $rows))
          (i32.store (i32.const 204) (local.get $out))
          (i32.store (i32.const 112) (i32.const 160))
          (i32.store (i32.const 116) (i32.const 2))
          (i32.store (i32.const 120) (local.get $rows))
          (i32.const 112))"#,
    )
}

fn column(index: usize, data_type: DataType) -> Expr {
    Expr::Column { index, data_type, nullable: true }
}

fn call(fixture: &Fixture, wat: &str) -> (GuestCall, SchemaRef) {
    let sum = Arc::new(Field::new("sum", DataType::Int64, true));
    let input =
        OperatorInput { name: "rows".to_owned(), needs_partition: true, needs_order: true, reads_all: true };
    let operator = GuestOperator {
        code: fixture.code(wat),
        inputs: vec![input],
        parameters: vec![OperatorParameter {
            name: "start".to_owned(),
            data_type: DataType::Int64,
            required: true,
        }],
        output: OperatorOutput::Extends(vec![sum]),
        rows_per_row: 100,
        cost: 100,
        keeps_order: true,
    };
    let order = SortKey { expr: column(0, DataType::Int64), descending: false, nulls_first: false };
    let schema = Schema::new(vec![
        Field::new("at", DataType::Int64, true),
        Field::new("name", DataType::Utf8View, true),
    ]);
    let given = GuestInput { partition_by: vec![column(0, DataType::Int64)], order_by: vec![order] };
    let call =
        GuestCall { operator: Arc::new(operator), parameters: vec![Value::int64(100)], inputs: vec![given] };
    (call, Arc::new(schema))
}

#[test]
fn an_operator_runs_one_partition_after_the_other() {
    let fixture = Fixture::new();
    let (call, schema) = call(&fixture, &running_sum());
    fixture.sandbox.check_operator(&call.operator).unwrap();
    let mut guest = fixture.sandbox.operator(&call, &[schema]).unwrap();
    let push = |values: [i64; 2]| {
        let numbers = numbers(values);
        let texts = arrow::array::StringViewArray::from(vec!["a", "b"]);
        [numbers.clone(), numbers.clone(), numbers, Arc::new(texts) as ArrayRef]
    };
    for _ in 0..2 {
        guest.push(0, &push([1, 2]), 2).unwrap();
        let rows = guest.pull().unwrap().unwrap();
        assert_eq!((rows.sources.unwrap(), &rows.columns[0]), (vec![0, 1], &numbers([101, 103])));
        assert!(guest.pull().unwrap().is_none());
        guest.push(0, &push([3, 4]), 2).unwrap();
        let rows = guest.pull().unwrap().unwrap();
        assert_eq!(rows.sources.unwrap(), [2, 3]);
        assert_eq!(rows.columns[0].as_primitive::<Int64Type>().values(), &[106, 110]);
        guest.finish(0).unwrap();
        assert!(guest.pull().unwrap().is_none());
        guest.reset().unwrap();
    }
    assert_eq!(guest.push(1, &[], 0).unwrap_err().code(), ErrorCode::Internal);
}

#[test]
fn an_operator_says_what_it_does_not_like() {
    let fixture = Fixture::new();
    let (mut call, schema) = call(&fixture, &running_sum());
    call.inputs[0].order_by.clear();
    let error = fixture.sandbox.operator(&call, &[schema]).err().unwrap();
    assert_eq!(error.code(), ErrorCode::GuestFailed);
    assert!(error.message().ends_with("one order key"), "{error:?}");
}
