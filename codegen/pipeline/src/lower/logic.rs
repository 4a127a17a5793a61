//! AND and OR: both sides evaluated where that is harmless, the right side guarded where it may fail.

use arrow::datatypes::DataType;
use nyala_schema::{Expr, Result};

use super::{Lowering, Operand, Scope};
use crate::column::Column;
use crate::program::{Block, Branch, Op, ValueId};

impl Lowering<'_> {
    pub(super) fn boolean(&mut self, expr: &Expr, level: usize) -> Result<ValueId> {
        let operand = self.lower(expr, level)?;
        self.value(&operand, &DataType::Boolean)
    }

    pub(super) fn and(&mut self, left: &Expr, right: &Expr, level: usize) -> Result<Operand> {
        let left = self.lower(left, level)?;
        match constant(&left) {
            Some(true) => return self.lower(right, level),
            Some(false) => return Ok(left),
            None => {}
        }
        let left = self.value(&left, &DataType::Boolean)?;
        let (right, guarded) = self.right_side(right, level)?;
        let Some(scope) = guarded else {
            return Ok(self.emit_logic(Op::And(left, right), left, right));
        };
        // `NOT left` is true just where `left` is false and decides.
        let (condition, decided_when) =
            if self.nullable(left) { (self.emit_not(left), true) } else { (left, false) };
        self.guarded(scope, condition, decided_when, left, Op::And(left, right), right)
    }

    pub(super) fn or(&mut self, left: &Expr, right: &Expr, level: usize) -> Result<Operand> {
        let left = self.lower(left, level)?;
        match constant(&left) {
            Some(false) => return self.lower(right, level),
            Some(true) => return Ok(left),
            None => {}
        }
        let left = self.value(&left, &DataType::Boolean)?;
        let (right, guarded) = self.right_side(right, level)?;
        match guarded {
            None => Ok(self.emit_logic(Op::Or(left, right), left, right)),
            Some(scope) => self.guarded(scope, left, true, left, Op::Or(left, right), right),
        }
    }

    /// Lowers the right operand: into this block if it cannot fail, else into a block of its own.
    fn right_side(&mut self, right: &Expr, level: usize) -> Result<(ValueId, Option<Scope>)> {
        self.enter();
        let value = self.boolean(right, level)?;
        let scope = self.leave()?;
        if self.block_fails(&scope) {
            return Ok((value, Some(scope)));
        }
        self.splice(scope);
        Ok((value, None))
    }

    fn emit_not(&mut self, input: ValueId) -> ValueId {
        let column = self.known(input).clone();
        self.emit(Op::Not(input), column, false)
    }

    pub(super) fn emit_and(&mut self, left: ValueId, right: ValueId) -> ValueId {
        let combined = self.emit_logic(Op::And(left, right), left, right);
        self.own_value(&combined)
    }

    fn emit_logic(&mut self, op: Op, left: ValueId, right: ValueId) -> Operand {
        let nullable = self.nullable(left) || self.nullable(right);
        Operand::Computed(self.emit(op, Column::of_type(DataType::Boolean, nullable), false))
    }

    /// Rows where `condition` is `decided_when` take `left`; the others evaluate `scope` and then `combine`, which
    /// is just `right` where `left` cannot be NULL.
    fn guarded(
        &mut self,
        scope: Scope,
        condition: ValueId,
        decided_when: bool,
        left: ValueId,
        combine: Op,
        right: ValueId,
    ) -> Result<Operand> {
        let nullable = self.nullable(left) || self.nullable(right);
        self.reenter(scope);
        let result = if self.nullable(left) {
            let combined = self.emit_logic(combine, left, right);
            self.own_value(&combined)
        } else {
            right
        };
        let evaluated = Branch { block: Block { statements: self.leave()?.statements }, result };
        let decided = Branch { block: Block::default(), result: left };
        let (then, otherwise) = if decided_when { (decided, evaluated) } else { (evaluated, decided) };
        let column = Column::of_type(DataType::Boolean, nullable);
        Ok(Operand::Computed(self.emit_alone(Op::If { condition, then, otherwise }, column, true)))
    }
}

fn constant(operand: &Operand) -> Option<bool> {
    match operand {
        Operand::Constant(value) => value.as_bool(),
        Operand::Computed(_) => None,
    }
}
