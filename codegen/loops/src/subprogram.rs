//! Cuts out of a program what one fallback stage runs: the same inputs and parameters, fewer statements.

use std::collections::{BTreeMap, BTreeSet};

use nyala_pipeline::program::{Block, Branch, StateUpdate, Statement};
use nyala_pipeline::{Op, Program, ValueId};
use nyala_schema::{Error, Result};

use crate::facts::Facts;
use crate::plan::{FallbackStage, update_values};

/// # Errors
/// Internal: the program is malformed.
pub fn subprogram(facts: &Facts<'_>, stage: &FallbackStage) -> Result<Program> {
    let program = facts.program;
    let updates = stage.updates.iter().map(|&index| &program.updates[index]);
    let mut roots: Vec<ValueId> = stage.filters.iter().map(|filter| filter.value).collect();
    roots.extend(stage.outputs.iter().map(|(id, _)| *id));
    roots.extend(updates.clone().flat_map(update_values));
    let wanted: BTreeSet<ValueId> = facts.closure(&roots, &|_| false)?.into_iter().collect();
    let positions: BTreeSet<usize> = stage.filters.iter().map(|filter| filter.position).collect();

    let mut numbering = Numbering::default();
    let mut statements = Vec::new();
    for (position, statement) in program.body.statements.iter().enumerate() {
        let keep = match statement {
            Statement::Let { id, .. } => wanted.contains(id),
            Statement::Filter(_) => positions.contains(&position),
        };
        if keep {
            statements.push(numbering.statement(statement)?);
        }
    }
    let outputs = stage.outputs.iter().map(|(id, _)| numbering.get(*id)).collect::<Result<_>>()?;
    let updates = updates.map(|update| numbering.update(update)).collect::<Result<_>>()?;
    Ok(Program {
        inputs: program.inputs.clone(),
        parameters: program.parameters.clone(),
        body: Block { statements },
        outputs,
        updates,
    })
}

/// Numbers values anew, without gaps.
#[derive(Default)]
struct Numbering {
    numbers: BTreeMap<ValueId, ValueId>,
}

impl Numbering {
    fn get(&self, id: ValueId) -> Result<ValueId> {
        let number = self.numbers.get(&id).copied();
        number.ok_or_else(|| Error::internal(format!("value {} is read before it is defined", id.0)))
    }

    fn define(&mut self, id: ValueId) -> ValueId {
        let number = ValueId(self.numbers.len() as u32);
        self.numbers.insert(id, number);
        number
    }

    fn statement(&mut self, statement: &Statement) -> Result<Statement> {
        match statement {
            Statement::Filter(value) => Ok(Statement::Filter(self.get(*value)?)),
            Statement::Let { id, op, ty } => {
                // An `If` is numbered before or behind the values inside it, as it was.
                let first = nested_values(op).all(|nested| nested > *id);
                let early = first.then(|| self.define(*id));
                let op = self.op(op)?;
                let id = early.unwrap_or_else(|| self.define(*id));
                Ok(Statement::Let { id, op, ty: ty.clone() })
            }
        }
    }

    fn branch(&mut self, branch: &Branch) -> Result<Branch> {
        let statements: Vec<Statement> =
            branch.block.statements.iter().map(|inner| self.statement(inner)).collect::<Result<_>>()?;
        Ok(Branch { block: Block { statements }, result: self.get(branch.result)? })
    }

    fn update(&self, update: &StateUpdate) -> Result<StateUpdate> {
        let value = update.value.map(|id| self.get(id)).transpose()?;
        let mask = update.mask.map(|id| self.get(id)).transpose()?;
        Ok(StateUpdate { op: update.op.clone(), value, mask, offset: update.offset })
    }

    fn op(&mut self, op: &Op) -> Result<Op> {
        Ok(match op {
            Op::Input(column) => Op::Input(*column),
            Op::Parameter(index) => Op::Parameter(*index),
            Op::Arithmetic { op, left, right, checked } => Op::Arithmetic {
                op: *op,
                left: self.get(*left)?,
                right: self.get(*right)?,
                checked: *checked,
            },
            Op::Negate { input, checked } => Op::Negate { input: self.get(*input)?, checked: *checked },
            Op::Compare { op, left, right } => {
                Op::Compare { op: *op, left: self.get(*left)?, right: self.get(*right)? }
            }
            Op::And(left, right) => Op::And(self.get(*left)?, self.get(*right)?),
            Op::Or(left, right) => Op::Or(self.get(*left)?, self.get(*right)?),
            Op::Not(input) => Op::Not(self.get(*input)?),
            Op::IsNull(input) => Op::IsNull(self.get(*input)?),
            Op::If { condition, then, otherwise } => Op::If {
                condition: self.get(*condition)?,
                then: self.branch(then)?,
                otherwise: self.branch(otherwise)?,
            },
            Op::Cast { input, safe } => Op::Cast { input: self.get(*input)?, safe: *safe },
            Op::Like { input, pattern, escape, negated, case_insensitive } => Op::Like {
                input: self.get(*input)?,
                pattern: self.get(*pattern)?,
                escape: *escape,
                negated: *negated,
                case_insensitive: *case_insensitive,
            },
            Op::InSet { input, set, negated } => {
                Op::InSet { input: self.get(*input)?, set: *set, negated: *negated }
            }
            Op::Call { function, arguments, volatility } => Op::Call {
                function: function.clone(),
                arguments: arguments.iter().map(|id| self.get(*id)).collect::<Result<_>>()?,
                volatility: *volatility,
            },
        })
    }
}

/// The values defined in the branches of an `If`, at their first level.
fn nested_values(op: &Op) -> impl Iterator<Item = ValueId> {
    let branches = match op {
        Op::If { then, otherwise, .. } => vec![then, otherwise],
        _ => vec![],
    };
    branches.into_iter().flat_map(|branch| &branch.block.statements).filter_map(|statement| match statement {
        Statement::Let { id, .. } => Some(*id),
        Statement::Filter(_) => None,
    })
}
