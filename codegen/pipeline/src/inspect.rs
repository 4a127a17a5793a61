//! Questions about programs that backends ask.

use arrow::datatypes::DataType;
use nyala_schema::Callee;
use nyala_schema::expr::{ArithmeticOp, Volatility};
use nyala_schema::guest::Tier;

use crate::column::decimal_parts;
use crate::program::{Block, Op, Program, StateOp, Statement, Type, ValueId};
use crate::range::Interval;

impl Program {
    /// Types of all values, by number.
    pub fn value_types(&self) -> Vec<Type> {
        let mut types = vec![];
        collect_types(&self.body, &mut types);
        types
    }

    /// Whether it drops rows.
    pub fn has_filter(&self) -> bool {
        self.body.statements.iter().any(|statement| matches!(statement, Statement::Filter(_)))
    }

    /// For every value, the index of the last statement of the outermost block that reads it, itself or in a nested
    /// block; `None` when none does. Outputs and values of updates live to the end: the number of statements.
    pub fn last_uses(&self) -> Vec<Option<usize>> {
        let mut last = vec![None; self.value_types().len()];
        for (index, statement) in self.body.statements.iter().enumerate() {
            for_each_read(statement, &mut |id: ValueId| last[id.0 as usize] = Some(index));
        }
        let end = self.body.statements.len();
        let updated = self.updates.iter().flat_map(|update| update.value.iter().chain(&update.mask));
        for id in self.outputs.iter().chain(updated) {
            last[id.0 as usize] = Some(end);
        }
        last
    }

    /// Whether it calls a user's function, at any depth, that is compiled together with the loop over the rows.
    pub fn calls_row_tier(&self) -> bool {
        let is_row_tier = |function: &Callee| function.guest().is_some_and(|guest| guest.tier == Tier::Row);
        any_operation(&self.body, &|op| matches!(op, Op::Call { function, .. } if is_row_tier(function)))
    }

    /// Whether running it twice on the same rows gives the same.
    pub fn is_repeatable(&self) -> bool {
        !any_operation(&self.body, &|op| !op.is_repeatable())
    }

    /// Relative price of a row.
    pub fn cost(&self) -> u32 {
        block_cost(&self.body, &self.value_types()) + 2 * self.updates.len() as u32
    }
}

impl Op {
    /// Whether evaluating it may be an error, by types and flags alone. `types`: of all values, by number.
    pub fn may_fail(&self, ty: &Type, types: &[Type]) -> bool {
        match self {
            Op::Arithmetic { op, checked, .. } => {
                let divides = matches!(op, ArithmeticOp::Divide | ArithmeticOp::Remainder);
                *checked || (divides && !ty.data_type.is_floating())
            }
            Op::Negate { checked, .. } => *checked,
            Op::Cast { input, safe } => {
                !safe && cast_may_fail(&types[input.0 as usize].data_type, &ty.data_type)
            }
            Op::If { then, otherwise, .. } => {
                block_may_fail(&then.block, types) || block_may_fail(&otherwise.block, types)
            }
            Op::Call { .. } => true,
            Op::Input(_)
            | Op::Parameter(_)
            | Op::Compare { .. }
            | Op::And(..)
            | Op::Or(..)
            | Op::Not(_)
            | Op::IsNull(_)
            | Op::Like { .. }
            | Op::InSet { .. } => false,
        }
    }

    /// Relative price of evaluating it for a row; for an `If` that of its costlier branch.
    pub fn cost(&self, types: &[Type]) -> u32 {
        let is_text = |id: &ValueId| types[id.0 as usize].data_type == DataType::Utf8View;
        match self {
            Op::Input(_) | Op::Parameter(_) => 0,
            Op::Arithmetic { op: ArithmeticOp::Divide | ArithmeticOp::Remainder, .. } => 10,
            Op::Arithmetic { left, .. }
                if matches!(types[left.0 as usize].data_type, DataType::Decimal128(..)) =>
            {
                4
            }
            Op::Arithmetic { .. } | Op::Negate { .. } => 1,
            Op::And(..) | Op::Or(..) | Op::Not(_) | Op::IsNull(_) => 1,
            Op::Compare { left, .. } => {
                if is_text(left) {
                    10
                } else {
                    1
                }
            }
            Op::InSet { input, .. } => {
                if is_text(input) {
                    16
                } else {
                    6
                }
            }
            Op::Cast { input, .. } => {
                if is_text(input) {
                    50
                } else {
                    2
                }
            }
            Op::If { then, otherwise, .. } => {
                2 + block_cost(&then.block, types).max(block_cost(&otherwise.block, types))
            }
            Op::Like { .. } => 40,
            Op::Call { function, .. } => call_cost(function),
        }
    }

    /// Whether equal operands give equal results.
    pub fn is_repeatable(&self) -> bool {
        !matches!(self, Op::Call { volatility: Volatility::Volatile, .. })
    }
}

impl StateOp {
    /// Bytes of the field; `None` for a type that no record holds.
    pub fn size(&self) -> Option<u32> {
        match self {
            StateOp::Count | StateOp::SumFloat => Some(8),
            StateOp::SumInteger => Some(16),
            StateOp::Min(data_type) | StateOp::Max(data_type) => {
                data_type.primitive_width().filter(|width| *width <= 16).map(|width| width as u32)
            }
        }
    }
}

/// In additions, of a call without its arguments.
pub(crate) fn call_cost(function: &Callee) -> u32 {
    match function {
        Callee::Library(_) => 200,
        Callee::Guest(guest) => guest.cost.div_ceil(100).max(1),
    }
}

fn any_operation(block: &Block, holds: &impl Fn(&Op) -> bool) -> bool {
    block.statements.iter().any(|statement| match statement {
        Statement::Let { op: op @ Op::If { then, otherwise, .. }, .. } => {
            holds(op) || any_operation(&then.block, holds) || any_operation(&otherwise.block, holds)
        }
        Statement::Let { op, .. } => holds(op),
        Statement::Filter(_) => false,
    })
}

fn collect_types(block: &Block, types: &mut Vec<Type>) {
    for statement in &block.statements {
        if let Statement::Let { op, ty, .. } = statement {
            if let Op::If { then, otherwise, .. } = op {
                collect_types(&then.block, types);
                collect_types(&otherwise.block, types);
            }
            types.push(ty.clone());
        }
    }
}

/// Calls `visit` with every value that the statement reads, blocks within included.
pub fn for_each_read(statement: &Statement, visit: &mut impl FnMut(ValueId)) {
    match statement {
        Statement::Filter(id) => visit(*id),
        Statement::Let { op, .. } => {
            op.operands().into_iter().for_each(&mut *visit);
            if let Op::If { then, otherwise, .. } = op {
                for branch in [then, otherwise] {
                    branch.block.statements.iter().for_each(|inner| for_each_read(inner, visit));
                    visit(branch.result);
                }
            }
        }
    }
}

fn block_cost(block: &Block, types: &[Type]) -> u32 {
    let costs = block.statements.iter().map(|statement| match statement {
        Statement::Let { op, .. } => op.cost(types),
        Statement::Filter(_) => 1,
    });
    costs.fold(0, u32::saturating_add)
}

/// Whether a statement of the block may be an error.
pub fn block_may_fail(block: &Block, types: &[Type]) -> bool {
    block.statements.iter().any(|statement| match statement {
        Statement::Let { op, ty, .. } => op.may_fail(ty, types),
        Statement::Filter(_) => false,
    })
}

/// By types alone: a conversion that the builder knows to fit by ranges counts as one that may fail.
pub fn cast_may_fail(from: &DataType, to: &DataType) -> bool {
    if from == to {
        return false;
    }
    let scale = |data_type: &DataType| match decimal_parts(data_type) {
        Some((_, scale)) => Some(i16::from(scale)),
        None => data_type.is_integer().then_some(0),
    };
    match (scale(from), scale(to), Interval::of_type(from), Interval::of_type(to)) {
        (Some(s1), Some(s2), Some(from), Some(to)) => !to.contains(from.scaled(s2 - s1)),
        _ => !always_converts(from, to),
    }
}

/// Of types that are not both integers or decimals.
pub(crate) fn always_converts(from: &DataType, to: &DataType) -> bool {
    use DataType as D;
    let number = from.is_numeric() || *from == D::Boolean;
    let text = matches!(from, D::Utf8 | D::LargeUtf8 | D::Utf8View);
    match to {
        D::Float16 | D::Float32 | D::Float64 => number,
        D::Utf8 | D::LargeUtf8 | D::Utf8View => number || text || from.is_temporal(),
        D::Binary | D::LargeBinary | D::BinaryView => text,
        D::Boolean => number,
        D::Date32 => matches!(from, D::Timestamp(..) | D::Date64),
        _ => *from == D::Boolean && to.is_integer(),
    }
}
