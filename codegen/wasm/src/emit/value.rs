//! Values of statements, in the row at hand.

use nyala_loops::Source;
use nyala_pipeline::program::ParameterType;
use nyala_pipeline::{Op, ValueId};
use nyala_schema::expr::CompareOp;
use nyala_schema::{Callee, Error, Result};
use wasm_encoder::Instruction as I;

use super::local::{Local, Register};
use super::{Cell, Emitter, not_done};

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
            Op::And(left, right) => self.kleene(*left, *right, false)?,
            Op::Or(left, right) => self.kleene(*left, *right, true)?,
            Op::Not(input) => {
                let Cell { value, valid } = self.cell(*input)?;
                let value = self.not(value.one()?);
                Cell { value: Register::flag(value), valid }
            }
            Op::IsNull(input) => {
                let cell = self.cell(*input)?;
                let value = match cell.valid {
                    Some(valid) => self.not(valid),
                    None => self.flag([I::I32Const(0)]),
                };
                Cell { value: Register::flag(value), valid: None }
            }
            Op::If { condition, then, otherwise } => self.branch(id, *condition, then, otherwise)?,
            Op::Cast { input, safe } => self.convert(*input, *safe, &fact.ty.data_type)?,
            Op::InSet { input, set, negated } => self.in_set(*input, *set, *negated)?,
            Op::Call { function: Callee::Guest(function), arguments, .. } => {
                self.call(function, arguments, fact.own.fallible)?
            }
            Op::Like { .. } => return Err(not_done("LIKE")),
            Op::Call { function: Callee::Library(name), .. } => return Err(not_done(name)),
        };
        self.cells.insert(id, cell);
        Ok(())
    }

    /// AND for `outcome` false, OR for true: either side alone decides for that.
    fn kleene(&mut self, left: ValueId, right: ValueId, outcome: bool) -> Result<Cell> {
        let (left, right) = (self.cell(left)?, self.cell(right)?);
        let (l, r) = (left.value.one()?, right.value.one()?);
        let value = if outcome { self.or_flags(l, r) } else { self.and_flags(l, r) };
        if left.valid.is_none() && right.valid.is_none() {
            return Ok(Cell { value: Register::flag(value), valid: None });
        }
        let left_decides = self.decides(left, outcome)?;
        let right_decides = self.decides(right, outcome)?;
        let one_decides = self.or_flags(left_decides, right_decides);
        let both = self.both(left.valid, right.valid);
        let valid = both.map(|both| self.or_flags(both, one_decides));
        let value = match outcome {
            true => self.or_flags(value, one_decides),
            false => {
                let open = self.not(one_decides);
                self.and_flags(value, open)
            }
        };
        Ok(Cell { value: Register::flag(value), valid })
    }

    fn decides(&mut self, side: Cell, outcome: bool) -> Result<Local> {
        let value = side.value.one()?;
        let value = if outcome { value } else { self.not(value) };
        self.is_true(Cell { value: Register::flag(value), valid: side.valid })
    }

    fn in_set(&mut self, input: ValueId, set: u32, negated: bool) -> Result<Cell> {
        let Some(ParameterType::Set { len, .. }) = self.part.facts.program.parameters.get(set as usize)
        else {
            return Err(Error::internal("IN without a set"));
        };
        let (cell, lane) = (self.cell(input)?, self.lane(input)?);
        let mut found = self.flag([I::I32Const(0)]);
        for entry in 0..*len {
            let member = self.load_parameter(lane, self.part.layout.offset(set, entry));
            let equal = self.compare_values(CompareOp::Equal, lane, cell.value, member)?;
            found = self.or_flags(found, equal);
        }
        if negated {
            found = self.not(found);
        }
        Ok(Cell { value: Register::flag(found), valid: cell.valid })
    }
}
