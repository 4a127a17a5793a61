//! Rows sorted on several instances and merged by one.

use std::cmp::Ordering;
use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use arrow::array::{ArrayRef, Float64Array, Int64Array, RecordBatch};
use arrow::datatypes::{DataType, Field, Schema};
use nyala_exchange::{Input, Output};
use nyala_executor::Ends;
use nyala_schema::fragment::FragmentOutput;
use nyala_schema::id::FragmentId;
use nyala_schema::operator::SortKey;
use nyala_schema::{Error, ErrorCode, Fragment, Operator, OperatorKind, Result, Value};

use super::cluster::{Cluster, fragment, gather, merge, receive, to_client};
use super::harnesses;
use super::wire::{Pipe, Ways};
use crate::harness::{Harness, column, drain, limit, operator, sort, sort_key};
use crate::table::{Kind, Random, Row, Table, arrays, batch_text, text_of};

/// Descending? NULLs first?
type Direction = (bool, bool);

const DIRECTIONS: [Direction; 4] = [(false, false), (false, true), (true, false), (true, true)];

fn fragments(sorted: Operator) -> Vec<Fragment> {
    vec![fragment(0, merge(1, &sorted), to_client()), fragment(1, sorted, gather(0))]
}

/// A sort in one piece, and cut up: many batches from each of the instances.
pub fn sample(harness: &Harness) -> (Operator, Vec<Fragment>) {
    let mut random = Random::new(77);
    let rows = (0..40_000).map(|number| vec![random.maybe(300, 9), Some(number)]).collect();
    let scan = harness.scan(&Table::new("sorted", &[Kind::Dictionary, Kind::Int], rows));
    let keys = vec![sort_key(column(&scan, 0), true, false), sort_key(column(&scan, 1), false, false)];
    let sorted = sort(keys, None, scan);
    (sorted.clone(), fragments(sorted))
}

fn rows_of(harness: &Harness, nodes: usize, fragments: &[Fragment]) -> Vec<Vec<String>> {
    let mut run = Cluster::new(harness, nodes).start(fragments).unwrap();
    let rows = batch_text(&run.rows().unwrap());
    assert!(run.wait_over().iter().all(Result::is_ok));
    rows
}

#[test]
fn instances_sort_and_one_merges() {
    for harness in harnesses() {
        let (single, fragments) = sample(&harness);
        let expected = harness.rows(&single).unwrap();
        for nodes in [1, 2, 3, 7] {
            assert!(rows_of(&harness, nodes, &fragments) == expected, "{nodes} nodes");
        }
    }
}

#[test]
fn instances_without_rows_and_rows_that_are_all_alike() {
    let harness = Harness::new();
    for (count, value) in [(0, None), (1, Some(7)), (150, None), (3000, Some(7)), (3000, None)] {
        for direction in DIRECTIONS {
            let rows = (0..count).map(|_| vec![value, Some(3)]).collect();
            let scan = harness.scan(&Table::new("alike", &[Kind::Text, Kind::Int], rows));
            let sorted = sort(vec![sort_key(column(&scan, 0), direction.0, direction.1)], None, scan);
            let expected = harness.rows(&sorted).unwrap();
            assert_eq!(rows_of(&harness, 5, &fragments(sorted)), expected, "{count} times {value:?}");
        }
    }
}

/// Each instance gets a range, so that nothing is left to be merged.
#[test]
fn instances_sort_ranges() {
    let harness = Harness::new();
    for (kind, (descending, nulls_first)) in
        [Kind::Int, Kind::Text, Kind::Dictionary, Kind::Decimal, Kind::Float]
            .into_iter()
            .zip(DIRECTIONS.into_iter().cycle())
    {
        let mut random = Random::new(8);
        let rows = (0..9000).map(|number| vec![random.maybe(80, 7).map(|v| v + 10), Some(number)]).collect();
        let scan = harness.scan(&Table::new("ranges", &[kind, Kind::Int], rows));
        let keys = vec![
            sort_key(column(&scan, 0), descending, nulls_first),
            sort_key(column(&scan, 1), true, false),
        ];
        let mut bounds: Vec<Value> = [20, 55, 56]
            .map(|bound| Value::new(kind.array(&[Some(bound)])).cast(&kind.data_type()).unwrap())
            .to_vec();
        if descending {
            bounds.reverse();
        }
        let expected = harness.rows(&sort(keys.clone(), None, scan.clone())).unwrap();
        let mut fragments = fragments(sort(keys.clone(), None, receive(2, &scan)));
        let to = FragmentId(1);
        fragments.push(fragment(2, scan, FragmentOutput::Range { to, key: keys[0].clone(), bounds }));
        for nodes in [1, 3, 4, 6] {
            assert!(rows_of(&harness, nodes, &fragments) == expected, "{kind:?} on {nodes}");
        }
    }
}

/// As one process orders them: NaN, both zeros, infinities.
#[test]
fn floats_that_are_no_numbers() {
    let harness = Harness::new();
    let special = [f64::NAN, -f64::NAN, 0.0, -0.0, f64::INFINITY, f64::NEG_INFINITY, 1.5, -2.5, 1e-310];
    let mut random = Random::new(5);
    let batch = |number: i64| {
        let floats: Float64Array =
            (0..70).map(|_| random.maybe(9, 7).map(|place| special[place as usize])).collect();
        let numbers = Int64Array::from_iter_values(number * 70..(number + 1) * 70);
        vec![Arc::new(floats) as ArrayRef, Arc::new(numbers) as ArrayRef]
    };
    let schema = Arc::new(Schema::new(vec![
        Field::new("f", DataType::Float64, true),
        Field::new("n", DataType::Int64, true),
    ]));
    let scan = harness.scan_batches("floats", schema, (0..40).map(batch).collect());
    for (descending, nulls_first) in DIRECTIONS {
        let keys = vec![
            sort_key(column(&scan, 0), descending, nulls_first),
            sort_key(column(&scan, 1), true, false),
        ];
        let sorted = sort(keys, None, scan.clone());
        let expected = harness.rows(&sorted).unwrap();
        assert_eq!(rows_of(&harness, 3, &fragments(sorted)), expected);
    }
}

/// What one instance receives from senders whose batches the test makes.
struct Received {
    pipe: Arc<Pipe>,
    senders: Vec<Arc<Ways>>,
    root: Operator,
}

impl Received {
    fn new(senders: usize, schema: Arc<Schema>, order: Vec<SortKey>) -> Self {
        let pipe = Pipe::new(senders, 1);
        let senders = (0..senders).map(|_| Ways::new(vec![pipe.clone()])).collect();
        let root = operator(OperatorKind::Receive { from: FragmentId(1), order }, vec![], schema);
        Self { pipe, senders, root }
    }

    fn start(&self, harness: &Harness) -> Result<nyala_executor::Execution> {
        let inputs = HashMap::from([(FragmentId(1), self.pipe.clone() as Arc<dyn Input>)]);
        let plan = nyala_pipeline::build(&Fragment::whole(self.root.clone(), 0))?;
        harness.executor.start_instance(Arc::new(plan), &harness.options, Ends { inputs, ..Ends::default() })
    }
}

fn batch(schema: &Arc<Schema>, kinds: &[Kind], rows: &[Row]) -> RecordBatch {
    let columns = arrays(kinds, rows);
    // Text may be a dictionary in any batch.
    let fields = schema.fields().iter().zip(&columns);
    let fields: Vec<Field> = fields
        .map(|(field, column)| field.as_ref().clone().with_data_type(column.data_type().clone()))
        .collect();
    RecordBatch::try_new(Arc::new(Schema::new(fields)), columns).unwrap()
}

fn compare(left: &Row, right: &Row, directions: &[Direction]) -> Ordering {
    let key = |(index, &(descending, nulls_first)): (usize, &Direction)| match (left[index], right[index]) {
        (None, None) => Ordering::Equal,
        (None, Some(_)) if nulls_first => Ordering::Less,
        (None, Some(_)) => Ordering::Greater,
        (Some(_), None) if nulls_first => Ordering::Greater,
        (Some(_), None) => Ordering::Less,
        (Some(left), Some(right)) if descending => right.cmp(&left),
        (Some(left), Some(right)) => left.cmp(&right),
    };
    directions.iter().enumerate().map(key).find(|order| order.is_ne()).unwrap_or(Ordering::Equal)
}

/// One round: random keys, senders and batches; a stable sort of all rows, sender by sender, says what is to come.
fn merge_is_a_sort(harness: &Harness, seed: u64) {
    let mut random = Random::new(seed);
    let keys = 1 + random.below(3) as usize;
    let mut kinds: Vec<Kind> = (0..keys).map(|_| Kind::KEYS[random.below(9) as usize]).collect();
    let directions: Vec<Direction> = (0..keys).map(|_| DIRECTIONS[random.below(4) as usize]).collect();
    kinds.push(Kind::Int);
    let (values, nulls) = ([1, 2, 30][random.below(3) as usize], [0, 2, 9][random.below(3) as usize]);
    let senders = 1 + random.below(6) as usize;
    let mut number = 0;
    let mut streams: Vec<Vec<Row>> = vec![];
    for _ in 0..senders {
        let rows = [0, 1, 40, 400][random.below(4) as usize];
        let row = |_| {
            number += 1;
            // Two digits, whose text orders as they do.
            let mut row: Row = (0..keys).map(|_| random.maybe(values, nulls).map(|v| v + 10)).collect();
            row.push(Some(number));
            row
        };
        let mut stream: Vec<Row> = (0..rows).map(row).collect();
        stream.sort_by(|left, right| compare(left, right, &directions));
        streams.push(stream);
    }
    let schema = Table::new("streams", &kinds, vec![]).schema();
    let order = directions.iter().enumerate().map(|(index, &(descending, nulls_first))| {
        sort_key(nyala_schema::Expr::column(index, schema.field(index)), descending, nulls_first)
    });
    let received = Received::new(senders, schema.clone(), order.collect());
    for (stream, sender) in streams.iter().zip(&received.senders) {
        let mut rest = stream.as_slice();
        while !rest.is_empty() {
            let (next, left) = rest.split_at((random.below(90) as usize).min(rest.len()));
            sender.send(0, &batch(&schema, &kinds, next)).unwrap();
            rest = left;
        }
        sender.end(Ok(()));
    }
    let mut expected = streams.concat();
    expected.sort_by(|left, right| compare(left, right, &directions));
    let found = batch_text(&drain(&mut received.start(harness).unwrap()).unwrap());
    let expected = text_of(&arrays(&kinds, &expected), expected.len());
    assert!(found == expected, "seed {seed}: {kinds:?} {directions:?}\n{found:?}\n{expected:?}");
}

#[test]
fn merging_is_sorting() {
    let harness = Harness::new();
    (0..400).for_each(|seed| merge_is_a_sort(&harness, seed));
}

fn numbers() -> Arc<Schema> {
    Table::new("numbers", &[Kind::Int], vec![]).schema()
}

fn ascending(schema: &Schema) -> Vec<SortKey> {
    vec![sort_key(nyala_schema::Expr::column(0, schema.field(0)), false, false)]
}

fn some(values: std::ops::Range<i64>) -> RecordBatch {
    let rows: Vec<Row> = values.map(|value| vec![Some(value)]).collect();
    batch(&numbers(), &[Kind::Int], &rows)
}

/// The row that comes next may be one that has not come yet; the others wait, and may be far ahead.
#[test]
fn a_late_sender_is_waited_for() {
    let harness = Harness::new();
    let received = Received::new(3, numbers(), ascending(&numbers()));
    let mut execution = received.start(&harness).unwrap();
    received.senders[0].send(0, &some(10..20)).unwrap();
    received.senders[0].end(Ok(()));
    received.senders[2].end(Ok(()));
    assert_eq!(execution.next(Duration::from_millis(50)), None, "rows before those that may come first");
    assert!(received.pipe.waits.load(Relaxed) > 0);
    received.senders[1].send(0, &some(0..5)).unwrap();
    let first = execution.next(Duration::from_secs(60)).unwrap().unwrap().unwrap();
    assert_eq!(batch_text(&[first]).concat(), ["0", "1", "2", "3", "4"]);
    assert_eq!(execution.next(Duration::from_millis(50)), None, "its next rows are not known");
    received.senders[1].end(Ok(()));
    let rest = batch_text(&drain(&mut execution).unwrap());
    assert_eq!(rest.concat(), (10..20).map(|n| n.to_string()).collect::<Vec<_>>());
}

#[test]
fn what_a_sender_fails_with_ends_the_merging() {
    let harness = Harness::new();
    let received = Received::new(2, numbers(), ascending(&numbers()));
    let mut execution = received.start(&harness).unwrap();
    received.senders[0].send(0, &some(0..5)).unwrap();
    received.senders[1].end(Err(Error::new(ErrorCode::DivisionByZero, "a node divides")));
    assert_eq!(drain(&mut execution).unwrap_err().code(), ErrorCode::DivisionByZero);
    let received = Received::new(2, numbers(), ascending(&numbers()));
    let mut execution = received.start(&harness).unwrap();
    received.pipe.break_off(Error::new(ErrorCode::Connection, "a node is gone"));
    assert!(drain(&mut execution).unwrap_err().is_retryable());
    let received = Received::new(2, numbers(), ascending(&numbers()));
    let mut execution = received.start(&harness).unwrap();
    execution.cancel_handle().cancel();
    assert_eq!(drain(&mut execution).unwrap_err().code(), ErrorCode::Cancelled);
    assert!(received.pipe.is_closed());
}

#[test]
fn a_batch_of_each_sender_counts_as_memory() {
    let mut harness = Harness::new();
    harness.options.memory_limit = 60_000;
    let outcome = |senders: usize| {
        let received = Received::new(senders, numbers(), ascending(&numbers()));
        for sender in &received.senders {
            for start in [0, 1000, 2000] {
                sender.send(0, &some(start..start + 1000)).unwrap();
            }
            sender.end(Ok(()));
        }
        drain(&mut received.start(&harness).unwrap())
    };
    let rows: usize = outcome(2).unwrap().iter().map(RecordBatch::num_rows).sum();
    assert_eq!(rows, 6000);
    let error = outcome(4).unwrap_err();
    assert_eq!(error.code(), ErrorCode::OutOfMemory);
    assert!(error.message().contains("receive"), "{error}");
}

#[test]
fn a_limit_above_ends_the_senders() {
    let harness = Harness::new();
    let (_, mut fragments) = sample(&harness);
    let expected = harness.rows(&limit(3, Some(10), sample(&harness).0)).unwrap();
    fragments[0].root = limit(3, Some(10), fragments[0].root.clone());
    let mut run = Cluster::new(&harness, 3).start(&fragments).unwrap();
    assert_eq!(batch_text(&run.rows().unwrap()), expected);
    assert_eq!(run.wait_over(), vec![Ok(()); 4]);
    assert!(run.pipes.values().all(|pipe| pipe.is_closed()));
}

/// A fragment from elsewhere may say anything.
#[test]
fn an_order_of_what_is_no_column_is_refused() {
    let harness = Harness::new();
    let other = Field::new("n", DataType::Int64, true);
    for expr in [nyala_schema::Expr::column(9, &other), crate::harness::int(1)] {
        let received = Received::new(2, numbers(), vec![sort_key(expr, false, false)]);
        assert_eq!(received.start(&harness).map(|_| ()).unwrap_err().code(), ErrorCode::Internal);
    }
}
