//! One match over expressions: what each becomes.

use std::sync::Arc;

use arrow::datatypes::DataType;
use nyala_schema::expr::Volatility;
use nyala_schema::{Callee, Expr, Result, Value};

use super::{Lowering, Operand, physical_value};
use crate::column::{Column, exact_type};
use crate::guest::as_called;
use crate::program::Op;

impl Lowering<'_> {
    /// Lowers an expression over the columns of `level`.
    pub(super) fn lower(&mut self, expr: &Expr, level: usize) -> Result<Operand> {
        match expr {
            Expr::Column { index, .. } => self.layer_column(level, *index),
            Expr::Literal(value) => Ok(Operand::Constant(physical_value(value)?)),
            Expr::Arithmetic { op, left, right, data_type } => {
                let (left, right) = (self.lower(left, level)?, self.lower(right, level)?);
                self.arithmetic(*op, &left, &right, data_type)
            }
            Expr::Compare { op, left, right } => self.compare(*op, left, right, level),
            Expr::And(left, right) => self.and(left, right, level),
            Expr::Or(left, right) => self.or(left, right, level),
            Expr::Not(input) => self.not(input, level),
            Expr::Negate(input) => {
                let input = self.lower(input, level)?;
                Ok(self.negate(&input))
            }
            Expr::IsNull(input) => self.is_null(input, level),
            Expr::Case { branches, otherwise, data_type } => {
                self.case(expr, branches, otherwise.as_deref(), data_type, level)
            }
            Expr::Cast { input, data_type, safe } => {
                let input = self.lower(input, level)?;
                self.cast(&input, data_type, *safe)
            }
            Expr::Like { .. } => self.like(expr, level),
            Expr::InList { input, values, negated } => {
                let input = self.lower(input, level)?;
                self.in_list(&input, values, *negated)
            }
            Expr::Call { .. } => self.call(expr, level),
        }
    }

    fn not(&mut self, input: &Expr, level: usize) -> Result<Operand> {
        let input = self.boolean(input, level)?;
        let column = self.known(input).clone();
        Ok(Operand::Computed(self.emit(Op::Not(input), column, false)))
    }

    fn is_null(&mut self, input: &Expr, level: usize) -> Result<Operand> {
        let input = self.lower(input, level)?;
        match &input {
            Operand::Constant(value) => Ok(Operand::Constant(Value::boolean(value.is_null()))),
            // A value that is not nullable is still computed: that may be an error.
            Operand::Computed(id) if !self.nullable(*id) && !self.values[id.0 as usize].fails => {
                Ok(Operand::Constant(Value::boolean(false)))
            }
            Operand::Computed(id) => {
                let column = Column::of_type(DataType::Boolean, false);
                Ok(Operand::Computed(self.emit(Op::IsNull(*id), column, false)))
            }
        }
    }

    fn like(&mut self, expr: &Expr, level: usize) -> Result<Operand> {
        let Expr::Like { input, pattern, escape, negated, case_insensitive } = expr else {
            return self.lower(expr, level);
        };
        let input = self.lower(input, level)?;
        let input = self.value(&input, &DataType::Utf8View)?;
        let pattern = self.lower(pattern, level)?;
        let pattern = self.value(&pattern, &DataType::Utf8View)?;
        let column = Column::of_type(DataType::Boolean, self.nullable(input) || self.nullable(pattern));
        let (escape, negated, case_insensitive) = (*escape, *negated, *case_insensitive);
        let op = Op::Like { input, pattern, escape, negated, case_insensitive };
        Ok(Operand::Computed(self.emit(op, column, false)))
    }

    /// Arguments go to the library in their logical types, for its functions know no narrowed decimals; to users'
    /// functions in those of [`as_called`].
    fn call(&mut self, expr: &Expr, level: usize) -> Result<Operand> {
        let Expr::Call { function, arguments, data_type, nullable, volatility } = expr else {
            return self.lower(expr, level);
        };
        let guest = match function {
            Callee::Guest(guest) => Some(Arc::new(as_called(guest))),
            Callee::Library(_) => None,
        };
        let mut values = Vec::with_capacity(arguments.len());
        for (index, argument) in arguments.iter().enumerate() {
            let operand = self.lower(argument, level)?;
            let wanted = guest.as_ref().and_then(|guest| guest.arguments.get(index));
            let data_type = wanted.map_or_else(|| exact_type(&argument.data_type()), exact_type);
            values.push(self.value(&operand, &data_type)?);
        }
        let returns = guest.as_ref().map_or(data_type, |guest| &guest.returns);
        let column = Column::of_type(exact_type(returns), *nullable);
        let function = guest.map_or_else(|| function.clone(), Callee::Guest);
        let op = Op::Call { function, arguments: values, volatility: *volatility };
        Ok(Operand::Computed(match volatility {
            Volatility::Volatile => self.emit_alone(op, column, true),
            Volatility::Immutable | Volatility::Stable => self.emit(op, column, true),
        }))
    }
}
