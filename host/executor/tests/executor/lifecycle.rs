//! Cancelling, limits, panics, slow clients, and the exchange of backends in the middle of a query.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant};

use arrow::datatypes::DataType;
use nyala_interpreter::Interpreter;
use nyala_pipeline::{Backend, Call, Executable, Outcome, Program};
use nyala_schema::expr::{ArithmeticOp, CompareOp};
use nyala_schema::operator::JoinKind;
use nyala_schema::option::BackendChoice;
use nyala_schema::{ErrorCode, Operator, OperatorKind, Result};

use crate::harness::{
    Harness, aggregate, arithmetic, call, column, compare, drain, filter, int, join_schema, operator,
    project, sort, sort_key,
};
use crate::table::{Kind, Row, Table};

fn numbers(count: i64) -> Table {
    Table::new("numbers", &[Kind::Int], (0..count).map(|n| vec![Some(n)]).collect::<Vec<Row>>())
}

/// Every number with every other: far more rows than anyone waits for.
fn endless(harness: &Harness) -> Operator {
    let (left, right) = (harness.scan(&numbers(20_000)), harness.scan(&numbers(20_000)));
    let schema = join_schema(JoinKind::Inner, &left, &right);
    let kind = OperatorKind::NestedLoopJoin { kind: JoinKind::Inner, condition: None };
    operator(kind, vec![left, right], schema)
}

/// The same, with nothing coming out.
fn endless_in_vain(harness: &Harness) -> Operator {
    let root = endless(harness);
    let sum = arithmetic(ArithmeticOp::Add, column(&root, 0), column(&root, 1));
    filter(compare(CompareOp::Less, sum, int(-1)), root)
}

#[test]
fn cancelling_ends_a_query_soon() {
    for root in [endless as fn(&Harness) -> Operator, endless_in_vain] {
        let harness = Harness::new();
        let mut execution = harness.start(&root(&harness)).unwrap();
        let handle = execution.cancel_handle();
        std::thread::sleep(Duration::from_millis(30));
        let start = Instant::now();
        handle.clone().cancel();
        let error = drain(&mut execution).unwrap_err();
        assert_eq!(error.code(), ErrorCode::Cancelled);
        assert!(start.elapsed() < Duration::from_millis(500));
        let error = execution.next(Duration::ZERO).unwrap().unwrap_err();
        assert_eq!(error.code(), ErrorCode::Cancelled);
    }
}

/// More slow clients than workers: each query holds no thread while nobody reads it.
#[test]
fn clients_that_do_not_read_block_nobody() {
    let harness = Harness::new();
    let root = endless(&harness);
    let mut waiting: Vec<_> = (0..5).map(|_| harness.start(&root).unwrap()).collect();
    for execution in &mut waiting {
        assert!(matches!(execution.next(Duration::from_secs(20)), Some(Ok(Some(_)))));
    }
    std::thread::sleep(Duration::from_millis(50));
    assert_eq!(harness.rows(&harness.scan(&numbers(5000))).unwrap().len(), 5000);
    // Those that waited go on where they were.
    for execution in &mut waiting {
        for _ in 0..40 {
            assert!(matches!(execution.next(Duration::from_secs(20)), Some(Ok(Some(_)))));
        }
    }
    drop(waiting);
    assert_eq!(harness.rows(&harness.scan(&numbers(10))).unwrap().len(), 10);
}

#[test]
fn a_timeout_is_no_end() {
    let harness = Harness::new();
    let mut execution = harness.start(&endless_in_vain(&harness)).unwrap();
    assert!(execution.next(Duration::from_millis(5)).is_none());
    assert!(execution.progress().fraction < 1.0);
}

#[test]
fn memory_is_limited_and_the_message_names_who_holds_it() {
    let mut harness = Harness::new();
    harness.options.memory_limit = 100_000;
    let scan = harness.scan(&numbers(50_000));
    let key = sort_key(column(&scan, 0), true, false);
    let error = harness.rows(&sort(vec![key], None, scan)).unwrap_err();
    assert_eq!(error.code(), ErrorCode::OutOfMemory);
    assert!(error.message().contains("held: sort o"), "{error}");
    assert!(error.hint().unwrap().contains("--memory-limit"));
    // What was held is given back: the next query has all of it.
    let scan = harness.scan(&numbers(1000));
    let key = sort_key(column(&scan, 0), true, false);
    let (rows, profile) = harness.run_profiled(&sort(vec![key], None, scan)).unwrap();
    assert_eq!(rows.iter().map(|batch| batch.num_rows()).sum::<usize>(), 1000);
    assert!(profile.peak_memory_bytes >= 8000, "{}", profile.peak_memory_bytes);
}

#[test]
fn an_error_in_code_ends_the_query_with_it() {
    let harness = Harness::new();
    let scan = harness.scan(&numbers(10_000));
    let zero = arithmetic(ArithmeticOp::Subtract, column(&scan, 0), int(9000));
    let root = project(vec![arithmetic(ArithmeticOp::Divide, int(1), zero)], scan);
    assert_eq!(harness.rows(&root).unwrap_err().code(), ErrorCode::DivisionByZero);
}

/// Code that does with a batch what the test says, and otherwise what the interpreter does.
struct Staged {
    interpreter: Interpreter,
    panics: bool,
    /// Compilation waits for this.
    gate: Arc<(Mutex<bool>, Condvar)>,
    runs: Arc<AtomicUsize>,
    compiled: Arc<AtomicBool>,
}

impl Staged {
    fn new(panics: bool) -> Self {
        Self {
            interpreter: Interpreter::new(),
            panics,
            gate: Arc::new((Mutex::new(true), Condvar::new())),
            runs: Arc::default(),
            compiled: Arc::default(),
        }
    }
}

struct StagedCode {
    inner: Arc<dyn Executable>,
    panics: bool,
    runs: Arc<AtomicUsize>,
}

impl Backend for Staged {
    fn name(&self) -> &'static str {
        "staged"
    }

    fn compile(&self, program: &Arc<Program>) -> Result<Arc<dyn Executable>> {
        let (open, changed) = &*self.gate;
        let _open = changed.wait_while(open.lock().unwrap(), |open| !*open).unwrap();
        self.compiled.store(true, Ordering::Relaxed);
        let inner = self.interpreter.compile(program)?;
        Ok(Arc::new(StagedCode { inner, panics: self.panics, runs: self.runs.clone() }))
    }
}

impl Executable for StagedCode {
    fn run(&self, call: Call<'_>) -> Result<Outcome> {
        assert!(!self.panics, "code that panics");
        self.runs.fetch_add(1, Ordering::Relaxed);
        self.inner.run(call)
    }
}

fn doubled(harness: &Harness, count: i64) -> Operator {
    let scan = harness.scan(&numbers(count));
    project(vec![arithmetic(ArithmeticOp::Add, column(&scan, 0), column(&scan, 0))], scan)
}

#[test]
fn a_panic_fails_one_query() {
    let mut harness = Harness::with_native(Some(Arc::new(Staged::new(true))));
    harness.options.backend = BackendChoice::Native;
    let root = doubled(&harness, 1000);
    for _ in 0..5 {
        let error = harness.rows(&root).unwrap_err();
        assert_eq!(error.code(), ErrorCode::Internal);
        assert!(error.message().contains("code that panics"), "{error}");
    }
    harness.options.backend = BackendChoice::Interpreter;
    assert_eq!(harness.rows(&root).unwrap().len(), 1000);
}

#[test]
fn native_runs_from_the_first_batch() {
    let mut harness = Harness::with_native(Some(Arc::new(Staged::new(false))));
    harness.options.backend = BackendChoice::Native;
    let (_, profile) = harness.run_profiled(&doubled(&harness, 1000)).unwrap();
    assert_eq!(profile.backend(), "staged");
    assert_eq!(profile.programs[0].switched_at, Some(0));
}

#[test]
fn short_queries_are_not_compiled() {
    let staged = Arc::new(Staged::new(false));
    let harness = Harness::with_native(Some(staged.clone()));
    let (_, profile) = harness.run_profiled(&doubled(&harness, 1000)).unwrap();
    assert_eq!(profile.backend(), "interpreter");
    assert!(!staged.compiled.load(Ordering::Relaxed));
}

/// Rows are the same before and after the change; it happens between two batches.
#[test]
fn long_queries_switch_to_compiled_code() {
    let staged = Arc::new(Staged::new(false));
    *staged.gate.0.lock().unwrap() = false;
    let harness = Harness::with_native(Some(staged.clone()));
    let mut execution = harness.start(&doubled(&harness, 60_000)).unwrap();
    let mut rows = 0;
    for _ in 0..50 {
        let Some(Ok(Some(batch))) = execution.next(Duration::from_secs(20)) else { panic!("no batch") };
        rows += batch.num_rows();
    }
    assert_eq!(staged.runs.load(Ordering::Relaxed), 0);
    *staged.gate.0.lock().unwrap() = true;
    staged.gate.1.notify_all();
    std::thread::sleep(Duration::from_millis(100));
    rows += drain(&mut execution).unwrap().iter().map(|batch| batch.num_rows()).sum::<usize>();
    assert_eq!(rows, 60_000);
    let profile = execution.profile();
    assert_eq!(profile.backend(), "mixed");
    assert!(profile.programs[0].switched_at.unwrap() >= 50);
    assert!(staged.runs.load(Ordering::Relaxed) > 100);
}

#[test]
fn a_profile_tells_what_operators_did() {
    let harness = Harness::new();
    let scan = harness.scan(&numbers(2000));
    let id = scan.id;
    let small = compare(CompareOp::Less, column(&scan, 0), int(100));
    let root = filter(small, scan);
    let sum = call("sum", vec![column(&root, 0)], DataType::Int64);
    let root = aggregate(vec![], vec![sum], root);
    let (batches, profile) = harness.run_profiled(&root).unwrap();
    assert_eq!(batches[0].num_rows(), 1);
    assert_eq!(profile.rows, 1);
    assert_eq!(profile.operators[&id].rows_in, 2000);
    assert_eq!(profile.operators[&id].morsels, 20);
    assert!(profile.bytes_read > 0);
    let text = profile.to_text(&root);
    assert!(text.contains("Aggregate") && text.contains("Scan numbers"), "{text}");
    assert!(text.contains("code: interpreter"), "{text}");
    assert!(text.lines().last().unwrap().starts_with("total: 1 rows"), "{text}");
}
