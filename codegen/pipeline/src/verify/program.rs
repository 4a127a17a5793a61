//! The rules of one program: definition before use, operand types, places of filters, record offsets.

use std::collections::HashMap;

use arrow::datatypes::DataType;
use nyala_schema::expr::{ArithmeticOp, CompareOp};
use nyala_schema::{Error, Result};

use crate::column::decimal_parts;
use crate::program::{
    Block, Branch, Op, ParameterType, Program, StateOp, StateUpdate, Statement, Type, ValueId,
};

impl Program {
    /// # Errors
    /// Internal, naming the statement and the rule that it breaks.
    pub fn verify(&self) -> Result<()> {
        let mut checker = Checker { program: self, next: 0, visible: vec![HashMap::new()] };
        checker.block(&self.body, true)?;
        for id in &self.outputs {
            checker.type_of(*id).map_err(|error| error.context("output"))?;
        }
        for update in &self.updates {
            checker.update(update).map_err(|error| error.context(format!("update @{}", update.offset)))?;
        }
        if !self.outputs.is_empty() && !self.updates.is_empty() {
            return Err(Error::internal("a program has outputs or updates, not both"));
        }
        Ok(())
    }
}

struct Checker<'p> {
    program: &'p Program,
    /// The number that the next value must have.
    next: u32,
    /// Types of the values that dominate, by block, outermost first.
    visible: Vec<HashMap<ValueId, Type>>,
}

impl Checker<'_> {
    fn block(&mut self, block: &Block, outermost: bool) -> Result<()> {
        for statement in &block.statements {
            match statement {
                Statement::Filter(id) => {
                    let place = || format!("filter %{}", id.0);
                    if !outermost {
                        return Err(Error::internal(format!("{}: inside a block", place())));
                    }
                    self.boolean(*id).map_err(|error| error.context(place()))?;
                }
                Statement::Let { id, op, ty } => {
                    self.statement(*id, op, ty).map_err(|error| error.context(format!("%{}", id.0)))?;
                }
            }
        }
        Ok(())
    }

    fn statement(&mut self, id: ValueId, op: &Op, ty: &Type) -> Result<()> {
        let nullable = self.operation(op, ty)?;
        require(!nullable || ty.nullable, "may be NULL but its type says not")?;
        require(id.0 == self.next, "is not numbered in order")?;
        self.next += 1;
        if let Some(scope) = self.visible.last_mut() {
            scope.insert(id, ty.clone());
        }
        Ok(())
    }

    /// Checks operands against the result's type; says whether the result may be NULL.
    fn operation(&mut self, op: &Op, ty: &Type) -> Result<bool> {
        let operands = op.operands().into_iter().map(|id| self.type_of(id)).collect::<Result<Vec<_>>>()?;
        let nullable = operands.iter().any(|operand| operand.nullable);
        let types: Vec<&DataType> = operands.iter().map(|operand| &operand.data_type).collect();
        let result = &ty.data_type;
        match op {
            Op::Input(index) => {
                let input = self.program.inputs.get(*index as usize);
                let input = input.ok_or_else(|| Error::internal("there is no such input"))?;
                require(input.data_type == *result, "has not the input's type")?;
                return Ok(input.nullable);
            }
            Op::Parameter(index) => {
                let Some(ParameterType::Scalar(known)) = self.program.parameters.get(*index as usize) else {
                    return Err(Error::internal("there is no such scalar parameter"));
                };
                require(known.data_type == *result, "has not the parameter's type")?;
                return Ok(known.nullable);
            }
            Op::Arithmetic { op, .. } => arithmetic(*op, types[0], types[1], result)?,
            Op::Negate { .. } => require(types[0] == result, "negation changes the type")?,
            Op::Compare { op, .. } => {
                require(types[0] == types[1], &format!("compares {} with {}", types[0], types[1]))?;
                require(*result == DataType::Boolean, "a comparison is Boolean")?;
                return Ok(nullable && !matches!(op, CompareOp::Distinct | CompareOp::NotDistinct));
            }
            Op::And(..) | Op::Or(..) | Op::Not(_) => {
                let all = types.iter().chain([&result]).all(|data_type| **data_type == DataType::Boolean);
                require(all, "logic takes and gives Booleans")?;
            }
            Op::IsNull(_) => {
                require(*result == DataType::Boolean, "IS NULL is Boolean")?;
                return Ok(false);
            }
            Op::If { then, otherwise, .. } => {
                require(*types[0] == DataType::Boolean, "the condition is not Boolean")?;
                let then = self.branch(then, ty)?;
                let otherwise = self.branch(otherwise, ty)?;
                return Ok(then || otherwise);
            }
            Op::Cast { .. } => {}
            Op::Like { .. } => {
                require(types.iter().all(|ty| **ty == DataType::Utf8View), "LIKE takes text")?;
                require(*result == DataType::Boolean, "LIKE is Boolean")?;
            }
            Op::InSet { set, .. } => {
                let Some(ParameterType::Set { data_type, .. }) = self.program.parameters.get(*set as usize)
                else {
                    return Err(Error::internal("there is no such set parameter"));
                };
                require(types[0] == data_type, "the set has another type")?;
                require(*result == DataType::Boolean, "IN is Boolean")?;
            }
            // The library says what it gives.
            Op::Call { .. } => return Ok(false),
        }
        Ok(nullable)
    }

    /// Whether the branch may give NULL.
    fn branch(&mut self, branch: &Branch, ty: &Type) -> Result<bool> {
        self.visible.push(HashMap::new());
        self.block(&branch.block, false)?;
        let result = self.type_of(branch.result).map_err(|error| error.context("yield"))?;
        self.visible.pop();
        require(result.data_type == ty.data_type, "a branch gives another type")?;
        Ok(result.nullable)
    }

    fn type_of(&self, id: ValueId) -> Result<Type> {
        let found = self.visible.iter().rev().find_map(|scope| scope.get(&id));
        found.cloned().ok_or_else(|| Error::internal(format!("%{} is not defined here", id.0)))
    }

    fn boolean(&self, id: ValueId) -> Result<()> {
        require(self.type_of(id)?.data_type == DataType::Boolean, "is not Boolean")
    }

    fn update(&self, update: &StateUpdate) -> Result<()> {
        update.mask.map_or(Ok(()), |mask| self.boolean(mask))?;
        let value = update.value.map(|id| self.type_of(id)).transpose()?.map(|ty| ty.data_type);
        match (&update.op, &value) {
            (StateOp::Count, _) => {}
            (_, None) => return Err(Error::internal("has no value")),
            (StateOp::SumInteger, Some(value)) => {
                require(value.is_integer() || decimal_parts(value).is_some(), "sums what is no number")?;
            }
            (StateOp::SumFloat, Some(value)) => {
                require(*value == DataType::Float64, "sums what is no Float64")?;
            }
            (StateOp::Min(data_type) | StateOp::Max(data_type), Some(value)) => {
                require(value == data_type, "has a value of another type")?;
            }
        }
        let size = update.op.size().ok_or_else(|| Error::internal("has a type of no fixed size"))?;
        require(update.offset.is_multiple_of(size), "is not aligned")
    }
}

fn arithmetic(op: ArithmeticOp, left: &DataType, right: &DataType, result: &DataType) -> Result<()> {
    let (Some((_, s1)), Some((_, s2)), Some((_, s))) =
        (decimal_parts(left), decimal_parts(right), decimal_parts(result))
    else {
        let plain = result.is_floating() || (result.is_integer() && left.is_integer() && right.is_integer());
        return require(!plain || (left == result && right == result), "operands have not the result's type");
    };
    let same_width =
        [left, right].iter().all(|ty| std::mem::discriminant(*ty) == std::mem::discriminant(result));
    require(same_width, "operands have not the result's width")?;
    match op {
        ArithmeticOp::Add | ArithmeticOp::Subtract | ArithmeticOp::Remainder => {
            require(s1 == s && s2 == s, "operands have not the result's scale")
        }
        ArithmeticOp::Multiply => {
            require(s1.checked_add(s2) == Some(s), "the scale is not the sum of scales")
        }
        ArithmeticOp::Divide => Ok(()),
    }
}

pub(super) fn require(holds: bool, rule: &str) -> Result<()> {
    if holds { Ok(()) } else { Err(Error::internal(rule)) }
}
