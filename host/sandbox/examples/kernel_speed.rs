//! How fast a sum over a user's function is, in the WASM backend, beside the same expression in native code.
//!
//! `cargo run -p nyala-sandbox --example kernel_speed`

use std::sync::Arc;
use std::time::Instant;

use arrow::array::{ArrayRef, Int64Array};
use arrow::datatypes::DataType;
use nyala_interpreter::Interpreter;
use nyala_native::NativeBackend;
use nyala_pipeline::backend::States;
use nyala_pipeline::program::{StateOp, StateUpdate};
use nyala_pipeline::{Backend, Block, Call, Op, Program, Statement, Type, ValueId};
use nyala_sandbox::artefact::Artefacts;
use nyala_sandbox::{CompilerChoice, Kernels, Modules, WasmBackend};
use nyala_schema::expr::{ArithmeticOp, CompareOp, Volatility};
use nyala_schema::guest::{GuestCode, GuestFunction, Limits, ModuleHash, Tier};
use nyala_schema::{Callee, Result};

const ROWS: usize = 8192;

struct One(Arc<[u8]>);

impl Modules for One {
    fn bytes(&self, _: ModuleHash) -> Result<Arc<[u8]>> {
        Ok(self.0.clone())
    }
}

/// The operations of the expression, from `a` on, each with `b` or a constant as its right side.
fn operations(count: usize) -> Vec<(ArithmeticOp, bool)> {
    let cycle = [(ArithmeticOp::Multiply, true), (ArithmeticOp::Add, true), (ArithmeticOp::Subtract, false)];
    (0..count).map(|index| cycle[index % 3]).collect()
}

fn module(count: usize, looping: bool) -> Vec<u8> {
    let mut body = "local.get 0 ".to_owned();
    for (op, of_column) in operations(count) {
        body += if of_column { "local.get 1 " } else { "i64.const 7 " };
        body += match op {
            ArithmeticOp::Multiply => "i64.mul ",
            ArithmeticOp::Add => "i64.add ",
            _ => "i64.sub ",
        };
    }
    let watched =
        if looping { "(loop $once (br_if $once (i64.eq (local.get 0) (i64.const -1))))" } else { "" };
    let text = format!("(module (func (export \"f\") (param i64 i64) (result i64) {watched} {body}))");
    wat::parse_str(text).expect("a module")
}

fn sum(statements: Vec<Statement>, value: ValueId) -> Arc<Program> {
    let ty = || Type::new(DataType::Int64, false);
    let updates = vec![StateUpdate { op: StateOp::SumInteger, value: Some(value), mask: None, offset: 0 }];
    Arc::new(Program {
        inputs: vec![ty(), ty()],
        parameters: vec![nyala_pipeline::program::ParameterType::Scalar(ty())],
        body: Block { statements },
        outputs: vec![],
        updates,
    })
}

fn columns() -> Vec<Statement> {
    let ty = || Type::new(DataType::Int64, false);
    vec![
        Statement::Let { id: ValueId(0), op: Op::Input(0), ty: ty() },
        Statement::Let { id: ValueId(1), op: Op::Input(1), ty: ty() },
        Statement::Let { id: ValueId(2), op: Op::Parameter(0), ty: ty() },
    ]
}

fn expression(count: usize) -> Arc<Program> {
    let mut statements = columns();
    let mut last = ValueId(0);
    for (index, (op, of_column)) in operations(count).into_iter().enumerate() {
        let id = ValueId(index as u32 + 3);
        let right = if of_column { ValueId(1) } else { ValueId(2) };
        let op = Op::Arithmetic { op, left: last, right, checked: false };
        statements.push(Statement::Let { id, op, ty: Type::new(DataType::Int64, false) });
        last = id;
    }
    sum(statements, last)
}

fn call() -> Arc<Program> {
    let function = GuestFunction {
        code: GuestCode {
            name: "f".into(),
            version: 1,
            module: ModuleHash([0; 32]),
            export: "f".into(),
            limits: Limits::default(),
        },
        tier: Tier::Row,
        arguments: vec![DataType::Int64, DataType::Int64],
        returns: DataType::Int64,
        strict: true,
        volatility: Volatility::Immutable,
        cost: 100,
        rows_per_row: 100,
    };
    let mut statements = columns();
    let op = Op::Call {
        function: Callee::Guest(Arc::new(function)),
        arguments: vec![ValueId(0), ValueId(1)],
        volatility: Volatility::Immutable,
    };
    statements.push(Statement::Let { id: ValueId(3), op, ty: Type::new(DataType::Int64, false) });
    sum(statements, ValueId(3))
}

/// One aggregate state, aligned as the executor aligns it.
#[repr(align(16))]
struct Record([u8; 16]);

/// Nanoseconds per row, the best of many, and the sum of one batch.
fn measure(backend: &dyn Backend, program: &Arc<Program>, inputs: &[ArrayRef]) -> Result<(f64, u128)> {
    let executable = backend.compile(program)?;
    let parameters = [nyala_pipeline::Parameter::Scalar(nyala_schema::Value::int64(7))];
    let mut best = f64::MAX;
    let mut first = None;
    for _ in 0..300 {
        let started = Instant::now();
        for _ in 0..20 {
            let mut record = Record([0; 16]);
            let records = &mut record.0;
            let states = Some(States { groups: None, records, stride: 16 });
            executable.run(Call { rows: ROWS, inputs, parameters: &parameters, selection: None, states })?;
            first.get_or_insert(u128::from_ne_bytes(record.0));
        }
        best = best.min(started.elapsed().as_secs_f64() / 20.0);
    }
    Ok((best * 1e9 / ROWS as f64, first.unwrap_or_default()))
}

/// Programs without functions: what they are called, the type of both columns, whether they have NULLs, and the program.
fn others() -> Vec<(&'static str, DataType, bool, Arc<Program>)> {
    let made = |data_type: DataType, nullable: bool, filter: bool, checked: bool, output: bool| {
        let ty = || Type::new(data_type.clone(), nullable);
        let mut statements = vec![
            Statement::Let { id: ValueId(0), op: Op::Input(0), ty: ty() },
            Statement::Let { id: ValueId(1), op: Op::Input(1), ty: ty() },
        ];
        if filter {
            let op = Op::Compare { op: CompareOp::Greater, left: ValueId(0), right: ValueId(1) };
            statements.push(Statement::Let {
                id: ValueId(2),
                op,
                ty: Type::new(DataType::Boolean, nullable),
            });
            statements.push(Statement::Filter(ValueId(2)));
        }
        for (id, op, left, right) in [(3, ArithmeticOp::Multiply, 0, 1), (4, ArithmeticOp::Add, 3, 0)] {
            let op = Op::Arithmetic { op, left: ValueId(left), right: ValueId(right), checked };
            statements.push(Statement::Let { id: ValueId(id), op, ty: ty() });
        }
        let op = if data_type == DataType::Float64 { StateOp::SumFloat } else { StateOp::SumInteger };
        let mut updates = vec![StateUpdate { op, value: Some(ValueId(4)), mask: None, offset: 0 }];
        let mut outputs = vec![];
        if output {
            updates.clear();
            outputs.push(ValueId(4));
        }
        let parameter = nyala_pipeline::program::ParameterType::Scalar(Type::new(DataType::Int64, false));
        Arc::new(Program {
            inputs: vec![ty(), ty()],
            parameters: vec![parameter],
            body: Block { statements },
            outputs,
            updates,
        })
    };
    let (int, float) = (DataType::Int64, DataType::Float64);
    vec![
        ("float sum", float.clone(), false, made(float.clone(), false, false, false, false)),
        ("checked sum", int.clone(), false, made(int.clone(), false, false, true, false)),
        ("checked sum with NULLs", int.clone(), true, made(int.clone(), true, false, true, false)),
        ("filtered sum", int.clone(), false, made(int.clone(), false, true, false, false)),
        ("column", int.clone(), false, made(int.clone(), false, false, false, true)),
        ("column with NULLs", int.clone(), true, made(int, true, false, false, true)),
        ("filtered float column", float.clone(), false, made(float, false, true, false, true)),
    ]
}

fn compare_others(inputs: &[ArrayRef; 2]) -> Result<()> {
    let native = NativeBackend::new(Arc::new(Interpreter::new()));
    let kernels = Kernels::new(
        Arc::new(One(module(3, false).into())),
        Arc::new(Artefacts::new(None, CompilerChoice::InProcess)?),
    )?;
    let wasm = WasmBackend::new(kernels, Arc::new(Interpreter::new()));
    for (name, data_type, nulls, program) in others() {
        let zeros = Int64Array::from(vec![13; ROWS]);
        let column = |array: &ArrayRef| -> Result<ArrayRef> {
            let array: ArrayRef = match nulls {
                true => arrow::compute::nullif(array, &arrow::compute::kernels::cmp::eq(array, &zeros)?)?,
                false => array.clone(),
            };
            Ok(arrow::compute::cast(&array, &data_type)?)
        };
        let inputs = [column(&inputs[0])?, column(&inputs[1])?];
        let (native_ns, expected) = measure(&native, &program, &inputs)?;
        let (ns, sum) = measure(&wasm, &program, &inputs)?;
        assert_eq!(sum, expected, "the sums differ");
        println!("{name}: native {native_ns:.3}, wasm {ns:.3} ns a row, {:.2} of native", ns / native_ns);
    }
    Ok(())
}

fn main() -> Result<()> {
    let numbers = |step: i64| -> ArrayRef {
        Arc::new(Int64Array::from_iter_values((0..ROWS as i64).map(|i| i * step % 91)))
    };
    let inputs = [numbers(7), numbers(13)];
    compare_others(&inputs)?;
    for count in [3, 20] {
        let native = NativeBackend::new(Arc::new(Interpreter::new()));
        let (native_ns, expected) = measure(&native, &expression(count), &inputs)?;
        println!("{count} operations: native {native_ns:.3} ns a row");
        for (name, looping, program) in [
            ("wasm, expression", false, expression(count)),
            ("wasm, function", false, call()),
            ("wasm, function with a loop", true, call()),
        ] {
            let kernels = Kernels::new(
                Arc::new(One(module(count, looping).into())),
                Arc::new(Artefacts::new(None, CompilerChoice::InProcess)?),
            )?;
            let wasm = WasmBackend::new(kernels, Arc::new(Interpreter::new()));
            let (ns, sum) = measure(&wasm, &program, &inputs)?;
            assert_eq!(sum, expected, "the sums differ");
            println!("  {name}: {ns:.3} ns a row, {:.2} of native", ns / native_ns);
        }
    }
    Ok(())
}
