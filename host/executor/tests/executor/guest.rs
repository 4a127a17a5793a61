//! Users' functions, aggregates, table functions and operators, by guests that count what they are given.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant};

use arrow::datatypes::{DataType, Field, Fields, Schema};
use nyala_schema::expr::{CompareOp, Volatility};
use nyala_schema::guest::{GuestFunction, OperatorOutput};
use nyala_schema::operator::{
    AggregateCall, FrameBound, FrameUnits, GuestCall, GuestInput, SortKey, WindowCall, WindowFrame,
};
use nyala_schema::option::BackendChoice;
use nyala_schema::{Callee, ErrorCode, Expr, Operator, OperatorKind, Value};

use crate::guests::{Fakes, code, function, ints, operator as guest_operator};
use crate::harness::{
    Harness, aggregate, call, column, compare, drain, filter, int, operator, project, sort, sort_key,
};
use crate::table::{Kind, Random, Row, Table};

const INT: DataType = DataType::Int64;

fn harness() -> (Harness, Arc<Fakes>) {
    let fakes = Arc::new(Fakes::default());
    (Harness::with_guests(fakes.clone(), |_| {}), fakes)
}

fn guest(function: GuestFunction, arguments: Vec<Expr>) -> Expr {
    Expr::Call {
        data_type: function.returns.clone(),
        nullable: true,
        volatility: function.volatility,
        arguments,
        function: Callee::Guest(Arc::new(function)),
    }
}

fn volatile(name: &str) -> GuestFunction {
    GuestFunction { volatility: Volatility::Volatile, ..function(name, &[INT], INT) }
}

fn numbers(count: i64) -> Table {
    let value = |n: i64| (n % 5 > 0).then_some(n);
    Table::new("numbers", &[Kind::Int, Kind::Int], (0..count).map(|n| vec![Some(n), value(n)]).collect())
}

fn texts(rows: &[&[Option<i64>]]) -> Vec<Vec<String>> {
    let text = |value: &Option<i64>| value.map_or("NULL".to_owned(), |value| value.to_string());
    let mut rows: Vec<Vec<String>> = rows.iter().map(|row| row.iter().map(text).collect()).collect();
    rows.sort();
    rows
}

#[test]
fn a_function_is_called_once_for_each_row_that_gets_to_it() {
    let (harness, fakes) = harness();
    let scan = harness.scan(&numbers(1000));
    let low = compare(CompareOp::Less, column(&scan, 0), int(40));
    let twice = guest(volatile("double"), vec![column(&scan, 1)]);
    let odd = compare(CompareOp::NotEqual, twice, int(8));
    let both = Expr::And(Box::new(low), Box::new(odd));
    let rows = harness.rows(&filter(both, scan)).unwrap();
    assert_eq!(rows.len(), 40 - 8 - 1);
    assert_eq!(fakes.rows.load(Relaxed), 40);

    // Two equal calls of a volatile function are two calls; CASE calls it for the rows of its branch.
    fakes.rows.store(0, Relaxed);
    let scan = harness.scan(&numbers(100));
    let twice = || guest(volatile("double"), vec![column(&scan, 0)]);
    let branch = Expr::Case {
        branches: vec![(compare(CompareOp::Less, column(&scan, 0), int(10)), twice())],
        otherwise: Some(Box::new(int(0))),
        data_type: INT,
    };
    harness.rows(&project(vec![twice(), twice(), branch], scan.clone())).unwrap();
    assert_eq!(fakes.rows.load(Relaxed), 210);

    // A constant call is one row a batch, unless it is volatile.
    fakes.rows.store(0, Relaxed);
    let constant = guest(function("double", &[INT], INT), vec![int(21)]);
    let (rows, profile) = harness.run_profiled(&project(vec![constant], scan.clone())).unwrap();
    assert_eq!(rows.iter().map(|batch| batch.num_rows()).sum::<usize>(), 100);
    assert!(fakes.rows.load(Relaxed) <= 3, "{}", fakes.rows.load(Relaxed));
    assert_eq!(profile.guests[0].0, code("double"));
    assert!(profile.to_string().contains("guest double@1: "), "{profile}");
    fakes.rows.store(0, Relaxed);
    let constant = guest(volatile("double"), vec![int(21)]);
    harness.rows(&project(vec![constant], scan)).unwrap();
    assert_eq!(fakes.rows.load(Relaxed), 100);
}

/// The function fails on one text, which no row that gets to it has.
#[test]
fn encoded_text_is_evaluated_by_entry_and_only_by_entries_that_rows_have() {
    let (harness, fakes) = harness();
    let rows: Vec<Row> = (0..600).map(|n| vec![(n % 7 > 0).then_some(n % 4), Some(n % 4)]).collect();
    let scan = harness.scan(&Table::new("t", &[Kind::Dictionary, Kind::Int], rows.clone()));
    let length = guest(function("length", &[DataType::Utf8], INT), vec![column(&scan, 0)]);
    let below = filter(compare(CompareOp::Less, column(&scan, 1), int(3)), scan.clone());
    let given = harness.sorted(&project(vec![length.clone()], below)).unwrap();
    let mut expected: Vec<Vec<String>> = (0..600)
        .filter(|n| n % 4 < 3)
        .map(|n| vec![if n % 7 > 0 { "14" } else { "NULL" }.to_owned()])
        .collect();
    expected.sort();
    assert_eq!(given, expected);
    assert!(fakes.rows.load(Relaxed) <= 12 * 3, "{}", fakes.rows.load(Relaxed));
    let error = harness.rows(&project(vec![length], scan)).unwrap_err();
    assert_eq!(error.code(), ErrorCode::GuestFailed);
}

fn squares(arguments: Vec<Expr>) -> AggregateCall {
    let function = Callee::Guest(Arc::new(function("squares", &[INT], INT)));
    AggregateCall { function, ..call("", arguments, INT) }
}

#[test]
fn aggregates_see_neither_nulls_nor_filtered_rows() {
    let (harness, _) = harness();
    let mut random = Random::new(3);
    let rows: Vec<Row> =
        (0..2000).map(|_| vec![Some(random.below(50)), random.maybe(9, 4), Some(random.below(2))]).collect();
    let scan = harness.scan(&Table::new("t", &[Kind::Int, Kind::Int, Kind::Boolean], rows.clone()));
    let plain = squares(vec![column(&scan, 1)]);
    let filtered = AggregateCall { filter: Some(column(&scan, 2)), ..plain.clone() };
    let distinct = AggregateCall { distinct: true, ..plain.clone() };
    let root = aggregate(vec![column(&scan, 0)], vec![plain, filtered, distinct], scan);
    let sum = |values: &mut dyn Iterator<Item = i64>| {
        values.fold(None, |sum: Option<i64>, value| Some(sum.unwrap_or(0) + value * value))
    };
    let expected: Vec<Vec<Option<i64>>> = (0..50)
        .map(|key| {
            let values = || rows.iter().filter(|row| row[0] == Some(key));
            let mut seen: Vec<i64> = values().filter_map(|row| row[1]).collect();
            let all = sum(&mut seen.iter().copied());
            let some = sum(&mut values().filter(|row| row[2] == Some(1)).filter_map(|row| row[1]));
            seen.sort_unstable();
            seen.dedup();
            vec![Some(key), all, some, sum(&mut seen.into_iter())]
        })
        .collect();
    let expected: Vec<&[Option<i64>]> = expected.iter().map(Vec::as_slice).collect();
    assert_eq!(harness.sorted(&root).unwrap(), texts(&expected));

    let none = harness.scan(&Table::new("none", &[Kind::Int], vec![]));
    let root = aggregate(vec![], vec![squares(vec![column(&none, 0)])], none);
    assert_eq!(harness.sorted(&root).unwrap(), texts(&[&[None]]));
}

#[test]
fn aggregates_over_frames() {
    let (harness, _) = harness();
    let rows: Vec<Row> =
        (0..300).map(|n| vec![Some(n % 3), Some(n), (n % 4 > 0).then_some(n % 10)]).collect();
    let scan = harness.scan(&Table::new("t", &[Kind::Int, Kind::Int, Kind::Int], rows.clone()));
    let over = |start: FrameBound| WindowCall {
        function: Callee::Guest(Arc::new(function("squares", &[INT], INT))),
        is_aggregate: true,
        arguments: vec![column(&scan, 2)],
        frame: WindowFrame { units: FrameUnits::Rows, start, end: FrameBound::CurrentRow },
        filter: None,
        distinct: false,
        ignore_nulls: false,
        data_type: INT,
        nullable: true,
    };
    let calls = vec![over(FrameBound::Preceding(None)), over(FrameBound::Preceding(Some(Value::int64(2))))];
    let mut fields: Vec<_> = scan.schema.fields().iter().cloned().collect();
    fields.extend(ints(&["all", "three"], true));
    let kind = OperatorKind::Window {
        partition_by: vec![column(&scan, 0)],
        order_by: vec![sort_key(column(&scan, 1), false, false)],
        calls,
    };
    let root = operator(kind, vec![scan], Arc::new(Schema::new(fields)));
    let sum = |rows: &[Row]| rows.iter().filter_map(|row| row[2]).map(|v| v * v).reduce(|a, b| a + b);
    let mut expected = vec![];
    for part in 0..3 {
        let part: Vec<Row> = rows.iter().filter(|row| row[0] == Some(part)).cloned().collect();
        for at in 0..part.len() {
            let mut row = part[at].clone();
            row.extend([sum(&part[..=at]), sum(&part[at.saturating_sub(2)..=at])]);
            expected.push(row);
        }
    }
    let expected: Vec<&[Option<i64>]> = expected.iter().map(Vec::as_slice).collect();
    assert_eq!(harness.sorted(&root).unwrap(), texts(&expected));
}

#[test]
fn table_functions_multiply_rows() {
    let (harness, _) = harness();
    let rows: Vec<Row> =
        (0..500).map(|n| vec![Some(n), (n % 3 > 0).then_some(if n == 7 { 1000 } else { n % 4 })]).collect();
    let scan = harness.scan(&Table::new("t", &[Kind::Int, Kind::Int], rows.clone()));
    let own = ints(&["n", "minus"], false);
    let function = GuestFunction {
        returns: DataType::Struct(Fields::from(own.clone())),
        ..function("repeat", &[INT], INT)
    };
    let mut fields: Vec<_> = scan.schema.fields().iter().cloned().collect();
    fields.extend(own);
    let kind =
        OperatorKind::TableFunction { function: Arc::new(function), arguments: vec![column(&scan, 1)] };
    let root = operator(kind, vec![scan], Arc::new(Schema::new(fields)));
    let root = project(vec![column(&root, 0), column(&root, 3)], root);
    let mut expected = vec![];
    for row in &rows {
        expected.extend((0..row[1].unwrap_or(0)).map(|n| vec![row[0], Some(-n)]));
    }
    let expected: Vec<&[Option<i64>]> = expected.iter().map(Vec::as_slice).collect();
    let (batches, _) = harness.run_profiled(&root).unwrap();
    assert!(batches.iter().all(|batch| batch.num_rows() <= 64), "batches stay small");
    assert_eq!(harness.sorted(&root).unwrap(), texts(&expected));
}

fn sessionize(scan: Operator, partition_by: Vec<Expr>, order_by: SortKey) -> Operator {
    let own = ints(&["session"], false);
    let call = GuestCall {
        operator: Arc::new(guest_operator("sessionize", 1, false, OperatorOutput::Extends(own.clone()))),
        parameters: vec![Value::int64(10)],
        inputs: vec![GuestInput { partition_by, order_by: vec![order_by] }],
    };
    let mut fields: Vec<_> = scan.schema.fields().iter().cloned().collect();
    fields.extend(own);
    operator(OperatorKind::Guest(call), vec![scan], Arc::new(Schema::new(fields)))
}

/// Many small partitions, and large ones that come in several batches and are handled side by side.
#[test]
fn an_operator_is_given_partition_after_partition_in_order() {
    for users in [3, 700] {
        let (harness, fakes) = harness();
        let mut random = Random::new(users as u64);
        let mut rows: Vec<Row> = (0..40_000)
            .map(|n| vec![random.maybe(users, 50), Some(random.below(200_000)), Some(n)])
            .collect();
        let scan = harness.scan(&Table::new("t", &[Kind::Text, Kind::Int, Kind::Int], rows.clone()));
        let key = sort_key(column(&scan, 1), false, false);
        let user = column(&scan, 0);
        let root = sessionize(scan, vec![user], key);
        let root = project(vec![column(&root, 3), column(&root, 2)], root);
        rows.sort_by_key(|row| (row[0], row[1]));
        let (mut expected, mut session) = (vec![], 0);
        for (at, row) in rows.iter().enumerate() {
            let before = at.checked_sub(1).map(|at| &rows[at]).filter(|before| before[0] == row[0]);
            session = match before {
                None => 0,
                Some(before) => session + i64::from(row[1].unwrap() - before[1].unwrap() > 10),
            };
            expected.push(vec![Some(session), row[2]]);
        }
        let expected: Vec<&[Option<i64>]> = expected.iter().map(Vec::as_slice).collect();
        assert_eq!(harness.sorted(&root).unwrap(), texts(&expected));
        assert!(fakes.instances.load(Relaxed) <= 8, "an instance for each job");
    }
}

#[test]
fn an_operator_without_rows_gives_none() {
    let (harness, fakes) = harness();
    let scan = harness.scan(&Table::new("none", &[Kind::Int, Kind::Int], vec![]));
    let (user, key) = (column(&scan, 0), sort_key(column(&scan, 1), false, false));
    assert!(harness.rows(&sessionize(scan.clone(), vec![user], key.clone())).unwrap().is_empty());
    assert_eq!(fakes.instances.load(Relaxed), 0);
    // Without partitioning there is one partition, of no rows.
    assert!(harness.rows(&sessionize(scan, vec![], key)).unwrap().is_empty());
    assert_eq!(fakes.instances.load(Relaxed), 1);
}

fn counts(left: Operator, right: Operator, keys: [Vec<Expr>; 2]) -> Operator {
    let own = ints(&["key", "left", "right"], true);
    let call = GuestCall {
        operator: Arc::new(guest_operator("counts", 2, true, OperatorOutput::Columns(own.clone()))),
        parameters: vec![Value::int64(0)],
        inputs: keys.map(|partition_by| GuestInput { partition_by, order_by: vec![] }).into(),
    };
    let fields: Vec<Arc<Field>> = own;
    operator(OperatorKind::Guest(call), vec![left, right], Arc::new(Schema::new(fields)))
}

#[test]
fn partitions_of_equal_keys_go_together() {
    let (harness, _) = harness();
    let keys = |name: &str, keys: &[Option<i64>]| {
        Table::new(name, &[Kind::Int], keys.iter().map(|key| vec![*key]).collect())
    };
    let left = harness.scan(&keys("left", &[Some(1), None, Some(2), Some(1), Some(4)]));
    let right = harness.scan(&keys("right", &[Some(2), Some(3), Some(2), None, Some(-5)]));
    let by = [vec![column(&left, 0)], vec![column(&right, 0)]];
    let rows = harness.sorted(&counts(left.clone(), right.clone(), by)).unwrap();
    let expected: [&[Option<i64>]; 6] = [
        &[Some(1), Some(2), Some(0)],
        &[Some(2), Some(1), Some(2)],
        &[Some(3), Some(0), Some(1)],
        &[Some(4), Some(1), Some(0)],
        &[Some(-5), Some(0), Some(1)],
        &[None, Some(1), Some(1)],
    ];
    assert_eq!(rows, texts(&expected));
    // A table that is not partitioned goes whole with every partition.
    let one = filter(compare(CompareOp::Equal, column(&right, 0), int(3)), right);
    let by = [vec![column(&left, 0)], vec![]];
    let rows = harness.sorted(&project_counts(counts(left, one, by))).unwrap();
    assert_eq!(
        rows,
        texts(&[&[Some(1), Some(1)], &[Some(1), Some(1)], &[Some(1), Some(1)], &[Some(2), Some(1)]])
    );
}

fn project_counts(root: Operator) -> Operator {
    project(vec![column(&root, 1), column(&root, 2)], root)
}

#[test]
fn cancelling_reaches_a_guest_that_spins() {
    for backend in [BackendChoice::Interpreter, BackendChoice::Auto] {
        let (mut harness, _) = harness();
        harness.options.backend = backend;
        let scan = harness.scan(&numbers(100));
        let spin = guest(function("spin", &[INT], INT), vec![column(&scan, 0)]);
        let mut execution = harness.start(&project(vec![spin], scan)).unwrap();
        std::thread::sleep(Duration::from_millis(20));
        execution.cancel_handle().cancel();
        let start = Instant::now();
        assert_eq!(drain(&mut execution).unwrap_err().code(), ErrorCode::Cancelled);
        assert!(start.elapsed() < Duration::from_secs(10));
        drop(execution);
        assert_eq!(harness.rows(&harness.scan(&numbers(10))).unwrap().len(), 10);
    }
}

#[test]
fn a_guest_holds_what_its_query_may_hold() {
    let (harness, _) = harness();
    let scan = harness.scan(&numbers(10));
    let greedy = guest(function("greedy", &[INT], INT), vec![column(&scan, 0)]);
    let error = harness.rows(&project(vec![greedy], scan)).unwrap_err();
    assert_eq!(error.code(), ErrorCode::OutOfMemory);
    assert!(error.message().contains("guests needs 1"), "{error}");
}

#[test]
fn without_a_sandbox_nothing_of_users_runs() {
    let harness = Harness::new();
    let scan = harness.scan(&numbers(10));
    let key = sort_key(column(&scan, 0), false, false);
    let twice = guest(function("double", &[INT], INT), vec![column(&scan, 0)]);
    let roots = [
        project(vec![twice.clone()], scan.clone()),
        aggregate(vec![], vec![squares(vec![column(&scan, 0)])], scan.clone()),
        sessionize(scan.clone(), vec![], key),
        sort(vec![sort_key(twice, true, true)], None, scan),
    ];
    for root in roots {
        let error = harness.rows(&root).unwrap_err();
        assert_eq!(error.code(), ErrorCode::Unsupported, "{error}");
        assert!(error.message().contains("@1 cannot be called"), "{error}");
    }
}
