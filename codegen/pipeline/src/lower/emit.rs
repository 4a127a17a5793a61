//! Statements, scopes and parameters of a program in the making.

use arrow::array::ArrayRef;
use arrow::datatypes::DataType;
use nyala_schema::{Error, Result, Value};

use super::{Known, Lowering, Operand, Scope};
use crate::column::Column;
use crate::program::{Op, Parameter, ParameterType, Statement, Type, ValueId};

impl Lowering<'_> {
    /// Adds an operation to the innermost block, or finds an equal one that dominates it.
    pub(super) fn emit(&mut self, op: Op, column: Column, fails: bool) -> ValueId {
        let key = (op, column.ty.clone());
        if let Some(id) = self.scopes.iter().rev().find_map(|scope| scope.operations.get(&key)) {
            return *id;
        }
        let depth = self.scopes.len() - 1;
        let id = self.define(key.0.clone(), column, fails, depth);
        self.scopes[depth].operations.insert(key, id);
        id
    }

    /// Adds an operation that is not to be shared.
    pub(super) fn emit_alone(&mut self, op: Op, column: Column, fails: bool) -> ValueId {
        self.define(op, column, fails, self.scopes.len() - 1)
    }

    fn define(&mut self, op: Op, column: Column, fails: bool, depth: usize) -> ValueId {
        let id = ValueId(u32::try_from(self.values.len()).unwrap_or(u32::MAX));
        let ty = column.ty.clone();
        self.values.push(Known { column, fails });
        self.scopes[depth].statements.push(Statement::Let { id, op, ty });
        id
    }

    /// Inputs and parameters cost nothing and stand in the outermost block, where all can see them.
    fn emit_outermost(&mut self, op: Op, column: Column) -> ValueId {
        let key = (op, column.ty.clone());
        if let Some(id) = self.scopes[0].operations.get(&key) {
            return *id;
        }
        let id = self.define(key.0.clone(), column, false, 0);
        self.scopes[0].operations.insert(key, id);
        id
    }

    pub(super) fn push_filter(&mut self, condition: ValueId) {
        self.scopes[0].statements.push(Statement::Filter(condition));
    }

    pub(super) fn enter(&mut self) {
        self.scopes.push(Scope::default());
    }

    /// Ends the innermost block.
    pub(super) fn leave(&mut self) -> Result<Scope> {
        if self.scopes.len() < 2 {
            return Err(Error::internal("the outermost block of a program was left"));
        }
        self.scopes.pop().ok_or_else(|| Error::internal("a program without a block"))
    }

    /// Takes up a block again that was left.
    pub(super) fn reenter(&mut self, scope: Scope) {
        self.scopes.push(scope);
    }

    /// Makes a block that was left a part of the innermost one.
    pub(super) fn splice(&mut self, scope: Scope) {
        let depth = self.scopes.len() - 1;
        let outer = &mut self.scopes[depth];
        outer.statements.extend(scope.statements);
        outer.operations.extend(scope.operations);
        outer.columns.extend(scope.columns);
        outer.cases.extend(scope.cases);
    }

    /// Whether a statement of the block may be an error.
    pub(super) fn block_fails(&self, scope: &Scope) -> bool {
        scope.statements.iter().any(|statement| match statement {
            Statement::Let { id, .. } => self.values[id.0 as usize].fails,
            Statement::Filter(_) => false,
        })
    }

    /// Chunk column `index`.
    pub(super) fn input(&mut self, index: usize) -> Result<Operand> {
        let column = self.chunk.get(index).cloned().ok_or_else(|| {
            Error::internal(format!("column {index} of a chunk of {} columns was read", self.chunk.len()))
        })?;
        let position = self.inputs.iter().position(|input| *input == index).unwrap_or_else(|| {
            self.inputs.push(index);
            self.inputs.len() - 1
        });
        Ok(Operand::Computed(self.emit_outermost(Op::Input(position as u32), column)))
    }

    /// A constant as a value, in its own type.
    pub(super) fn parameter(&mut self, value: &Value) -> ValueId {
        let column = super::cast::column_of_value(value);
        let entry = (ParameterType::Scalar(column.ty.clone()), Parameter::Scalar(value.clone()));
        let index = self.parameter_index(entry);
        self.emit_outermost(Op::Parameter(index), column)
    }

    /// The values of an IN list; their index among the parameters.
    pub(super) fn set_parameter(&mut self, values: ArrayRef) -> u32 {
        let data_type = values.data_type().clone();
        self.parameter_index((ParameterType::Set { data_type, len: values.len() }, Parameter::Set(values)))
    }

    fn parameter_index(&mut self, entry: (ParameterType, Parameter)) -> u32 {
        let found = self.parameters.iter().position(|known| *known == entry);
        found.unwrap_or_else(|| {
            self.parameters.push(entry);
            self.parameters.len() - 1
        }) as u32
    }

    /// The operand as a value of just this type.
    pub(super) fn value(&mut self, operand: &Operand, data_type: &DataType) -> Result<ValueId> {
        match operand {
            Operand::Constant(value) => match super::cast::fold(value, data_type) {
                Some(value) => Ok(self.parameter(&value)),
                None => {
                    let id = self.parameter(value);
                    Ok(self.convert(id, data_type, false))
                }
            },
            Operand::Computed(id) => Ok(self.convert(*id, data_type, false)),
        }
    }

    /// The operand as a value of its own type.
    pub(super) fn own_value(&mut self, operand: &Operand) -> ValueId {
        match operand {
            Operand::Constant(value) => self.parameter(value),
            Operand::Computed(id) => *id,
        }
    }

    pub(super) fn known(&self, id: ValueId) -> &Column {
        &self.values[id.0 as usize].column
    }

    pub(super) fn type_of(&self, id: ValueId) -> &Type {
        &self.known(id).ty
    }

    pub(super) fn nullable(&self, id: ValueId) -> bool {
        self.type_of(id).nullable
    }
}
