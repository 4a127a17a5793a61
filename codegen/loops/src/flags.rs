//! The variants of a loop, and which values may be NULL in each.

use nyala_pipeline::{Op, ValueId};
use nyala_schema::expr::CompareOp;

use crate::conversion::makes_nulls;
use crate::facts::Facts;
use crate::plan::LoopStage;

/// Loops are compiled per way of calling them, so that none tests in each row what holds for the whole batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Variant {
    /// Rows come from a selection.
    pub selected: bool,
    /// Rows belong to different groups.
    pub grouped: bool,
    /// Some column that is read has NULLs in this batch.
    pub nulls: bool,
}

impl Variant {
    pub const COUNT: usize = 8;

    pub fn index(self) -> usize {
        usize::from(self.selected) | usize::from(self.grouped) << 1 | usize::from(self.nulls) << 2
    }
}

/// By value number: whether the value may be NULL.
pub fn nullable_values(facts: &Facts<'_>, stage: &LoopStage, variant: Variant) -> Vec<bool> {
    let mut nullable = vec![false; facts.bound()];
    for id in facts.order() {
        let flag = value_is_nullable(facts, stage, variant, *id, &nullable);
        nullable[id.0 as usize] = flag;
    }
    nullable
}

fn value_is_nullable(
    facts: &Facts<'_>,
    stage: &LoopStage,
    variant: Variant,
    id: ValueId,
    known: &[bool],
) -> bool {
    let Ok(fact) = facts.get(id) else { return true };
    if stage.carried.contains_key(&id) {
        return variant.nulls && fact.ty.nullable;
    }
    let flag = |id: &ValueId| known.get(id.0 as usize).copied().unwrap_or(true);
    match fact.op {
        Op::Input(column) => {
            let input = facts.program.inputs.get(*column as usize);
            variant.nulls && input.is_none_or(|input| input.nullable)
        }
        Op::Parameter(index) => facts.scalar(*index).is_none_or(|scalar| scalar.nullable),
        Op::IsNull(_) => false,
        Op::Compare { op: CompareOp::Distinct | CompareOp::NotDistinct, .. } => false,
        Op::If { then, otherwise, .. } => flag(&then.result) || flag(&otherwise.result),
        Op::Cast { input, safe } => {
            flag(input) || facts.get(*input).map_or(true, |from| makes_nulls(from.ty, fact.ty, *safe))
        }
        Op::Arithmetic { .. }
        | Op::Negate { .. }
        | Op::Compare { .. }
        | Op::And(..)
        | Op::Or(..)
        | Op::Not(_)
        | Op::Like { .. }
        | Op::InSet { .. }
        | Op::Call { .. } => fact.operands.iter().any(flag),
    }
}
