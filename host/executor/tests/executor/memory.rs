//! What all queries hold together is limited.

use std::time::Duration;

use nyala_executor::{Execution, MemoryPool};
use nyala_schema::{Error, ErrorCode, Operator};

use crate::harness::{Harness, aggregate, column};
use crate::table::{Kind, Table};

const GREAT: usize = 50_000;

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

fn rest(mut execution: Execution) -> Result<usize, Error> {
    let mut rows = 0;
    while let Some(batch) = execution.next(Duration::from_secs(60)).expect("it goes on")? {
        rows += batch.num_rows();
    }
    Ok(rows)
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
