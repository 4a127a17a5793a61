//! The end of lowering: what nobody uses is dropped, values, inputs and parameters are numbered in order of use.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use nyala_schema::{Error, Result};

use super::Lowering;
use crate::program::{
    Block, Branch, Code, Op, Parameter, ParameterType, Program, StateUpdate, Statement, Type, ValueId,
};

/// A finished program, and the chunk columns that are its inputs.
pub(crate) struct Finished {
    pub code: Code,
    pub inputs: Vec<usize>,
}

impl Lowering<'_> {
    /// # Errors
    /// Internal, when a block was left open.
    pub fn finish(mut self, outputs: &[ValueId], updates: &[StateUpdate]) -> Result<Finished> {
        let (Some(scope), true) = (self.scopes.pop(), self.scopes.is_empty()) else {
            return Err(Error::internal("a program was finished inside a block"));
        };
        let mut live: HashSet<ValueId> = outputs.iter().copied().collect();
        for update in updates {
            live.extend(update.value);
            live.extend(update.mask);
        }
        let statements = keep_live(scope.statements, &mut live);
        let mut numbering = Numbering { values: HashMap::new(), inputs: vec![], parameters: vec![] };
        let body = numbering.block(statements)?;
        let outputs = outputs.iter().map(|id| numbering.value(*id)).collect::<Result<_>>()?;
        let updates = updates.iter().map(|update| numbering.update(update)).collect::<Result<_>>()?;
        let chunk_inputs: Vec<usize> =
            numbering.inputs.iter().map(|&input| self.inputs[input as usize]).collect();
        let types: Vec<Type> = chunk_inputs.iter().map(|&column| self.chunk[column].ty.clone()).collect();
        let (kinds, constants): (Vec<ParameterType>, Vec<Parameter>) =
            numbering.parameters.iter().map(|&index| self.parameters[index as usize].clone()).unzip();
        let program = Program { inputs: types, parameters: kinds, body, outputs, updates };
        let code = Code { program: Arc::new(program), parameters: Arc::new(constants) };
        Ok(Finished { code, inputs: chunk_inputs })
    }
}

/// The statements whose values are used, in order; what they use becomes live.
fn keep_live(statements: Vec<Statement>, live: &mut HashSet<ValueId>) -> Vec<Statement> {
    let mut kept = vec![];
    for statement in statements.into_iter().rev() {
        match statement {
            Statement::Filter(id) => {
                live.insert(id);
                kept.push(Statement::Filter(id));
            }
            Statement::Let { id, op, ty } if live.contains(&id) => {
                live.extend(op.operands());
                let op = match op {
                    Op::If { condition, then, otherwise } => Op::If {
                        condition,
                        then: keep_live_branch(then, live),
                        otherwise: keep_live_branch(otherwise, live),
                    },
                    other => other,
                };
                kept.push(Statement::Let { id, op, ty });
            }
            Statement::Let { .. } => {}
        }
    }
    kept.reverse();
    kept
}

fn keep_live_branch(branch: Branch, live: &mut HashSet<ValueId>) -> Branch {
    live.insert(branch.result);
    let statements = keep_live(branch.block.statements, live);
    Branch { block: Block { statements }, result: branch.result }
}

/// New numbers for everything, in the order of the text; an `If` is numbered after what is in its blocks.
struct Numbering {
    values: HashMap<ValueId, ValueId>,
    inputs: Vec<u32>,
    parameters: Vec<u32>,
}

impl Numbering {
    fn block(&mut self, statements: Vec<Statement>) -> Result<Block> {
        let mut renumbered = Vec::with_capacity(statements.len());
        for statement in statements {
            renumbered.push(match statement {
                Statement::Filter(id) => Statement::Filter(self.value(id)?),
                Statement::Let { id, op, ty } => {
                    let op = self.op(op)?;
                    let new = ValueId(self.values.len() as u32);
                    self.values.insert(id, new);
                    Statement::Let { id: new, op, ty }
                }
            });
        }
        Ok(Block { statements: renumbered })
    }

    fn branch(&mut self, branch: Branch) -> Result<Branch> {
        let block = self.block(branch.block.statements)?;
        Ok(Branch { block, result: self.value(branch.result)? })
    }

    fn value(&self, id: ValueId) -> Result<ValueId> {
        self.values.get(&id).copied().ok_or_else(|| Error::internal(format!("value {} was lost", id.0)))
    }

    fn update(&self, update: &StateUpdate) -> Result<StateUpdate> {
        Ok(StateUpdate {
            op: update.op.clone(),
            value: update.value.map(|id| self.value(id)).transpose()?,
            mask: update.mask.map(|id| self.value(id)).transpose()?,
            offset: update.offset,
        })
    }

    fn op(&mut self, op: Op) -> Result<Op> {
        Ok(match op {
            Op::Input(index) => Op::Input(position(&mut self.inputs, index)),
            Op::Parameter(index) => Op::Parameter(position(&mut self.parameters, index)),
            Op::Arithmetic { op, left, right, checked } => {
                Op::Arithmetic { op, left: self.value(left)?, right: self.value(right)?, checked }
            }
            Op::Negate { input, checked } => Op::Negate { input: self.value(input)?, checked },
            Op::Compare { op, left, right } => {
                Op::Compare { op, left: self.value(left)?, right: self.value(right)? }
            }
            Op::And(left, right) => Op::And(self.value(left)?, self.value(right)?),
            Op::Or(left, right) => Op::Or(self.value(left)?, self.value(right)?),
            Op::Not(input) => Op::Not(self.value(input)?),
            Op::IsNull(input) => Op::IsNull(self.value(input)?),
            Op::If { condition, then, otherwise } => Op::If {
                condition: self.value(condition)?,
                then: self.branch(then)?,
                otherwise: self.branch(otherwise)?,
            },
            Op::Cast { input, safe } => Op::Cast { input: self.value(input)?, safe },
            Op::Like { input, pattern, escape, negated, case_insensitive } => Op::Like {
                input: self.value(input)?,
                pattern: self.value(pattern)?,
                escape,
                negated,
                case_insensitive,
            },
            Op::InSet { input, set, negated } => {
                Op::InSet { input: self.value(input)?, set: position(&mut self.parameters, set), negated }
            }
            Op::Call { function, arguments, volatility } => {
                let arguments = arguments.into_iter().map(|id| self.value(id)).collect::<Result<_>>()?;
                Op::Call { function, arguments, volatility }
            }
        })
    }
}

/// The place of `item` in the list, at its end if it is new.
fn position(list: &mut Vec<u32>, item: u32) -> u32 {
    let found = list.iter().position(|known| *known == item);
    found.unwrap_or_else(|| {
        list.push(item);
        list.len() - 1
    }) as u32
}
