//! `If`: a selection between two values where both are cheap and cannot fail, a branch otherwise.

use cranelift_codegen::ir::{BlockArg, InstBuilder, Value, types};
use nyala_pipeline::ValueId;
use nyala_pipeline::program::{Branch, Statement};
use nyala_schema::Result;

use super::{Cell, Emitter};

use crate::register::Registers;

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
        let condition = self.is_true(condition);
        if !fact.own.fallible && fact.own.cost <= SELECT_COST_MAX {
            return self.both_branches(id, condition, then, otherwise);
        }
        let nullable = self.is_nullable(id);
        let register = self.lane(id)?.register();
        let [then_block, else_block, join] = [(); 3].map(|()| self.builder.create_block());
        let value = self.builder.append_block_param(join, register);
        let valid = nullable.then(|| self.builder.append_block_param(join, types::I8));
        self.ins().brif(condition, then_block, &[], else_block, &[]);
        for (block, branch) in [(then_block, then), (else_block, otherwise)] {
            self.builder.switch_to_block(block);
            let cell = self.branch_value(branch)?;
            let mut arguments = vec![BlockArg::Value(cell.value)];
            if nullable {
                arguments.push(BlockArg::Value(self.flag(cell)));
            }
            self.ins().jump(join, &arguments);
        }
        self.builder.switch_to_block(join);
        Ok(Cell { value, valid })
    }

    fn both_branches(
        &mut self,
        id: ValueId,
        condition: Value,
        then: &Branch,
        otherwise: &Branch,
    ) -> Result<Cell> {
        let (yes, no) = (self.branch_value(then)?, self.branch_value(otherwise)?);
        let value = self.select(condition, yes.value, no.value);
        let valid = self.is_nullable(id).then(|| {
            let (yes, no) = (self.flag(yes), self.flag(no));
            self.select(condition, yes, no)
        });
        Ok(Cell { value, valid })
    }

    fn branch_value(&mut self, branch: &Branch) -> Result<Cell> {
        for statement in &branch.block.statements {
            if let Statement::Let { id, .. } = statement {
                self.define(*id)?;
            }
        }
        self.cell(branch.result)
    }

    fn flag(&mut self, cell: Cell) -> Value {
        match cell.valid {
            Some(valid) => valid,
            None => self.ins().iconst(types::I8, 1),
        }
    }
}
