//! `If`: a selection between two values where both are cheap and cannot fail, a branch otherwise.

use nyala_loops::Lane;
use nyala_pipeline::ValueId;
use nyala_pipeline::program::{Branch, Statement};
use nyala_schema::Result;
use wasm_encoder::{BlockType, Instruction as I, ValType};

use super::local::{Local, Register, register_type};
use super::{Cell, Emitter};

/// A mispredicted branch costs more than this.
const SELECT_COST_MAX: u32 = 16;

impl Emitter<'_, '_> {
    pub(super) fn branch(
        &mut self,
        id: ValueId,
        condition: ValueId,
        then: &Branch,
        otherwise: &Branch,
    ) -> Result<Cell> {
        // What branches read from outside must be there before they part.
        let fact = self.part.facts.get(id)?;
        for operand in &fact.operands {
            self.cell(*operand)?;
        }
        let condition = self.cell(condition)?;
        let condition = self.is_true(condition)?;
        if !fact.own.fallible && fact.own.cost <= SELECT_COST_MAX {
            return self.both_branches(id, condition, then, otherwise);
        }
        let value = self.register(self.lane(id)?);
        let valid = self.is_nullable(id).then(|| self.locals.take(ValType::I32));
        self.op(I::LocalGet(condition));
        self.open(I::If(BlockType::Empty));
        self.branch_into(then, value, valid)?;
        self.op(I::Else);
        self.branch_into(otherwise, value, valid)?;
        self.close();
        Ok(Cell { value, valid })
    }

    /// A register of its own, not set yet.
    pub(super) fn register(&mut self, lane: Lane) -> Register {
        let ty = register_type(lane);
        match lane {
            Lane::Wide => Register::Two([self.locals.take(ty), self.locals.take(ty)]),
            Lane::Bool | Lane::Int { .. } | Lane::Float32 | Lane::Float64 => {
                Register::One(self.locals.take(ty), ty)
            }
        }
    }

    /// Copies one register into another of the same lane.
    pub(super) fn assign(&mut self, target: Register, source: Register) -> Result<()> {
        match target {
            Register::One(target, _) => self.ops([I::LocalGet(source.one()?), I::LocalSet(target)]),
            Register::Two([low, high]) => {
                let [from_low, from_high] = source.two()?;
                self.ops([I::LocalGet(from_low), I::LocalGet(from_high)]);
                self.ops([I::LocalSet(high), I::LocalSet(low)]);
            }
        }
        Ok(())
    }

    fn branch_into(&mut self, branch: &Branch, value: Register, valid: Option<Local>) -> Result<()> {
        let cell = self.branch_value(branch)?;
        self.assign(value, cell.value)?;
        if let Some(valid) = valid {
            match cell.valid {
                Some(flag) => self.op(I::LocalGet(flag)),
                None => self.op(I::I32Const(1)),
            }
            self.op(I::LocalSet(valid));
        }
        Ok(())
    }

    fn both_branches(
        &mut self,
        id: ValueId,
        condition: Local,
        then: &Branch,
        otherwise: &Branch,
    ) -> Result<Cell> {
        let (yes, no) = (self.branch_value(then)?, self.branch_value(otherwise)?);
        let value = self.select(condition, yes.value, no.value)?;
        let valid = match self.is_nullable(id) {
            true => {
                let (yes, no) = (self.always(yes), self.always(no));
                let valid = [I::LocalGet(yes), I::LocalGet(no), I::LocalGet(condition), I::Select];
                Some(self.flag(valid))
            }
            false => None,
        };
        Ok(Cell { value, valid })
    }

    fn always(&mut self, cell: Cell) -> Local {
        match cell.valid {
            Some(valid) => valid,
            None => self.flag([I::I32Const(1)]),
        }
    }

    fn branch_value(&mut self, branch: &Branch) -> Result<Cell> {
        for statement in &branch.block.statements {
            if let Statement::Let { id, .. } = statement {
                self.define(*id)?;
            }
        }
        self.cell(branch.result)
    }
}
