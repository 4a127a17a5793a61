//! Functions that trap, do not end or are not what they should be.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use arrow::array::{Array, ArrayRef, Int64Array};
use arrow::datatypes::DataType;
use nyala_pipeline::guest::{GuestUsage, ScalarGuest, Supervised, Supervisor};
use nyala_sandbox::RowFunction;
use nyala_schema::guest::{GuestCode, GuestFunction};
use nyala_schema::{Error, ErrorCode, Result};

use crate::modules::{function, giving_null};
use crate::subject::kernels;

const HOSTILE: &str = r#"(module
    (memory 1)
    (func (export "picky") (param i64) (result i64)
        (if (i64.eq (i64.rem_u (local.get 0) (i64.const 3)) (i64.const 1)) (then (unreachable)))
        (local.get 0))
    (func (export "endless") (param i64) (result i64) (loop (br 0)) (unreachable))
    (func $deep (export "deep") (param i64) (result i64) (i64.add (i64.const 1) (call $deep (local.get 0))))
    (func (export "greedy") (param i64) (result i64)
        (i64.extend_i32_s (memory.grow (i32.wrap_i64 (local.get 0))))))"#;

fn integers(values: &[Option<i64>]) -> ArrayRef {
    Arc::new(Int64Array::from(values.to_vec()))
}

fn hostile(name: &str) -> GuestFunction {
    function(HOSTILE, name, &[DataType::Int64], DataType::Int64)
}

fn call(function: GuestFunction, values: &[Option<i64>]) -> Result<ArrayRef> {
    RowFunction::new(&kernels().0, Arc::new(function))?.call(&[integers(values)], values.len())
}

#[test]
fn a_trap_names_function_and_row() {
    let values = [Some(0), None, Some(3), Some(4), Some(7)];
    let error = call(hostile("picky"), &values).unwrap_err();
    assert_eq!(error.code(), ErrorCode::GuestFailed);
    for part in ["picky@3", "export picky", "unreachable", "row 3"] {
        assert!(error.message().contains(part), "{part}: {error}");
    }
    let given = call(giving_null(hostile("picky")), &values).unwrap();
    assert_eq!(given.as_ref(), integers(&[Some(0), None, Some(3), None, None]).as_ref());
}

#[test]
fn the_stack_is_bounded() {
    let error = call(hostile("deep"), &[Some(1)]).unwrap_err();
    assert_eq!(error.code(), ErrorCode::GuestFailed);
    assert!(error.message().contains("stack"), "{error}");
}

#[test]
fn memory_is_bounded() {
    // 64 MiB are 1024 pages.
    let grown = call(hostile("greedy"), &[Some(1), Some(2000)]).unwrap();
    assert_eq!(grown.as_ref(), integers(&[Some(1), Some(-1)]).as_ref());
}

#[test]
fn time_is_bounded() {
    let error = call(hostile("endless"), &[Some(1)]).unwrap_err();
    assert_eq!(error.code(), ErrorCode::GuestLimit);
    assert!(error.message().contains("endless@3"), "{error}");
    let given = call(giving_null(hostile("endless")), &[Some(1), Some(2)]).unwrap();
    assert_eq!(given.null_count(), 2);
    // Without rows there is nothing to call it for.
    assert_eq!(call(hostile("endless"), &[None]).unwrap().null_count(), 1);
}

#[derive(Default)]
struct Watcher {
    cancelled: AtomicBool,
    calls: AtomicU64,
    traps: AtomicU64,
    held: AtomicU64,
}

impl Supervisor for Watcher {
    fn is_cancelled(&self) -> bool {
        self.cancelled.load(Ordering::Relaxed)
    }

    fn grow(&self, bytes: u64) -> Result<()> {
        self.held.fetch_add(bytes, Ordering::Relaxed);
        Ok(())
    }

    fn shrink(&self, bytes: u64) {
        self.held.fetch_sub(bytes, Ordering::Relaxed);
    }

    fn record(&self, code: &GuestCode, usage: &GuestUsage) {
        assert_eq!(code.version, 3);
        self.calls.fetch_add(usage.calls, Ordering::Relaxed);
        self.traps.fetch_add(usage.traps, Ordering::Relaxed);
    }
}

#[test]
fn cancelling_ends_a_loop() {
    let watcher = Arc::new(Watcher::default());
    let mut function = hostile("endless");
    function.code.limits.time_per_batch_ms = 3_600_000;
    let supervisor: Arc<dyn Supervisor> = watcher.clone();
    let worker = std::thread::spawn(move || {
        let _supervised = Supervised::enter(supervisor);
        call(function, &[Some(1)]).unwrap_err()
    });
    std::thread::sleep(Duration::from_millis(30));
    watcher.cancelled.store(true, Ordering::Relaxed);
    assert_eq!(worker.join().unwrap().code(), ErrorCode::Cancelled);
}

#[test]
fn use_is_told_and_memory_given_back() {
    let watcher = Arc::new(Watcher::default());
    let _supervised = Supervised::enter(watcher.clone());
    call(hostile("greedy"), &[Some(3)]).unwrap();
    assert_eq!(watcher.calls.load(Ordering::Relaxed), 1);
    call(hostile("picky"), &[Some(1)]).unwrap_err();
    assert!(watcher.traps.load(Ordering::Relaxed) > 0);
    assert_eq!(watcher.held.load(Ordering::Relaxed), 0);
}

#[test]
fn what_does_not_fit_is_refused_with_the_reason() {
    let refused = |text: &str, name: &str| -> Error {
        let function = function(text, name, &[DataType::Int64], DataType::Int64);
        RowFunction::new(&kernels().0, Arc::new(function)).err().unwrap()
    };
    let importing = r#"(module (import "env" "now" (func $now)) (func (export "f") (param i64) (result i64) (call $now) (local.get 0)))"#;
    let narrow = r#"(module (func (export "f") (param i32) (result i64) (i64.const 0)))"#;
    for (text, name, part) in
        [(importing, "f", "env.now"), (narrow, "f", "parameters"), (narrow, "g", "exports no function g")]
    {
        let error = refused(text, name);
        assert_eq!(error.code(), ErrorCode::InvalidModule);
        assert!(error.message().contains(part), "{error}");
    }
}
