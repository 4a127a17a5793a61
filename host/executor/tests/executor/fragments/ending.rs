//! However an instance ends, everybody who waits for it is told, and nothing stays behind.

use std::collections::HashMap;
use std::sync::atomic::Ordering;
use std::sync::{Arc, mpsc};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use arrow::array::RecordBatch;
use arrow::datatypes::{DataType, Field, Schema};
use nyala_exchange::Input;
use nyala_executor::Ends;
use nyala_schema::expr::ArithmeticOp;
use nyala_schema::fragment::FragmentOutput;
use nyala_schema::id::FragmentId;
use nyala_schema::{Error, ErrorCode, Fragment, Operator, OperatorKind, Result, Value};

use super::cluster::{Cluster, broadcast, fragment, gather, hash, receive, to_client};
use super::harnesses;
use super::wire::{Pipe, Ways};
use crate::harness::{
    Harness, aggregate, arithmetic, call, column, drain, int, limit, operator, project, sort, sort_key,
};
use crate::table::{Kind, Table, batch_text};

fn numbers(harness: &Harness, count: i64) -> Operator {
    harness.scan(&Table::new("numbers", &[Kind::Int], (0..count).map(|n| vec![Some(n)]).collect()))
}

/// More rows than anyone waits for.
fn endless() -> Operator {
    let kind = OperatorKind::Series {
        start: Value::int64(0),
        stop: Value::int64(1 << 50),
        step: Value::int64(1),
        inclusive: false,
    };
    operator(kind, vec![], Arc::new(Schema::new(vec![Field::new("n", DataType::Int64, true)])))
}

fn one(
    harness: &Harness,
    root: Operator,
    output: FragmentOutput,
    ends: Ends,
) -> Result<nyala_executor::Execution> {
    let mut fragment = Fragment::whole(root, 0);
    fragment.output = output;
    let plan = nyala_pipeline::build(&fragment)?;
    harness.executor.start_instance(Arc::new(plan), &harness.options, ends)
}

#[test]
fn a_limit_ends_endless_senders() {
    for harness in harnesses() {
        let series = endless();
        let next = arithmetic(ArithmeticOp::Add, column(&receive(2, &series), 0), int(1));
        let middle = project(vec![next], receive(2, &series));
        let fragments = vec![
            fragment(0, limit(0, Some(10), receive(1, &middle)), to_client()),
            fragment(1, middle, gather(0)),
            fragment(2, series.clone(), hash(1, &series, &[0])),
        ];
        let mut run = Cluster::new(&harness, 3).start(&fragments).unwrap();
        let rows: usize = run.rows().unwrap().iter().map(RecordBatch::num_rows).sum();
        assert_eq!(rows, 10);
        assert_eq!(run.wait_over(), vec![Ok(()); 7]);
        assert!(run.pipes.values().all(|pipe| pipe.is_closed()));
    }
}

#[test]
fn a_limit_within_an_instance_closes_its_input() {
    let harness = Harness::new();
    let series = endless();
    let few = limit(0, Some(5), receive(2, &series));
    let fragments = vec![
        fragment(0, receive(1, &few), to_client()),
        fragment(1, few, gather(0)),
        fragment(2, series, broadcast(1)),
    ];
    let mut run = Cluster::new(&harness, 2).start(&fragments).unwrap();
    let rows: usize = run.rows().unwrap().iter().map(RecordBatch::num_rows).sum();
    assert_eq!(rows, 10);
    assert_eq!(run.wait_over(), vec![Ok(()); 5]);
}

/// Who filters all rows away has nothing to send, and still finds out that nothing is wanted.
#[test]
fn a_sender_with_nothing_to_send_notices_that_nothing_is_wanted() {
    let harness = Harness::new();
    let series = endless();
    let never = crate::harness::compare(nyala_schema::expr::CompareOp::Less, column(&series, 0), int(-1));
    let pipe = Pipe::new(1, 1);
    let ends = Ends { output: Some(Ways::new(vec![pipe.clone()])), ..Ends::default() };
    let execution = one(&harness, crate::harness::filter(never, series), gather(1), ends).unwrap();
    pipe.close();
    let (sender, over) = mpsc::channel();
    execution.when_over(Box::new(move |result| _ = sender.send(result)));
    assert_eq!(over.recv_timeout(Duration::from_secs(60)).unwrap(), Ok(()));
}

/// Cancelled, failed from outside, or dropped, while all tasks wait for rows that do not come.
#[test]
fn who_waits_is_ended_from_outside() {
    let lost = || Error::new(ErrorCode::Connection, "a node is gone");
    for (how, code) in [(0, ErrorCode::Cancelled), (1, ErrorCode::Connection), (2, ErrorCode::Cancelled)] {
        let harness = Harness::new();
        let (silent, next) = (Pipe::new(1, 1), Pipe::new(1, 1));
        let ends = Ends {
            inputs: HashMap::from([(FragmentId(2), silent.clone() as Arc<dyn Input>)]),
            output: Some(Ways::new(vec![next.clone()])),
            ..Ends::default()
        };
        let execution = one(&harness, receive(2, &endless()), gather(1), ends).unwrap();
        let (sender, over) = mpsc::channel();
        execution.when_over(Box::new(move |result| _ = sender.send(result)));
        while silent.waits.load(Ordering::Relaxed) < 2 {
            std::thread::yield_now();
        }
        let start = Instant::now();
        let handle = execution.cancel_handle();
        match how {
            0 => handle.cancel(),
            1 => handle.fail(lost()),
            _ => drop(execution),
        }
        let end = over.recv_timeout(Duration::from_secs(60)).unwrap().unwrap_err();
        assert_eq!(end.code(), code);
        assert!(start.elapsed() < Duration::from_millis(500));
        assert!(silent.is_closed());
        let mut context = Context::from_waker(std::task::Waker::noop());
        match next.poll_next(&mut context) {
            Poll::Ready(Err(error)) => assert_eq!(error.code(), code),
            other => panic!("{other:?}"),
        }
        // What comes too late changes nothing.
        handle.fail(lost());
        silent.break_off(lost());
    }
}

#[test]
fn the_error_of_one_instance_reaches_all() {
    for harness in harnesses() {
        let scan = numbers(&harness, 3000);
        let divisor = arithmetic(ArithmeticOp::Subtract, column(&scan, 0), int(1234));
        let wrong = project(vec![arithmetic(ArithmeticOp::Divide, int(1), divisor)], scan);
        let count = vec![call("count", vec![], DataType::Int64)];
        let grouped = aggregate(vec![column(&receive(2, &wrong), 0)], count, receive(2, &wrong));
        let fragments = vec![
            fragment(
                0,
                sort(vec![sort_key(column(&grouped, 0), false, false)], None, receive(1, &grouped)),
                to_client(),
            ),
            fragment(1, grouped, gather(0)),
            fragment(2, wrong.clone(), hash(1, &wrong, &[0])),
        ];
        let mut run = Cluster::new(&harness, 3).start(&fragments).unwrap();
        assert_eq!(run.rows().unwrap_err().code(), ErrorCode::DivisionByZero);
        let errors = run.errors();
        assert!(errors.len() >= 5, "the one that failed, and all that receive: {errors:?}");
        assert!(errors.iter().all(|error| error.code() == ErrorCode::DivisionByZero), "{errors:?}");
    }
}

struct Panicking;

impl Input for Panicking {
    fn poll_next(&self, _: &mut Context<'_>) -> Poll<Result<Option<RecordBatch>>> {
        panic!("an input that does not work")
    }

    fn senders(&self) -> usize {
        1
    }

    fn poll_from(&self, _: usize, _: &mut Context<'_>) -> Poll<Result<Option<RecordBatch>>> {
        panic!("an input that does not work")
    }

    fn close(&self) {
        panic!("not even closing works")
    }
}

#[test]
fn a_panic_of_an_input_fails_its_instance_alone() {
    let harness = Harness::new();
    let inputs = HashMap::from([(FragmentId(2), Arc::new(Panicking) as Arc<dyn Input>)]);
    let mut execution =
        one(&harness, receive(2, &endless()), to_client(), Ends { inputs, ..Ends::default() }).unwrap();
    let error = drain(&mut execution).unwrap_err();
    assert_eq!(error.code(), ErrorCode::Internal);
    assert!(error.message().contains("does not work"), "{error}");
    assert_eq!(harness.rows(&numbers(&harness, 5)).unwrap().len(), 5);
}

#[test]
fn a_lost_sender_is_an_error_of_its_own() {
    let harness = Harness::new();
    let pipe = Pipe::new(2, 1);
    let inputs = HashMap::from([(FragmentId(2), pipe.clone() as Arc<dyn Input>)]);
    let mut execution =
        one(&harness, receive(2, &endless()), to_client(), Ends { inputs, ..Ends::default() }).unwrap();
    pipe.break_off(Error::new(ErrorCode::Connection, "a node is gone"));
    let error = drain(&mut execution).unwrap_err();
    assert!(error.code() == ErrorCode::Connection && error.is_retryable());
}

/// Ends that do not fit the plan are refused, and those that there are learn of it.
#[test]
fn ends_that_do_not_fit() {
    let harness = Harness::new();
    let next = Pipe::new(1, 1);
    let ends = Ends { output: Some(Ways::new(vec![next.clone()])), ..Ends::default() };
    let missing = one(&harness, receive(2, &endless()), gather(1), ends).map(|_| ()).unwrap_err();
    assert!(missing.message().contains("f2"), "{missing}");
    let mut context = Context::from_waker(std::task::Waker::noop());
    assert!(matches!(next.poll_next(&mut context), Poll::Ready(Err(_))));
    assert!(one(&harness, endless(), gather(1), Ends::default()).is_err());
}

/// Columns that nobody agreed on are an error, not a wrong result.
#[test]
fn other_columns_than_expected_are_refused() {
    let harness = Harness::new();
    let pipe = Pipe::new(1, 1);
    let schema = Arc::new(Schema::new(vec![Field::new("n", DataType::Date32, true)]));
    let batch = RecordBatch::try_new(schema, vec![Kind::Date.array(&[Some(1)])]).unwrap();
    nyala_exchange::Output::send(Ways::new(vec![pipe.clone()]).as_ref(), 0, &batch).unwrap();
    let inputs = HashMap::from([(FragmentId(2), pipe as Arc<dyn Input>)]);
    let mut execution =
        one(&harness, receive(2, &endless()), to_client(), Ends { inputs, ..Ends::default() }).unwrap();
    let error = drain(&mut execution).unwrap_err();
    assert!(error.message().contains("Date32"), "{error}");
}

#[test]
fn received_rows_count_as_memory() {
    let mut harness = Harness::new();
    harness.options.memory_limit = 10_000;
    let pipe = Pipe::new(1, 1);
    let schema = Arc::new(Schema::new(vec![Field::new("n", DataType::Int64, true)]));
    let batch = RecordBatch::try_new(schema, vec![Kind::Int.array(&vec![Some(1); 2000])]).unwrap();
    nyala_exchange::Output::send(Ways::new(vec![pipe.clone()]).as_ref(), 0, &batch).unwrap();
    let inputs = HashMap::from([(FragmentId(2), pipe as Arc<dyn Input>)]);
    let mut execution =
        one(&harness, receive(2, &endless()), to_client(), Ends { inputs, ..Ends::default() }).unwrap();
    let error = drain(&mut execution).unwrap_err();
    assert_eq!(error.code(), ErrorCode::OutOfMemory);
    assert!(error.message().contains("receive"), "{error}");
}

/// Many small queries at once, each stream with room for one batch, more threads than cores.
#[test]
fn many_at_once_with_little_room() {
    let mut harness =
        Harness::with_guests(Arc::new(crate::guests::Fakes::default()), |config| config.threads = 8);
    harness.options.threads = 4;
    harness.options.batch_rows = 7;
    let scan = numbers(&harness, 2500);
    let digit = |input: &Operator| arithmetic(ArithmeticOp::Remainder, column(input, 0), int(10));
    let rows = receive(3, &scan);
    let counted =
        vec![call("count", vec![], DataType::Int64), call("sum", vec![column(&rows, 0)], DataType::Int64)];
    let grouped = aggregate(vec![digit(&rows)], counted, rows);
    let by = FragmentOutput::Hash { to: FragmentId(2), keys: vec![digit(&scan)] };
    let fragments = vec![
        fragment(0, receive(1, &grouped), to_client()),
        fragment(1, receive(2, &grouped), gather(0)),
        fragment(2, grouped, FragmentOutput::RoundRobin { to: FragmentId(1) }),
        fragment(3, scan, by),
    ];
    let expected: Vec<Vec<String>> = (0..10)
        .map(|digit| vec![digit.to_string(), "250".to_owned(), (250 * (digit + 1245)).to_string()])
        .collect();
    let cluster = Cluster::new(&harness, 3);
    for _ in 0..15 {
        let mut runs: Vec<_> = (0..6).map(|_| cluster.start(&fragments).unwrap()).collect();
        for run in &mut runs {
            let mut rows = batch_text(&run.rows().unwrap());
            rows.sort();
            assert_eq!(rows, expected);
            assert!(run.wait_over().iter().all(Result::is_ok));
            assert!(run.pipes.values().any(|pipe| pipe.waits.load(Ordering::Relaxed) > 0));
        }
    }
}

/// Cancelled at a moment that is another one each time.
#[test]
fn cancelled_at_any_moment() {
    let harness = Harness::new();
    let series = endless();
    let fragments = vec![
        fragment(0, receive(1, &series), to_client()),
        fragment(1, receive(2, &series), gather(0)),
        fragment(2, series.clone(), hash(1, &series, &[0])),
    ];
    for round in 0..40 {
        let mut run = Cluster::new(&harness, 2).start(&fragments).unwrap();
        std::thread::sleep(Duration::from_micros(50 * round));
        let victim = round as usize % run.executions.len();
        run.executions[victim].cancel_handle().cancel();
        let error = run.rows().unwrap_err();
        assert_eq!(error.code(), ErrorCode::Cancelled);
        run.executions.iter().for_each(|execution| execution.cancel_handle().cancel());
        run.wait_over();
    }
}

#[test]
fn figures_of_instances() {
    let harness = Harness::new();
    let scan = numbers(&harness, 2000);
    let fragments = vec![fragment(0, receive(1, &scan), to_client()), fragment(1, scan.clone(), gather(0))];
    let mut run = Cluster::new(&harness, 2).start(&fragments).unwrap();
    run.rows().unwrap();
    run.wait_over();
    let statistics: Vec<_> = run.executions.iter().map(|execution| execution.statistics()).collect();
    assert_eq!(statistics[0].rows_out, 2000);
    let senders = &statistics[1..];
    let sum = |of: fn(&nyala_executor::InstanceStatistics) -> u64| senders.iter().map(of).sum::<u64>();
    assert_eq!(sum(|s| s.rows_total), 2000);
    assert_eq!(sum(|s| s.rows_passed), 2000);
    assert_eq!(sum(|s| s.rows_scanned), 2000);
    assert_eq!(sum(|s| s.rows_out), 2000);
    assert_eq!(sum(|s| s.bytes_out), 16_000);
    let profile = run.profile();
    let scanned = &profile.operators[&scan.id];
    assert_eq!((scanned.rows_out, scanned.morsels), (2000, 20));
    assert_eq!(profile.rows, 2000);
    // Told at once by those that are over.
    let (sender, over) = mpsc::channel();
    run.executions[0].when_over(Box::new(move |result| _ = sender.send(result)));
    assert_eq!(over.try_recv().unwrap(), Ok(()));
}
