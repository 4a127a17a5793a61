//! Values of statements, in the row at hand.

use cranelift_codegen::ir::condcodes::IntCC;
use cranelift_codegen::ir::{InstBuilder, types};
use nyala_pipeline::program::ParameterType;
use nyala_pipeline::{Op, ValueId};
use nyala_schema::expr::CompareOp;
use nyala_schema::{Error, Result};

use super::{Cell, Emitter, constant_memory, not_native};
use nyala_loops::Source;

use crate::register::Registers;

impl Emitter<'_, '_> {
    /// Computes what `roots` need and is not there yet, in the order of the program.
    pub(super) fn compute(&mut self, roots: &[ValueId]) -> Result<()> {
        let stage = self.part.stage;
        let known = |id| self.cells.contains_key(&id) || stage.carried.contains_key(&id);
        for id in self.part.facts.closure(roots, &known)? {
            self.define(id)?;
        }
        Ok(())
    }

    /// A value that was computed, or a carried column's.
    pub(super) fn cell(&mut self, id: ValueId) -> Result<Cell> {
        if let Some(cell) = self.cells.get(&id) {
            return Ok(*cell);
        }
        let Some(slot) = self.part.stage.carried.get(&id) else {
            return Err(Error::internal(format!("value {} is read before it is computed", id.0)));
        };
        let ty = self.part.facts.get(id)?.ty;
        let cell = self.load(Source::Carried(*slot), ty)?;
        self.cells.insert(id, cell);
        Ok(cell)
    }

    pub(super) fn define(&mut self, id: ValueId) -> Result<()> {
        let fact = self.part.facts.get(id)?;
        let cell = match fact.op {
            Op::Input(column) => self.load(Source::Input(*column), fact.ty)?,
            Op::Parameter(index) => {
                let cell = self.constants.get(index).copied();
                cell.ok_or_else(|| Error::internal("a parameter that was not announced is read"))?
            }
            Op::Arithmetic { op, left, right, checked } => {
                self.arithmetic(*op, *left, *right, *checked, &fact.ty.data_type)?
            }
            Op::Negate { input, checked } => self.negate(*input, *checked)?,
            Op::Compare { op, left, right } => self.compare(*op, *left, *right)?,
            Op::And(left, right) => self.and(*left, *right)?,
            Op::Or(left, right) => self.or(*left, *right)?,
            Op::Not(input) => {
                let Cell { value, valid } = self.cell(*input)?;
                Cell { value: self.not(value), valid }
            }
            Op::IsNull(input) => {
                let cell = self.cell(*input)?;
                let value = match cell.valid {
                    Some(valid) => self.not(valid),
                    None => self.ins().iconst(types::I8, 0),
                };
                Cell { value, valid: None }
            }
            Op::If { condition, then, otherwise } => self.branch(id, *condition, then, otherwise)?,
            Op::Cast { input, safe } => self.convert(*input, *safe, &fact.ty.data_type)?,
            Op::InSet { input, set, negated } => self.in_set(*input, *set, *negated)?,
            Op::Like { .. } => return Err(not_native("LIKE")),
            Op::Call { function, .. } => return Err(not_native(&function.to_string())),
        };
        self.cells.insert(id, cell);
        Ok(())
    }

    /// Kleene: false where either side is known to be false.
    fn and(&mut self, left: ValueId, right: ValueId) -> Result<Cell> {
        let (left, right) = (self.cell(left)?, self.cell(right)?);
        let value = self.ins().band(left.value, right.value);
        if left.valid.is_none() && right.valid.is_none() {
            return Ok(Cell { value, valid: None });
        }
        let decided = [left, right].map(|side| {
            let is_false = self.not(side.value);
            self.is_true(Cell { value: is_false, valid: side.valid })
        });
        Ok(self.decided(value, left, right, decided, false))
    }

    /// Kleene: true where either side is known to be true.
    fn or(&mut self, left: ValueId, right: ValueId) -> Result<Cell> {
        let (left, right) = (self.cell(left)?, self.cell(right)?);
        let value = self.ins().bor(left.value, right.value);
        if left.valid.is_none() && right.valid.is_none() {
            return Ok(Cell { value, valid: None });
        }
        let decided = [left, right].map(|side| self.is_true(side));
        Ok(self.decided(value, left, right, decided, true))
    }

    /// Valid where both sides are, or where one of them decides alone for `outcome`.
    fn decided(
        &mut self,
        value: cranelift_codegen::ir::Value,
        left: Cell,
        right: Cell,
        decided: [cranelift_codegen::ir::Value; 2],
        outcome: bool,
    ) -> Cell {
        let one_decides = self.ins().bor(decided[0], decided[1]);
        let valid = self.both(left.valid, right.valid).map(|both| self.ins().bor(both, one_decides));
        let value = match outcome {
            true => self.ins().bor(value, one_decides),
            false => {
                let not_decided = self.not(one_decides);
                self.ins().band(value, not_decided)
            }
        };
        Cell { value, valid }
    }

    fn in_set(&mut self, input: ValueId, set: u32, negated: bool) -> Result<Cell> {
        let Some(ParameterType::Set { len, .. }) = self.part.facts.program.parameters.get(set as usize)
        else {
            return Err(Error::internal("IN without a set"));
        };
        let (cell, lane) = (self.cell(input)?, self.lane(input)?);
        let mut found = self.ins().iconst(types::I8, 0);
        for entry in 0..*len {
            let offset = self.part.layout.offset(set, entry);
            let base = self.bases.parameters;
            let member = self.ins().load(lane.register(), constant_memory(), base, offset);
            let equal = self.compare_values(CompareOp::Equal, lane, cell.value, member);
            found = self.ins().bor(found, equal);
        }
        if negated {
            found = self.ins().icmp_imm_s(IntCC::Equal, found, 0);
        }
        Ok(Cell { value: found, valid: cell.valid })
    }
}
