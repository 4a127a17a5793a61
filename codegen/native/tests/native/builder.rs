//! Writing programs by hand.

use std::sync::Arc;

use arrow::array::ArrayRef;
use arrow::datatypes::DataType;
use nyala_interpreter::Interpreter;
use nyala_pipeline::backend::States;
use nyala_pipeline::program::{Branch, ParameterType, StateOp, StateUpdate};
use nyala_pipeline::{Backend, Block, Call, Op, Outcome, Parameter, Program, Statement, Type, ValueId};
use nyala_schema::expr::{ArithmeticOp, CompareOp};
use nyala_schema::{Result, Value};

/// A program that grows statement by statement.
#[derive(Default)]
pub struct Builder {
    pub inputs: Vec<Type>,
    pub parameters: Vec<ParameterType>,
    pub constants: Vec<Parameter>,
    pub statements: Vec<Statement>,
    pub types: Vec<Type>,
    pub outputs: Vec<ValueId>,
    pub updates: Vec<StateUpdate>,
}

impl Builder {
    pub fn let_(&mut self, op: Op, ty: Type) -> ValueId {
        let id = ValueId(self.types.len() as u32);
        self.types.push(ty.clone());
        self.statements.push(Statement::Let { id, op, ty });
        id
    }

    pub fn input(&mut self, data_type: DataType, nullable: bool) -> ValueId {
        let ty = Type::new(data_type, nullable);
        self.inputs.push(ty.clone());
        self.let_(Op::Input(self.inputs.len() as u32 - 1), ty)
    }

    pub fn constant(&mut self, value: Value) -> ValueId {
        let ty = Type::new(value.data_type().clone(), value.is_null());
        self.parameters.push(ParameterType::Scalar(ty.clone()));
        self.constants.push(Parameter::Scalar(value));
        self.let_(Op::Parameter(self.parameters.len() as u32 - 1), ty)
    }

    pub fn set(&mut self, values: ArrayRef) -> u32 {
        self.parameters.push(ParameterType::Set { data_type: values.data_type().clone(), len: values.len() });
        self.constants.push(Parameter::Set(values));
        self.parameters.len() as u32 - 1
    }

    pub fn data_type(&self, id: ValueId) -> DataType {
        self.types[id.0 as usize].data_type.clone()
    }

    pub fn nullable(&self, ids: &[ValueId]) -> bool {
        ids.iter().any(|id| self.types[id.0 as usize].nullable)
    }

    pub fn arithmetic(&mut self, op: ArithmeticOp, left: ValueId, right: ValueId, to: DataType) -> ValueId {
        let ty = Type::new(to, self.nullable(&[left, right]));
        self.let_(Op::Arithmetic { op, left, right, checked: true }, ty)
    }

    pub fn compare(&mut self, op: CompareOp, left: ValueId, right: ValueId) -> ValueId {
        let never = matches!(op, CompareOp::Distinct | CompareOp::NotDistinct);
        let nullable = !never && self.nullable(&[left, right]);
        self.let_(Op::Compare { op, left, right }, Type::new(DataType::Boolean, nullable))
    }

    pub fn cast(&mut self, input: ValueId, to: DataType, safe: bool) -> ValueId {
        let nullable = safe || self.nullable(&[input]);
        self.let_(Op::Cast { input, safe }, Type::new(to, nullable))
    }

    pub fn like(&mut self, input: ValueId, pattern: &str) -> ValueId {
        let pattern = self.constant(view(pattern));
        let nullable = self.nullable(&[input]);
        let op = Op::Like { input, pattern, escape: None, negated: false, case_insensitive: false };
        self.let_(op, Type::new(DataType::Boolean, nullable))
    }

    pub fn filter(&mut self, id: ValueId) {
        self.statements.push(Statement::Filter(id));
    }

    pub fn update(&mut self, op: StateOp, value: Option<ValueId>, mask: Option<ValueId>) {
        let offset = self.updates.len() as u32 * 16;
        self.updates.push(StateUpdate { op, value, mask, offset });
    }

    /// The statements added by `inner`, taken out of the block as a branch.
    pub fn branch(&mut self, inner: impl FnOnce(&mut Self) -> ValueId) -> Branch {
        let outer = std::mem::take(&mut self.statements);
        let result = inner(self);
        let statements = std::mem::replace(&mut self.statements, outer);
        Branch { block: Block { statements }, result }
    }

    pub fn if_(&mut self, condition: ValueId, then: Branch, otherwise: Branch) -> ValueId {
        let ty = Type::new(self.data_type(then.result), self.nullable(&[then.result, otherwise.result]));
        self.let_(Op::If { condition, then, otherwise }, ty)
    }

    pub fn program(&self) -> Arc<Program> {
        Arc::new(Program {
            inputs: self.inputs.clone(),
            parameters: self.parameters.clone(),
            body: Block { statements: self.statements.clone() },
            outputs: self.outputs.clone(),
            updates: self.updates.clone(),
        })
    }
}

pub fn view(text: &str) -> Value {
    Value::utf8(text).cast(&DataType::Utf8View).unwrap()
}

pub fn interpreter() -> Interpreter {
    Interpreter::new()
}

/// A batch to run a program over.
#[derive(Debug, Clone)]
pub struct Batch {
    pub rows: usize,
    pub inputs: Vec<ArrayRef>,
    pub selection: Option<Vec<u32>>,
    pub groups: Option<Vec<u32>>,
    pub group_count: usize,
}

impl Batch {
    pub fn of(inputs: Vec<ArrayRef>) -> Self {
        let rows = inputs.first().map_or(0, |input| input.len());
        Self { rows, inputs, selection: None, groups: None, group_count: 1 }
    }
}

/// Runs a program; gives the outcome and the records afterwards.
pub fn run(
    backend: &dyn Backend,
    builder: &Builder,
    batch: &Batch,
    initial: &[u8],
) -> Result<(Outcome, Vec<u8>)> {
    let executable = backend.compile(&builder.program())?;
    let mut records = Records::new(initial, batch.group_count);
    let states = (!builder.updates.is_empty()).then(|| States {
        groups: batch.groups.as_deref(),
        records: records.bytes(),
        stride: initial.len(),
    });
    let outcome = executable.run(Call {
        rows: batch.rows,
        inputs: &batch.inputs,
        parameters: &builder.constants,
        selection: batch.selection.as_deref(),
        states,
    })?;
    Ok((outcome, records.bytes().to_vec()))
}

/// Records on the alignment that they have in the executor.
struct Records {
    words: Vec<[u8; 16]>,
}

impl Records {
    fn new(initial: &[u8], groups: usize) -> Self {
        let one: Vec<[u8; 16]> = initial.chunks(16).map(|chunk| chunk.try_into().unwrap()).collect();
        Self { words: one.repeat(groups) }
    }

    fn bytes(&mut self) -> &mut [u8] {
        self.words.as_flattened_mut()
    }
}
