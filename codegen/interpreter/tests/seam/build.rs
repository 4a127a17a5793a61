//! Programs written by hand, and short ways to arrays.

use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, BooleanArray, Decimal64Array, Decimal128Array, Float64Array, Int64Array, StringViewArray,
};
use arrow::datatypes::DataType;
use nyala_interpreter::Interpreter;
use nyala_pipeline::backend::States;
use nyala_pipeline::program::{
    Block, Branch, Op, Parameter, ParameterType, Program, StateUpdate, Statement, Type, ValueId,
};
use nyala_pipeline::{Backend, Call, Outcome};
use nyala_schema::expr::{ArithmeticOp, CompareOp, Volatility};
use nyala_schema::{Result, Value};

/// A program under construction. Blocks of `If` are opened and closed on a stack.
#[derive(Default)]
pub struct Make {
    inputs: Vec<Type>,
    columns: Vec<ArrayRef>,
    types: Vec<ParameterType>,
    parameters: Vec<Parameter>,
    blocks: Vec<Block>,
    next: u32,
    outputs: Vec<ValueId>,
    updates: Vec<StateUpdate>,
}

pub const BIGINT: DataType = DataType::Int64;
pub const BOOLEAN: DataType = DataType::Boolean;
pub const TEXT: DataType = DataType::Utf8View;
pub const DOUBLE: DataType = DataType::Float64;

impl Make {
    pub fn new() -> Self {
        Self { blocks: vec![Block::default()], ..Self::default() }
    }

    pub fn op(&mut self, op: Op, data_type: DataType) -> ValueId {
        let id = ValueId(self.next);
        self.next += 1;
        let ty = Type::new(data_type, true);
        self.blocks.last_mut().unwrap().statements.push(Statement::Let { id, op, ty });
        id
    }

    pub fn input(&mut self, column: ArrayRef) -> ValueId {
        let data_type = match column.data_type() {
            DataType::Dictionary(_, value) => value.as_ref().clone(),
            other => other.clone(),
        };
        self.inputs.push(Type::new(data_type.clone(), true));
        self.columns.push(column);
        self.op(Op::Input(self.inputs.len() as u32 - 1), data_type)
    }

    pub fn constant(&mut self, value: Value) -> ValueId {
        let data_type = match value.data_type() {
            DataType::Utf8 => DataType::Utf8View,
            other => other.clone(),
        };
        self.types.push(ParameterType::Scalar(Type::new(data_type.clone(), value.is_null())));
        self.parameters.push(Parameter::Scalar(value));
        self.op(Op::Parameter(self.parameters.len() as u32 - 1), data_type)
    }

    pub fn set(&mut self, values: ArrayRef) -> u32 {
        self.types.push(ParameterType::Set { data_type: values.data_type().clone(), len: values.len() });
        self.parameters.push(Parameter::Set(values));
        self.parameters.len() as u32 - 1
    }

    pub fn number(&mut self, value: i64) -> ValueId {
        self.constant(Value::int64(value))
    }

    pub fn text(&mut self, value: &str) -> ValueId {
        self.constant(Value::utf8(value))
    }

    pub fn compare(&mut self, op: CompareOp, left: ValueId, right: ValueId) -> ValueId {
        self.op(Op::Compare { op, left, right }, BOOLEAN)
    }

    pub fn arithmetic(&mut self, op: ArithmeticOp, left: ValueId, right: ValueId, ty: DataType) -> ValueId {
        self.op(Op::Arithmetic { op, left, right, checked: true }, ty)
    }

    pub fn cast(&mut self, input: ValueId, safe: bool, ty: DataType) -> ValueId {
        self.op(Op::Cast { input, safe }, ty)
    }

    pub fn like(&mut self, input: ValueId, pattern: ValueId, negated: bool) -> ValueId {
        self.op(Op::Like { input, pattern, escape: None, negated, case_insensitive: false }, BOOLEAN)
    }

    pub fn call(&mut self, function: &str, arguments: Vec<ValueId>, ty: DataType) -> ValueId {
        self.op(Op::Call { function: function.into(), arguments, volatility: Volatility::Immutable }, ty)
    }

    pub fn volatile(&mut self, function: &str, ty: DataType) -> ValueId {
        let call =
            Op::Call { function: function.into(), arguments: vec![], volatility: Volatility::Volatile };
        self.op(call, ty)
    }

    pub fn choose(
        &mut self,
        condition: ValueId,
        then: impl FnOnce(&mut Self) -> ValueId,
        otherwise: impl FnOnce(&mut Self) -> ValueId,
        ty: DataType,
    ) -> ValueId {
        let then = self.branch(then);
        let otherwise = self.branch(otherwise);
        self.op(Op::If { condition, then, otherwise }, ty)
    }

    fn branch(&mut self, body: impl FnOnce(&mut Self) -> ValueId) -> Branch {
        self.blocks.push(Block::default());
        let result = body(self);
        Branch { block: self.blocks.pop().unwrap(), result }
    }

    pub fn filter(&mut self, condition: ValueId) {
        self.blocks[0].statements.push(Statement::Filter(condition));
    }

    pub fn output(&mut self, value: ValueId) {
        self.outputs.push(value);
    }

    pub fn update(&mut self, update: StateUpdate) {
        self.updates.push(update);
    }

    pub fn program(&self) -> Arc<Program> {
        Arc::new(Program {
            inputs: self.inputs.clone(),
            parameters: self.types.clone(),
            body: self.blocks[0].clone(),
            outputs: self.outputs.clone(),
            updates: self.updates.clone(),
        })
    }

    pub fn run(&self) -> Result<Outcome> {
        self.run_with(None, None)
    }

    pub fn run_with(&self, selection: Option<&[u32]>, states: Option<States<'_>>) -> Result<Outcome> {
        let executable = Interpreter::new().compile(&self.program())?;
        let rows = self.columns.first().map_or(0, |column| column.len());
        executable.run(Call { rows, inputs: &self.columns, parameters: &self.parameters, selection, states })
    }

    /// The only output.
    pub fn result(&self) -> Result<ArrayRef> {
        Ok(self.run()?.columns.remove(0))
    }
}

pub fn numbers(values: impl IntoIterator<Item = impl Into<Option<i64>>>) -> ArrayRef {
    Arc::new(values.into_iter().map(Into::into).collect::<Int64Array>())
}

pub fn doubles(values: impl IntoIterator<Item = impl Into<Option<f64>>>) -> ArrayRef {
    Arc::new(values.into_iter().map(Into::into).collect::<Float64Array>())
}

pub fn flags(values: impl IntoIterator<Item = impl Into<Option<bool>>>) -> ArrayRef {
    Arc::new(values.into_iter().map(Into::into).collect::<BooleanArray>())
}

pub fn texts<'a>(values: impl IntoIterator<Item = impl Into<Option<&'a str>>>) -> ArrayRef {
    Arc::new(values.into_iter().map(Into::into).collect::<StringViewArray>())
}

pub fn small(values: impl IntoIterator<Item = impl Into<Option<i64>>>, precision: u8, scale: i8) -> ArrayRef {
    let array: Decimal64Array = values.into_iter().map(Into::into).collect();
    Arc::new(array.with_precision_and_scale(precision, scale).unwrap())
}

pub fn large(
    values: impl IntoIterator<Item = impl Into<Option<i128>>>,
    precision: u8,
    scale: i8,
) -> ArrayRef {
    let array: Decimal128Array = values.into_iter().map(Into::into).collect();
    Arc::new(array.with_precision_and_scale(precision, scale).unwrap())
}

/// Panics with both sides when they differ in type or any value.
#[track_caller]
pub fn same(left: &ArrayRef, right: &ArrayRef) {
    assert_eq!(left.data_type(), right.data_type());
    assert_eq!(left.as_ref(), right.as_ref());
}
