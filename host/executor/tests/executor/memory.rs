//! What all queries hold together is limited, and the one that holds most goes.

use std::time::Duration;

use nyala_executor::{Execution, MemoryPool};
use nyala_schema::{Error, ErrorCode, Operator};

use crate::harness::{Harness, aggregate, column};
use crate::table::{Kind, Table};

const GREAT: usize = 50_000;
const SMALL: usize = 10_000;

/// As many groups as rows.
fn grouped(harness: &Harness, rows: usize) -> Operator {
    let numbers = (0..rows as i64).map(|n| vec![Some(n)]).collect();
    let scan = harness.scan(&Table::new(&format!("numbers{rows}"), &[Kind::Sparse], numbers));
    let key = column(&scan, 0);
    aggregate(vec![key], vec![], scan)
}

/// What a query of that many rows holds when it has seen all of them.
fn held(rows: usize) -> u64 {
    let harness = Harness::new();
    harness.run_profiled(&grouped(&harness, rows)).unwrap().1.peak_memory_bytes
}

/// One that holds all of its rows, and goes on when they are taken.
fn waiting(harness: &Harness, rows: usize) -> Execution {
    let mut execution = harness.start(&grouped(harness, rows)).unwrap();
    assert!(matches!(execution.next(Duration::from_secs(60)), Some(Ok(Some(_)))));
    execution
}

fn rest(mut execution: Execution) -> Result<usize, Error> {
    let mut rows = 0;
    while let Some(batch) = execution.next(Duration::from_secs(60)).expect("it goes on")? {
        rows += batch.num_rows();
    }
    Ok(rows)
}

#[test]
fn who_holds_most_is_refused_more() {
    let limit = held(SMALL) + held(GREAT) / 2;
    let harness = Harness::with_memory(MemoryPool::new(limit, "node n7"));
    let small = waiting(&harness, SMALL);
    let error = harness.rows(&grouped(&harness, GREAT)).unwrap_err();
    assert_eq!(error.code(), ErrorCode::OutOfMemory);
    let message = error.message();
    assert!(message.contains("on node n7") && message.contains("this query holds"), "{message}");
    assert!(message.contains("another one holds"), "{message}");
    assert!(error.hint().unwrap().contains("--memory-limit"));
    assert!(rest(small).unwrap() > 0, "it goes on");
    let now = harness.executor.memory();
    assert!(now.held == 0 && now.exhausted > 0, "{now:?}");
    assert!(now.peak <= limit);
}

#[test]
fn who_holds_most_makes_room_for_others() {
    let limit = held(GREAT) + held(SMALL) / 2;
    let harness = Harness::with_memory(MemoryPool::new(limit, "node n7"));
    let great = waiting(&harness, GREAT);
    let mut small = vec![];
    while harness.executor.memory().exhausted == 0 {
        small.push(waiting(&harness, SMALL));
    }
    small.into_iter().for_each(|small| assert!(rest(small).unwrap() > 0));
    let error = rest(great).unwrap_err();
    assert_eq!(error.code(), ErrorCode::OutOfMemory);
    assert!(error.message().contains("this one holds most"), "{error}");
    let now = harness.executor.memory();
    assert!(now.held == 0 && now.exhausted > 0, "{now:?}");
    assert!(now.peak <= limit + limit / 8);
    // Everything is there for the next.
    assert_eq!(harness.rows(&grouped(&harness, GREAT)).unwrap().len(), GREAT);
}

#[test]
fn many_at_once_fail_or_are_right_and_leave_nothing() {
    let limit = 2 * held(GREAT);
    let harness = Harness::with_memory(MemoryPool::new(limit, "node n7"));
    let running: Vec<Execution> =
        (0..12).map(|_| harness.start(&grouped(&harness, GREAT)).unwrap()).collect();
    let mut right = 0;
    for execution in running {
        match rest(execution) {
            Ok(rows) => {
                assert_eq!(rows, GREAT);
                right += 1;
            }
            Err(error) => assert_eq!(error.code(), ErrorCode::OutOfMemory),
        }
    }
    assert!(right > 0);
    let now = harness.executor.memory();
    assert_eq!(now.held, 0);
    assert!(now.peak <= limit + limit / 8);
}
