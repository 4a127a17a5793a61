//! CASE as nested `If`s, a branch's rows evaluating that branch alone.

use arrow::datatypes::DataType;
use nyala_schema::{Expr, Result, Value};

use super::{Lowering, Operand, Scope};
use crate::column::{Column, exact_type};
use crate::program::{Block, Branch, Op, ValueId};

/// A branch before the type of the whole is known: the block behind THEN is still open for a conversion.
struct Arm {
    condition: ValueId,
    then: Scope,
    result: Operand,
}

impl Lowering<'_> {
    pub(super) fn case(
        &mut self,
        whole: &Expr,
        branches: &[(Expr, Expr)],
        otherwise: Option<&Expr>,
        data_type: &DataType,
        level: usize,
    ) -> Result<Operand> {
        let mut known = self.scopes.iter().rev().flat_map(|scope| &scope.cases);
        if let Some((.., operand)) = known.find(|(at, expr, _)| *at == level && expr == whole) {
            return Ok(operand.clone());
        }
        let operand = self.new_case(branches, otherwise, data_type, level)?;
        if !super::is_volatile(whole) {
            let depth = self.scopes.len() - 1;
            self.scopes[depth].cases.push((level, whole.clone(), operand.clone()));
        }
        Ok(operand)
    }

    /// Every arm but the first is lowered in the `otherwise` block of the one before, which stays open.
    fn new_case(
        &mut self,
        branches: &[(Expr, Expr)],
        otherwise: Option<&Expr>,
        data_type: &DataType,
        level: usize,
    ) -> Result<Operand> {
        let mut arms: Vec<Arm> = vec![];
        let mut last = None;
        for (condition, then) in branches {
            let condition = self.lower(condition, level)?;
            if let Operand::Constant(value) = &condition {
                match value.as_bool() {
                    Some(true) => {
                        last = Some(self.lower(then, level)?);
                        break;
                    }
                    Some(false) | None => continue,
                }
            }
            let condition = self.value(&condition, &DataType::Boolean)?;
            self.enter();
            let result = self.lower(then, level)?;
            arms.push(Arm { condition, then: self.leave()?, result });
            self.enter();
        }
        let last = match (last, otherwise) {
            (Some(last), _) => last,
            (None, Some(otherwise)) => self.lower(otherwise, level)?,
            (None, None) => Operand::Constant(super::physical_value(&Value::null(data_type))?),
        };
        self.close_arms(arms, last, data_type)
    }

    fn close_arms(&mut self, arms: Vec<Arm>, last: Operand, data_type: &DataType) -> Result<Operand> {
        if arms.is_empty() {
            return Ok(last);
        }
        let common = self.common_column(&arms, &last, data_type);
        let mut result = self.value(&last, common.data_type())?;
        for arm in arms.into_iter().rev() {
            let rest = self.leave()?;
            self.reenter(arm.then);
            let value = self.value(&arm.result, common.data_type())?;
            let then = self.leave()?;
            let (then, rest) = (self.hoist(then), self.hoist(rest));
            let nullable = self.nullable(value) || self.nullable(result);
            let fails = self.block_fails(&then) || self.block_fails(&rest);
            let column = if nullable { common.clone().or_null() } else { common.clone() };
            let op = Op::If {
                condition: arm.condition,
                then: Branch { block: Block { statements: then.statements }, result: value },
                otherwise: Branch { block: Block { statements: rest.statements }, result },
            };
            result = self.emit_alone(op, column, fails);
        }
        Ok(Operand::Computed(result))
    }

    /// A block that may as well be evaluated for every row becomes a part of the one around it: then its values can be
    /// shared, and the `If` is a mere selection.
    fn hoist(&mut self, scope: Scope) -> Scope {
        if self.is_harmless(&scope) {
            self.splice(scope);
            return Scope::default();
        }
        scope
    }

    /// A column, not nullable, that holds the results of all branches.
    fn common_column(&self, arms: &[Arm], last: &Operand, data_type: &DataType) -> Column {
        let results = arms.iter().map(|arm| &arm.result).chain([last]);
        let columns = results.map(|operand| self.column_of(operand));
        let unified = columns.reduce(|left, right| left.unify(&right, data_type));
        let mut column = unified.unwrap_or_else(|| Column::of_type(exact_type(data_type), true));
        column.ty.nullable = false;
        column
    }
}
