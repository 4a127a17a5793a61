//! Nanoseconds a row of loops like those of TPC-H's queries 6 and 1, and the time to compile them.

use std::sync::Arc;
use std::time::Instant;

use arrow::array::{ArrayRef, Date32Array, Decimal64Array};
use arrow::datatypes::DataType;
use nyala_interpreter::Interpreter;
use nyala_native::NativeBackend;
use nyala_pipeline::backend::States;
use nyala_pipeline::program::{ParameterType, StateOp, StateUpdate};
use nyala_pipeline::{Backend, Block, Call, Op, Parameter, Program, Statement, Type, ValueId};
use nyala_schema::Value;
use nyala_schema::expr::{ArithmeticOp, CompareOp};

const ROWS: usize = 8192;
const ROUNDS: usize = 2000;

#[derive(Default)]
struct Builder {
    inputs: Vec<Type>,
    parameters: Vec<Parameter>,
    statements: Vec<Statement>,
    values: u32,
    updates: Vec<StateUpdate>,
}

impl Builder {
    fn let_(&mut self, op: Op, data_type: DataType) -> ValueId {
        let id = ValueId(self.values);
        self.values += 1;
        self.statements.push(Statement::Let { id, op, ty: Type::new(data_type, false) });
        id
    }

    fn input(&mut self, data_type: DataType) -> ValueId {
        self.inputs.push(Type::new(data_type.clone(), true));
        let id = self.let_(Op::Input(self.inputs.len() as u32 - 1), data_type);
        if let Some(Statement::Let { ty, .. }) = self.statements.last_mut() {
            ty.nullable = true;
        }
        id
    }

    fn constant(&mut self, value: Value) -> ValueId {
        let data_type = value.data_type().clone();
        self.parameters.push(Parameter::Scalar(value));
        self.let_(Op::Parameter(self.parameters.len() as u32 - 1), data_type)
    }

    fn filter(&mut self, op: CompareOp, left: ValueId, right: ValueId) {
        let id = self.let_(Op::Compare { op, left, right }, DataType::Boolean);
        self.statements.push(Statement::Filter(id));
    }

    fn arithmetic(&mut self, op: ArithmeticOp, left: ValueId, right: ValueId, to: DataType) -> ValueId {
        self.let_(Op::Arithmetic { op, left, right, checked: true }, to)
    }

    fn update(&mut self, op: StateOp, value: Option<ValueId>) {
        let offset = self.updates.len() as u32 * 16;
        self.updates.push(StateUpdate { op, value, mask: None, offset });
    }

    fn program(&self) -> Arc<Program> {
        let parameters = self.parameters.iter().map(|parameter| match parameter {
            Parameter::Scalar(value) => ParameterType::Scalar(Type::new(value.data_type().clone(), false)),
            Parameter::Set(values) => {
                ParameterType::Set { data_type: values.data_type().clone(), len: values.len() }
            }
        });
        Arc::new(Program {
            inputs: self.inputs.clone(),
            parameters: parameters.collect(),
            body: Block { statements: self.statements.clone() },
            outputs: vec![],
            updates: self.updates.clone(),
        })
    }
}

fn decimals(values: impl Iterator<Item = i64>) -> ArrayRef {
    Arc::new(Decimal64Array::from_iter_values(values).with_precision_and_scale(12, 2).unwrap())
}

fn noise(seed: u64) -> impl Iterator<Item = i64> {
    let mut state = seed;
    std::iter::repeat_with(move || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 40) as i64
    })
}

fn money() -> DataType {
    DataType::Decimal64(12, 2)
}

/// Five comparisons, one product, one sum.
fn query6() -> (Builder, Vec<ArrayRef>) {
    let mut b = Builder::default();
    let (ship, discount) = (b.input(DataType::Date32), b.input(money()));
    let (quantity, price) = (b.input(money()), b.input(money()));
    let day = |day: i32| Value::new(Arc::new(Date32Array::from(vec![day])));
    let cents = |cents: i64| Value::new(decimals(std::iter::once(cents)));
    let (from, to) = (b.constant(day(400)), b.constant(day(765)));
    let (low, high, few) = (b.constant(cents(5)), b.constant(cents(7)), b.constant(cents(2400)));
    b.filter(CompareOp::GreaterOrEqual, ship, from);
    b.filter(CompareOp::Less, ship, to);
    b.filter(CompareOp::GreaterOrEqual, discount, low);
    b.filter(CompareOp::LessOrEqual, discount, high);
    b.filter(CompareOp::Less, quantity, few);
    let product = b.arithmetic(ArithmeticOp::Multiply, price, discount, DataType::Decimal64(18, 4));
    b.update(StateOp::SumInteger, Some(product));
    let columns: Vec<ArrayRef> = vec![
        Arc::new(Date32Array::from_iter_values(noise(1).take(ROWS).map(|n| (n % 2500) as i32))),
        decimals(noise(2).take(ROWS).map(|n| n % 11)),
        decimals(noise(3).take(ROWS).map(|n| n % 50 * 100)),
        decimals(noise(4).take(ROWS).map(|n| n % 10_000_000)),
    ];
    (b, columns)
}

/// Two products, six states.
fn query1() -> (Builder, Vec<ArrayRef>) {
    let mut b = Builder::default();
    let (quantity, price) = (b.input(money()), b.input(money()));
    let (discount, tax) = (b.input(money()), b.input(money()));
    let one = b.constant(Value::new(decimals(std::iter::once(100))));
    let left = b.arithmetic(ArithmeticOp::Subtract, one, discount, money());
    let net = b.arithmetic(ArithmeticOp::Multiply, price, left, DataType::Decimal64(18, 4));
    let more = b.arithmetic(ArithmeticOp::Add, one, tax, money());
    let gross = b.arithmetic(ArithmeticOp::Multiply, net, more, DataType::Decimal128(30, 6));
    for value in [quantity, price, net, gross, discount] {
        b.update(StateOp::SumInteger, Some(value));
    }
    b.update(StateOp::Count, None);
    let columns = vec![
        decimals(noise(1).take(ROWS).map(|n| n % 50 * 100)),
        decimals(noise(2).take(ROWS).map(|n| n % 10_000_000)),
        decimals(noise(3).take(ROWS).map(|n| n % 11)),
        decimals(noise(4).take(ROWS).map(|n| n % 9)),
    ];
    (b, columns)
}

fn measure(
    name: &str,
    backend: &dyn Backend,
    builder: &Builder,
    columns: &[ArrayRef],
    groups: Option<&[u32]>,
) {
    let started = Instant::now();
    let executable = backend.compile(&builder.program()).unwrap();
    let compiled = started.elapsed();
    let stride = builder.updates.len() * 16;
    let mut records = vec![[0u8; 16]; stride / 16 * 6];
    let mut best = f64::MAX;
    for _ in 0..ROUNDS {
        let started = Instant::now();
        let call = Call {
            rows: ROWS,
            inputs: columns,
            parameters: &builder.parameters,
            selection: None,
            states: Some(States { groups, records: records.as_flattened_mut(), stride }),
        };
        executable.run(call).unwrap();
        best = best.min(started.elapsed().as_nanos() as f64 / ROWS as f64);
    }
    println!("{name:12} {:12} {best:6.2} ns/row, compile {compiled:?}", backend.name());
}

fn main() {
    let interpreter = Interpreter::new();
    let native = NativeBackend::new(Arc::new(Interpreter::new()));
    let groups: Vec<u32> = noise(9).take(ROWS).map(|n| (n % 4) as u32).collect();
    let backends: [&dyn Backend; 2] = [&interpreter, &native];
    for backend in backends {
        let (builder, columns) = query6();
        measure("q6", backend, &builder, &columns, None);
        let (builder, columns) = query1();
        measure("q1", backend, &builder, &columns, None);
        measure("q1 grouped", backend, &builder, &columns, Some(&groups));
    }
    println!("{:?}", native.compile_stats());
    if std::env::args().any(|argument| argument == "--listing") {
        for (builder, _) in [query6(), query1()] {
            println!("{}", native.compile(&builder.program()).unwrap().listing());
        }
    }
}
