//! A program made ready: functions found, lifetimes of values known.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use datafusion_common::config::ConfigOptions;
use nyala_pipeline::Guests;
use nyala_pipeline::program::{
    Block, Branch, Op, ParameterType, Program, StateUpdate, Statement, Type, ValueId,
};
use nyala_schema::expr::{ArithmeticOp, CompareOp, Volatility};
use nyala_schema::{Callee as Named, Error, Result};

use crate::function::{Callee, GuestScalar, find_guests};
use crate::kernel::like::Like;
use crate::kernel::membership::Membership;

/// Index of a value in a frame.
pub(crate) type Slot = usize;

#[derive(Debug)]
pub(crate) struct Prepared {
    pub inputs: Vec<Type>,
    pub parameters: Vec<ParameterType>,
    pub body: PreparedBlock,
    pub outputs: Vec<Slot>,
    pub updates: Vec<StateUpdate>,
    pub slots: usize,
    pub filters: bool,
}

#[derive(Debug)]
pub(crate) struct PreparedBlock {
    pub steps: Vec<Step>,
    /// Values from outside that it reads.
    pub captures: Vec<Slot>,
    /// Cannot fail and costs little: may as well be evaluated for rows that do not need it.
    pub harmless: bool,
}

#[derive(Debug)]
pub(crate) struct Step {
    pub action: Action,
    /// Values that nothing reads any more after this step.
    pub drops: Vec<Slot>,
}

#[derive(Debug)]
pub(crate) enum Action {
    Input { slot: Slot, input: usize },
    Parameter { slot: Slot, parameter: usize },
    Compute { slot: Slot, operation: Operation, operands: Vec<Slot>, ty: Type },
    If { slot: Slot, condition: Slot, then: PreparedBranch, otherwise: PreparedBranch, ty: Type },
    Filter(Slot),
}

#[derive(Debug)]
pub(crate) struct PreparedBranch {
    pub block: PreparedBlock,
    pub result: Slot,
}

/// An operation without its operands.
#[derive(Debug)]
pub(crate) enum Operation {
    Arithmetic { op: ArithmeticOp, checked: bool },
    Negate { checked: bool },
    Compare(CompareOp),
    And,
    Or,
    Not,
    IsNull,
    Cast { safe: bool },
    Like(Like),
    InSet { membership: Membership, set: usize, negated: bool },
    Call { callee: Callee, volatile: bool },
    Guest(GuestScalar),
}

/// # Errors
/// UndefinedFunction; internal when the program is malformed.
pub(crate) fn prepare(
    program: &Program,
    config: &Arc<ConfigOptions>,
    guests: Option<&Arc<dyn Guests>>,
) -> Result<Prepared> {
    let mut preparer = Preparer { types: HashMap::new(), config, guests, slots: 0, filters: false };
    let mut wanted: BTreeSet<Slot> = program.outputs.iter().map(|id| slot(*id)).collect();
    for update in &program.updates {
        wanted.extend(update.value.iter().chain(&update.mask).map(|id| slot(*id)));
    }
    let body = preparer.block(&program.body, &wanted)?;
    if let Some(missing) = body.captures.first() {
        return Err(Error::internal(format!("the program reads value {missing} and does not define it")));
    }
    Ok(Prepared {
        inputs: program.inputs.clone(),
        parameters: program.parameters.clone(),
        body,
        outputs: program.outputs.iter().map(|id| slot(*id)).collect(),
        updates: program.updates.clone(),
        slots: preparer.slots,
        filters: preparer.filters,
    })
}

pub(crate) fn slot(id: ValueId) -> Slot {
    id.0 as usize
}

struct Preparer<'a> {
    types: HashMap<Slot, Type>,
    config: &'a Arc<ConfigOptions>,
    guests: Option<&'a Arc<dyn Guests>>,
    slots: usize,
    filters: bool,
}

impl Preparer<'_> {
    /// `wanted` are read after the block.
    fn block(&mut self, block: &Block, wanted: &BTreeSet<Slot>) -> Result<PreparedBlock> {
        let mut steps = Vec::with_capacity(block.statements.len());
        let mut defined = BTreeSet::new();
        let mut harmless = true;
        for statement in &block.statements {
            let action = self.statement(statement, &mut harmless)?;
            if let Some(slot) = action.defines() {
                defined.insert(slot);
            }
            steps.push(Step { action, drops: Vec::new() });
        }
        let captures = mark_drops(&mut steps, &defined, wanted);
        Ok(PreparedBlock { steps, captures, harmless })
    }

    fn statement(&mut self, statement: &Statement, harmless: &mut bool) -> Result<Action> {
        let (id, op, ty) = match statement {
            Statement::Filter(condition) => {
                self.filters = true;
                return Ok(Action::Filter(slot(*condition)));
            }
            Statement::Let { id, op, ty } => (slot(*id), op, ty),
        };
        self.slots = self.slots.max(id + 1);
        self.types.insert(id, ty.clone());
        match op {
            Op::Input(input) => Ok(Action::Input { slot: id, input: *input as usize }),
            Op::Parameter(parameter) => Ok(Action::Parameter { slot: id, parameter: *parameter as usize }),
            Op::If { condition, then, otherwise } => {
                let (then, otherwise) = (self.branch(then)?, self.branch(otherwise)?);
                *harmless &= then.block.harmless && otherwise.block.harmless;
                Ok(Action::If { slot: id, condition: slot(*condition), then, otherwise, ty: ty.clone() })
            }
            _ => {
                let operation = self.operation(op, ty)?;
                *harmless &= operation.is_harmless(ty);
                let operands = op.operands().into_iter().map(slot).collect();
                Ok(Action::Compute { slot: id, operation, operands, ty: ty.clone() })
            }
        }
    }

    fn branch(&mut self, branch: &Branch) -> Result<PreparedBranch> {
        let result = slot(branch.result);
        let mut block = self.block(&branch.block, &BTreeSet::from([result]))?;
        let inside = block.steps.iter().any(|step| step.action.defines() == Some(result));
        if !inside && !block.captures.contains(&result) {
            block.captures.push(result);
        }
        Ok(PreparedBranch { block, result })
    }

    fn operation(&self, op: &Op, ty: &Type) -> Result<Operation> {
        Ok(match op {
            Op::Arithmetic { op, checked, .. } => Operation::Arithmetic { op: *op, checked: *checked },
            Op::Negate { checked, .. } => Operation::Negate { checked: *checked },
            Op::Compare { op, .. } => Operation::Compare(*op),
            Op::And(..) => Operation::And,
            Op::Or(..) => Operation::Or,
            Op::Not(_) => Operation::Not,
            Op::IsNull(_) => Operation::IsNull,
            Op::Cast { safe, .. } => Operation::Cast { safe: *safe },
            Op::Like { escape, negated, case_insensitive, .. } => {
                Operation::Like(Like::new(*escape, *negated, *case_insensitive))
            }
            Op::InSet { set, negated, .. } => {
                Operation::InSet { membership: Membership::default(), set: *set as usize, negated: *negated }
            }
            Op::Call { function, arguments, volatility } => {
                let volatile = *volatility == Volatility::Volatile;
                match function {
                    Named::Library(name) => {
                        let types = arguments.iter().map(|id| self.type_of(*id));
                        let types = types.collect::<Result<Vec<Type>>>()?;
                        let callee = Callee::find(name, &types, ty, self.config)?;
                        Operation::Call { callee, volatile }
                    }
                    Named::Guest(function) => {
                        let guest = find_guests(self.guests, &function.code)?.scalar(function)?;
                        Operation::Guest(GuestScalar::new(function, guest, ty, volatile))
                    }
                }
            }
            Op::Input(_) | Op::Parameter(_) | Op::If { .. } => {
                return Err(Error::internal("a statement that is no operation"));
            }
        })
    }

    fn type_of(&self, id: ValueId) -> Result<Type> {
        self.types
            .get(&slot(id))
            .cloned()
            .ok_or_else(|| Error::internal(format!("value {} is read before it is defined", id.0)))
    }
}

/// Goes backwards to find each value's last use. Returns what is read and not defined here.
fn mark_drops(steps: &mut [Step], defined: &BTreeSet<Slot>, wanted: &BTreeSet<Slot>) -> Vec<Slot> {
    let mut live = wanted.clone();
    let mut captures = BTreeSet::new();
    for step in steps.iter_mut().rev() {
        let reads = step.action.reads();
        let own = step.action.defines();
        for slot in reads.iter().copied().chain(own) {
            if !defined.contains(&slot) {
                captures.insert(slot);
            } else if live.insert(slot) {
                step.drops.push(slot);
            }
        }
    }
    captures.extend(wanted.iter().filter(|slot| !defined.contains(slot)));
    captures.into_iter().collect()
}

impl Action {
    pub fn defines(&self) -> Option<Slot> {
        match self {
            Self::Input { slot, .. }
            | Self::Parameter { slot, .. }
            | Self::Compute { slot, .. }
            | Self::If { slot, .. } => Some(*slot),
            Self::Filter(_) => None,
        }
    }

    fn reads(&self) -> Vec<Slot> {
        match self {
            Self::Input { .. } | Self::Parameter { .. } => vec![],
            Self::Compute { operands, .. } => operands.clone(),
            Self::If { condition, then, otherwise, .. } => {
                let captured = then.block.captures.iter().chain(&otherwise.block.captures);
                std::iter::once(condition).chain(captured).copied().collect()
            }
            Self::Filter(condition) => vec![*condition],
        }
    }
}

impl Operation {
    /// Neither fails nor costs more than a pass over fixed-width values.
    fn is_harmless(&self, ty: &Type) -> bool {
        match self {
            Self::Arithmetic { op, checked } => {
                ty.data_type.is_floating()
                    || (!checked && !matches!(op, ArithmeticOp::Divide | ArithmeticOp::Remainder))
            }
            Self::Negate { checked } => !checked,
            Self::Compare(_) | Self::And | Self::Or | Self::Not | Self::IsNull => true,
            Self::Cast { .. } | Self::Like(_) | Self::InSet { .. } | Self::Call { .. } | Self::Guest(_) => {
                false
            }
        }
    }

    /// NULL whenever an operand is.
    pub fn is_strict(&self) -> bool {
        match self {
            Self::Arithmetic { .. } | Self::Negate { .. } | Self::Not | Self::Cast { .. } => true,
            Self::Like(_) | Self::InSet { .. } => true,
            Self::Compare(op) => !matches!(op, CompareOp::Distinct | CompareOp::NotDistinct),
            Self::And | Self::Or | Self::IsNull => false,
            Self::Call { callee, .. } => callee.is_strict(),
            Self::Guest(guest) => guest.is_strict(),
        }
    }

    /// Gives the same for the same operands, whatever the row.
    pub fn is_deterministic(&self) -> bool {
        match self {
            Self::Call { volatile, .. } => !volatile,
            Self::Guest(guest) => !guest.is_volatile(),
            Self::Arithmetic { .. }
            | Self::Negate { .. }
            | Self::Compare(_)
            | Self::And
            | Self::Or
            | Self::Not
            | Self::IsNull
            | Self::Cast { .. }
            | Self::Like(_)
            | Self::InSet { .. } => true,
        }
    }
}
