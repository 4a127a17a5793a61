//! An executor without threads: one thread runs everything, in the same order each time.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use arrow::datatypes::DataType;
use nyala_exchange::Input;
use nyala_executor::{Ends, Execution};
use nyala_schema::id::FragmentId;
use nyala_schema::{Fragment, Operator};

use super::cluster::{broadcast, fragment, gather, hash, receive, to_client};
use super::wire::{Pipe, Ways};
use crate::harness::{Harness, aggregate, call, column};
use crate::table::{Kind, Random, Table, batch_text};

pub fn driven() -> Harness {
    let mut harness =
        Harness::with_guests(Arc::new(crate::guests::Fakes::default()), |config| config.threads = 0);
    harness.options.threads = 3;
    harness
}

fn instance(harness: &Harness, fragment: &Fragment, ends: Ends) -> Execution {
    let plan = nyala_pipeline::build(fragment).unwrap();
    harness.executor.start_instance(Arc::new(plan), &harness.options, ends).unwrap()
}

fn sums(harness: &Harness) -> (Operator, Operator) {
    let mut random = Random::new(3);
    let rows = (0..5000).map(|_| vec![Some(random.below(50)), random.maybe(1000, 5)]).collect();
    let scan = harness.scan(&Table::new("table", &[Kind::Int, Kind::Int], rows));
    let sum = |input: Operator| {
        let calls = vec![call("sum", vec![column(&input, 1)], DataType::Int64)];
        aggregate(vec![column(&input, 0)], calls, input)
    };
    (sum(scan.clone()), scan)
}

/// Three instances that send to two that send to one.
fn start(harness: &Harness) -> Vec<Execution> {
    let (grouped, scan) = sums(harness);
    let calls = vec![call("sum", vec![column(&scan, 1)], DataType::Int64)];
    let rows = receive(2, &scan);
    let middle = aggregate(vec![column(&rows, 0)], calls, rows);
    let up: Vec<_> = (0..2).map(|_| Pipe::new(3, 1)).collect();
    let down = Pipe::new(2, 1);
    let mut executions = vec![];
    let inputs = HashMap::from([(FragmentId(1), down.clone() as Arc<dyn Input>)]);
    let top = fragment(0, receive(1, &grouped), to_client());
    executions.push(instance(harness, &top, Ends { inputs, ..Ends::default() }));
    for pipe in &up {
        let inputs = HashMap::from([(FragmentId(2), pipe.clone() as Arc<dyn Input>)]);
        let output = Some(Ways::new(vec![down.clone()]) as Arc<dyn nyala_exchange::Output>);
        let fragment = fragment(1, middle.clone(), gather(0));
        executions.push(instance(harness, &fragment, Ends { inputs, output, ..Ends::default() }));
    }
    for _ in 0..3 {
        let output = Some(Ways::new(up.clone()) as Arc<dyn nyala_exchange::Output>);
        let fragment = fragment(2, scan.clone(), hash(1, &scan, &[0]));
        executions.push(instance(harness, &fragment, Ends { output, ..Ends::default() }));
    }
    executions
}

#[test]
fn one_thread_runs_all_instances() {
    let mut seen = vec![];
    for _ in 0..2 {
        let harness = driven();
        let mut executions = start(&harness);
        assert_eq!(executions[0].next(Duration::ZERO), None, "nothing runs by itself");
        let mut jobs = 0;
        while harness.executor.run_one() {
            jobs += 1;
        }
        let mut batches = vec![];
        while let Some(Ok(Some(batch))) = executions[0].next(Duration::ZERO) {
            batches.push(batch);
            while harness.executor.run_one() {
                jobs += 1;
            }
        }
        assert!(executions.iter().all(|execution| execution.statistics().is_over));
        seen.push((batch_text(&batches), jobs));
    }
    assert_eq!(seen[0], seen[1]);
    let threads = Harness::new();
    let (single, _) = sums(&threads);
    // Each of the three senders has read the whole table.
    let expected: Vec<Vec<String>> = threads.sorted(&single).unwrap();
    let mut found = seen[0].0.clone();
    found.sort();
    let tripled = |row: &Vec<String>| vec![row[0].clone(), (3 * row[1].parse::<i64>().unwrap()).to_string()];
    assert_eq!(found, expected.iter().map(tripled).collect::<Vec<_>>());
}

#[derive(Default)]
struct Calls(AtomicUsize);

impl Wake for Calls {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

/// Who drives the executor, and who waits for rows, are woken instead of asking again and again.
#[test]
fn drivers_and_clients_are_woken() {
    let harness = driven();
    let (work, rows) = (Arc::new(Calls::default()), Arc::new(Calls::default()));
    let (work_waker, rows_waker) = (Waker::from(work.clone()), Waker::from(rows.clone()));
    let (mut for_work, mut for_rows) = (Context::from_waker(&work_waker), Context::from_waker(&rows_waker));
    assert!(harness.executor.poll_work(&mut for_work).is_pending());
    let (root, _) = sums(&harness);
    let mut execution = harness.start(&root).unwrap();
    assert_eq!(work.0.load(Ordering::Relaxed), 1);
    assert!(harness.executor.poll_work(&mut for_work).is_ready());
    assert!(execution.poll_next(&mut for_rows).is_pending());
    while rows.0.load(Ordering::Relaxed) == 0 {
        assert!(harness.executor.run_one());
    }
    let mut count = 0;
    loop {
        match execution.poll_next(&mut for_rows) {
            Poll::Ready(next) => match next.unwrap() {
                Some(batch) => count += batch.num_rows(),
                None => break,
            },
            Poll::Pending => assert!(harness.executor.run_one()),
        }
    }
    assert_eq!(count, 50);
}

/// Dropped with tasks that wait: they end when the executor is gone at the latest.
#[test]
fn dropping_a_driven_executor_frees_what_waits() {
    let harness = driven();
    let silent = Pipe::new(1, 1);
    let scan = harness.scan(&Table::new("none", &[Kind::Int], vec![]));
    let inputs = HashMap::from([(FragmentId(2), silent.clone() as Arc<dyn Input>)]);
    let next = Pipe::new(1, 1);
    let output = Some(Ways::new(vec![next.clone()]) as Arc<dyn nyala_exchange::Output>);
    let fragment = fragment(1, receive(2, &scan), broadcast(0));
    let execution = instance(&harness, &fragment, Ends { inputs, output, ..Ends::default() });
    while harness.executor.run_one() {}
    assert!(silent.waits.load(Ordering::Relaxed) >= 3);
    drop(execution);
    drop(harness);
    assert!(silent.is_closed());
    assert_eq!(
        (Arc::strong_count(&silent), Arc::strong_count(&next)),
        (1, 1),
        "somebody still holds the ends"
    );
}
