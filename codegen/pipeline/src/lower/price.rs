//! What a block costs for a row, to decide whether rows are worth telling apart before it.

use arrow::datatypes::DataType;
use nyala_schema::expr::ArithmeticOp;

use super::{Lowering, Scope};
use crate::program::{Op, Statement, ValueId};

/// A comparison or two of fixed-width values: cheaper for every row than finding out which rows need it.
pub(super) const CHEAP: u32 = 4;
/// Steps that are done a row at a time, or over text.
const DEAR: u32 = 100;

impl Lowering<'_> {
    /// Whether the block may as well be evaluated for rows that do not need it: little work, and no errors.
    pub(super) fn is_harmless(&self, scope: &Scope) -> bool {
        !self.block_fails(scope) && self.price(scope) <= CHEAP
    }

    fn price(&self, scope: &Scope) -> u32 {
        let prices = scope.statements.iter().map(|statement| match statement {
            Statement::Let { id, op, .. } => self.operation_price(*id, op),
            Statement::Filter(_) => DEAR,
        });
        prices.fold(0, u32::saturating_add)
    }

    fn operation_price(&self, id: ValueId, op: &Op) -> u32 {
        let is_wide = |id: ValueId| match &self.type_of(id).data_type {
            DataType::Utf8View | DataType::BinaryView | DataType::Decimal128(..) => true,
            other => other.is_nested(),
        };
        match op {
            Op::Input(_) | Op::Parameter(_) => 0,
            Op::Arithmetic { op: ArithmeticOp::Divide | ArithmeticOp::Remainder, .. } => 10,
            Op::Arithmetic { .. } | Op::Negate { .. } if is_wide(id) => 4,
            Op::Compare { left, .. } if is_wide(*left) => 10,
            Op::Cast { input, .. } if is_wide(id) || is_wide(*input) => 10,
            Op::If { then, otherwise, .. } => {
                let select = then.block.statements.is_empty() && otherwise.block.statements.is_empty();
                if select && !is_wide(id) { 1 } else { DEAR }
            }
            Op::InSet { .. } | Op::Like { .. } | Op::Call { .. } => DEAR,
            Op::Arithmetic { .. }
            | Op::Negate { .. }
            | Op::Compare { .. }
            | Op::And(..)
            | Op::Or(..)
            | Op::Not(_)
            | Op::IsNull(_)
            | Op::Cast { .. } => 1,
        }
    }
}
