//! `verify_backends`: code that does something else than the interpreter is found out. And which code runs what.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use arrow::array::{ArrayRef, AsArray, Float64Array};
use arrow::datatypes::{DataType, Float64Type, Int64Type};
use nyala_interpreter::Interpreter;
use nyala_pipeline::{Backend, Call, Executable, Outcome, Program};
use nyala_schema::expr::{ArithmeticOp, CompareOp, Volatility};
use nyala_schema::guest::{GuestFunction, Tier};
use nyala_schema::option::BackendChoice;
use nyala_schema::{Callee, Error, ErrorCode, Expr, Operator, Result};

use crate::guests::{Fakes, function};
use crate::harness::{Harness, aggregate, arithmetic, call, column, compare, filter, int, project};
use crate::table::{Kind, Table};

/// What is done to the results of the interpreter.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Fault {
    None,
    /// The value 77 becomes 78.
    Value,
    /// The last row that passes is dropped.
    Selection,
    /// One bit of the first state.
    State,
    Failure,
    OtherNan,
}

struct Faulty {
    name: &'static str,
    interpreter: Interpreter,
    fault: Fault,
    runs: Arc<AtomicUsize>,
}

struct FaultyCode(Arc<dyn Executable>, Fault, Arc<AtomicUsize>);

impl Backend for Faulty {
    fn name(&self) -> &'static str {
        self.name
    }

    fn compile(&self, program: &Arc<Program>) -> Result<Arc<dyn Executable>> {
        let inner = self.interpreter.compile(program)?;
        Ok(Arc::new(FaultyCode(inner, self.fault, self.runs.clone())))
    }
}

impl Executable for FaultyCode {
    fn run(&self, mut call: Call<'_>) -> Result<Outcome> {
        self.2.fetch_add(1, Relaxed);
        if let (Some(states), Fault::State) = (&mut call.states, self.1) {
            states.records[0] ^= 1;
        }
        let mut outcome = self.0.run(call)?;
        match self.1 {
            Fault::None | Fault::State => {}
            Fault::Failure => return Err(Error::new(ErrorCode::DivisionByZero, "in vain")),
            Fault::Selection => _ = outcome.selection.as_mut().and_then(Vec::pop),
            Fault::Value => {
                for column in &mut outcome.columns {
                    let values = column.as_primitive::<Int64Type>();
                    let changed = values.unary::<_, Int64Type>(|v| if v == 77 { 78 } else { v });
                    *column = Arc::new(changed) as ArrayRef;
                }
            }
            Fault::OtherNan => {
                for column in &mut outcome.columns {
                    let nan = f64::from_bits(f64::NAN.to_bits() | 1);
                    let values = column.as_primitive::<Float64Type>().values().iter();
                    let values = values.map(|v| if v.is_nan() { nan } else { *v });
                    *column = Arc::new(values.collect::<Float64Array>()) as ArrayRef;
                }
            }
        }
        Ok(outcome)
    }
}

fn backend(name: &'static str, fault: Fault, guests: &Arc<Fakes>) -> (Arc<dyn Backend>, Arc<AtomicUsize>) {
    let runs = Arc::new(AtomicUsize::new(0));
    let interpreter = Interpreter::with_guests(guests.clone());
    (Arc::new(Faulty { name, interpreter, fault, runs: runs.clone() }), runs)
}

fn with_fault(fault: Fault) -> Harness {
    let guests = Arc::new(Fakes::default());
    let (native, _) = backend("native", fault, &guests);
    let mut harness = Harness::with_guests(guests, |config| config.native = Some(native));
    harness.options.backend = BackendChoice::Native;
    harness.options.verify_backends = true;
    harness
}

/// A query over a table of the harness.
type Root = fn(&Harness) -> Operator;

fn numbers(harness: &Harness) -> Operator {
    harness.scan(&Table::new("t", &[Kind::Int], (0..1000).map(|n| vec![Some(n)]).collect()))
}

fn doubled(harness: &Harness) -> Operator {
    let scan = numbers(harness);
    let plus = arithmetic(ArithmeticOp::Add, column(&scan, 0), int(1));
    project(vec![plus], scan)
}

fn low(harness: &Harness) -> Operator {
    let scan = numbers(harness);
    filter(compare(CompareOp::Less, column(&scan, 0), int(50)), scan)
}

fn total(harness: &Harness) -> Operator {
    let scan = numbers(harness);
    aggregate(vec![], vec![call("sum", vec![column(&scan, 0)], DataType::Int64)], scan)
}

fn not_a_number(harness: &Harness) -> Operator {
    let scan = harness.scan(&Table::new("f", &[Kind::Float], vec![vec![Some(0)], vec![Some(3)]]));
    let (left, right) = (Box::new(column(&scan, 0)), Box::new(column(&scan, 0)));
    let data_type = DataType::Float64;
    project(vec![Expr::Arithmetic { op: ArithmeticOp::Divide, left, right, data_type }], scan)
}

#[test]
fn a_planted_difference_is_found_and_named() {
    let cases: [(Fault, Root, &str); 4] = [
        (Fault::Value, doubled, "output 0 in row 12 is 78 against 77"),
        (Fault::Selection, low, "is dropped"),
        (Fault::State, total, "the state of group 0 differs in `update"),
        (Fault::Failure, doubled, "only native fails"),
    ];
    for (fault, root, message) in cases {
        let mut harness = with_fault(fault);
        let error = harness.rows(&root(&harness)).unwrap_err();
        assert_eq!(error.code(), ErrorCode::Internal, "{fault:?}: {error}");
        assert!(error.message().contains(message), "{fault:?}: {error}");
        assert!(error.message().contains("= input 0 : Int64"), "the program is shown: {error}");
        harness.options.verify_backends = false;
        let result = harness.rows(&root(&harness));
        assert_eq!(result.is_ok(), fault != Fault::Failure, "nothing is compared unless it is asked for");
    }
}

#[test]
fn what_is_equal_passes() {
    let cases: [(Fault, Root); 5] = [
        (Fault::None, doubled),
        (Fault::None, low),
        (Fault::None, total),
        (Fault::None, not_a_number),
        (Fault::OtherNan, not_a_number),
    ];
    for (fault, root) in cases {
        let harness = with_fault(fault);
        let (_, profile) = harness.run_profiled(&root(&harness)).unwrap();
        assert_eq!(profile.backend(), "native");
    }
    // Both fail, which is agreement.
    let harness = with_fault(Fault::Failure);
    let scan = harness.scan(&Table::new("zero", &[Kind::Int], vec![vec![Some(0)]]));
    let root = project(vec![arithmetic(ArithmeticOp::Divide, int(1), column(&scan, 0))], scan);
    assert_eq!(harness.rows(&root).unwrap_err().code(), ErrorCode::DivisionByZero);
}

fn guest(function: GuestFunction, argument: Expr) -> Expr {
    Expr::Call {
        data_type: DataType::Int64,
        nullable: true,
        volatility: function.volatility,
        arguments: vec![argument],
        function: Callee::Guest(Arc::new(function)),
    }
}

/// It may give something else each time.
#[test]
fn volatile_calls_are_not_compared() {
    let harness = with_fault(Fault::Value);
    let scan = numbers(&harness);
    let double = function("double", &[DataType::Int64], DataType::Int64);
    let double = GuestFunction { volatility: Volatility::Volatile, ..double };
    let odd = arithmetic(ArithmeticOp::Add, guest(double, column(&scan, 0)), int(1));
    assert_eq!(harness.rows(&project(vec![odd], scan)).unwrap().len(), 1000);
}

#[test]
fn the_wasm_backend_runs_functions_over_numbers_and_what_it_is_asked_to() {
    let guests = Arc::new(Fakes::default());
    let (native, native_runs) = backend("native", Fault::None, &guests);
    let (wasm, wasm_runs) = backend("wasm", Fault::None, &guests);
    let mut harness = Harness::with_guests(guests, |config| {
        config.native = Some(native);
        config.wasm = Some(wasm);
    });
    let double =
        |tier: Tier| GuestFunction { tier, ..function("double", &[DataType::Int64], DataType::Int64) };
    let cases = [
        (BackendChoice::Native, Tier::Row, "wasm"),
        (BackendChoice::Native, Tier::Batch, "native"),
        (BackendChoice::Wasm, Tier::Batch, "wasm"),
        (BackendChoice::Interpreter, Tier::Row, "interpreter"),
        // Too few rows.
        (BackendChoice::Auto, Tier::Row, "interpreter"),
    ];
    for (choice, tier, expected) in cases {
        harness.options.backend = choice;
        let scan = numbers(&harness);
        // Not at the top of the program.
        let branch = Expr::Case {
            branches: vec![(
                compare(CompareOp::Less, column(&scan, 0), int(500)),
                guest(double(tier), column(&scan, 0)),
            )],
            otherwise: None,
            data_type: DataType::Int64,
        };
        let (_, profile) = harness.run_profiled(&project(vec![branch], scan)).unwrap();
        assert_eq!(profile.backend(), expected, "{choice:?} {tier:?}");
    }
    assert!(native_runs.load(Relaxed) > 0 && wasm_runs.load(Relaxed) > 0);
}
