//! What there is to know of each value of a program before code is made: found in one pass.

use std::collections::BTreeSet;

use nyala_pipeline::program::{Block, Branch, ParameterType, Program, Statement};
use nyala_pipeline::{Op, Type, ValueId};
use nyala_schema::expr::Volatility;
use nyala_schema::{Error, Result};

use crate::compiler::LoopCompiler;
use crate::support::{self, OpFacts};

/// Larger programs take the compiler longer than the interpreter takes for the rows (IMPALA-4551).
pub const STATEMENTS_MAX: usize = 5_000;
/// Nested `If`s; keeps the recursion over blocks within any thread's stack.
const DEPTH_MAX: usize = 100;

/// One value.
#[derive(Debug)]
pub struct Fact<'a> {
    pub op: &'a Op,
    pub ty: &'a Type,
    /// Index of the outermost statement that it is (part of).
    pub position: usize,
    /// The values read, those that branches read from outside included.
    pub operands: Vec<ValueId>,
    /// Input columns and parameters read, by branches too.
    pub columns: BTreeSet<u32>,
    pub constants: BTreeSet<u32>,
    /// How compiled code does with it.
    pub own: OpFacts,
}

/// A filter: the outermost statement's index and the Boolean.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Filter {
    pub position: usize,
    pub value: ValueId,
}

pub struct Facts<'a> {
    pub program: &'a Program,
    /// For which the program is looked at.
    pub compiler: &'a dyn LoopCompiler,
    pub filters: Vec<Filter>,
    values: Vec<Option<Fact<'a>>>,
    /// All values, operands first.
    order: Vec<ValueId>,
}

impl<'a> Facts<'a> {
    /// # Errors
    /// Unsupported for programs that are too large, nested too deeply or volatile; Internal for malformed ones.
    pub fn of(program: &'a Program, compiler: &'a dyn LoopCompiler) -> Result<Self> {
        let mut facts =
            Self { program, compiler, filters: Vec::new(), values: Vec::new(), order: Vec::new() };
        for (position, statement) in program.body.statements.iter().enumerate() {
            match statement {
                Statement::Let { id, op, ty } => facts.add(*id, op, ty, position, 0)?,
                Statement::Filter(value) => facts.filters.push(Filter { position, value: *value }),
            }
        }
        Ok(facts)
    }

    pub fn get(&self, id: ValueId) -> Result<&Fact<'a>> {
        let fact = self.values.get(id.0 as usize).and_then(Option::as_ref);
        fact.ok_or_else(|| Error::internal(format!("the program has no value {}", id.0)))
    }

    fn add(&mut self, id: ValueId, op: &'a Op, ty: &'a Type, position: usize, depth: usize) -> Result<()> {
        let index = id.0 as usize;
        if self.order.len() >= STATEMENTS_MAX || index > STATEMENTS_MAX || depth > DEPTH_MAX {
            return Err(too_large());
        }
        let (mut columns, mut constants) = (BTreeSet::new(), BTreeSet::new());
        let mut operands = op.operands();
        match op {
            Op::Input(column) => drop(columns.insert(*column)),
            Op::Parameter(constant) => drop(constants.insert(*constant)),
            Op::InSet { set, .. } => drop(constants.insert(*set)),
            Op::Call { volatility: Volatility::Volatile, .. } => {
                return Err(Error::unsupported("volatile functions are left to the interpreter"));
            }
            Op::If { then, otherwise, .. } => {
                for branch in [then, otherwise] {
                    self.add_block(&branch.block, position, depth + 1)?;
                    let inside = defined(&branch.block);
                    self.gather(branch, &inside, &mut operands, &mut columns, &mut constants)?;
                }
            }
            _ => {}
        }
        operands.sort_unstable();
        operands.dedup();
        let own = support::examine(self, op, ty)?;
        let fact = Fact { op, ty, position, operands, columns, constants, own };
        if self.values.len() <= index {
            self.values.resize_with(index + 1, || None);
        }
        self.values[index] = Some(fact);
        self.order.push(id);
        Ok(())
    }

    /// All values, those of nested blocks too; operands stand before what reads them.
    pub fn order(&self) -> &[ValueId] {
        &self.order
    }

    /// One more than the greatest value number.
    pub fn bound(&self) -> usize {
        self.values.len()
    }

    fn add_block(&mut self, block: &'a Block, position: usize, depth: usize) -> Result<()> {
        for statement in &block.statements {
            match statement {
                Statement::Let { id, op, ty } => self.add(*id, op, ty, position, depth)?,
                Statement::Filter(_) => return Err(Error::internal("a filter inside a branch")),
            }
        }
        Ok(())
    }

    /// Adds what a branch reads from outside itself.
    fn gather(
        &self,
        branch: &Branch,
        inside: &BTreeSet<ValueId>,
        operands: &mut Vec<ValueId>,
        columns: &mut BTreeSet<u32>,
        constants: &mut BTreeSet<u32>,
    ) -> Result<()> {
        for id in inside {
            let fact = self.get(*id)?;
            operands.extend(fact.operands.iter().filter(|operand| !inside.contains(operand)));
            columns.extend(&fact.columns);
            constants.extend(&fact.constants);
        }
        if !inside.contains(&branch.result) {
            operands.push(branch.result);
        }
        Ok(())
    }

    /// Everything that has to be computed for `roots`, in the order of definition; stops at the values for which
    /// `known` holds. Values of nested blocks are not listed.
    pub fn closure(&self, roots: &[ValueId], known: &dyn Fn(ValueId) -> bool) -> Result<Vec<ValueId>> {
        let mut seen = BTreeSet::new();
        let mut open: Vec<ValueId> = roots.to_vec();
        while let Some(id) = open.pop() {
            if known(id) || !seen.insert((self.get(id)?.position, id)) {
                continue;
            }
            open.extend(&self.get(id)?.operands);
        }
        Ok(seen.into_iter().map(|(_, id)| id).collect())
    }

    /// The type of parameter `index` when it is a scalar.
    pub fn scalar(&self, index: u32) -> Option<&'a Type> {
        match self.program.parameters.get(index as usize) {
            Some(ParameterType::Scalar(ty)) => Some(ty),
            Some(ParameterType::Set { .. }) | None => None,
        }
    }
}

/// The values that a block defines itself, not those of blocks nested in it.
fn defined(block: &Block) -> BTreeSet<ValueId> {
    let ids = block.statements.iter().filter_map(|statement| match statement {
        Statement::Let { id, .. } => Some(*id),
        Statement::Filter(_) => None,
    });
    ids.collect()
}

fn too_large() -> Error {
    Error::unsupported("the program is too large for compiled code")
}
