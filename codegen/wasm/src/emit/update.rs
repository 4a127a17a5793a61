//! Changing aggregate states. With one group they are kept in locals during the loop.

use nyala_loops::frame::STATUS_SUM_OVERFLOW;
use nyala_loops::{Lane, update_values};
use nyala_pipeline::program::{StateOp, StateUpdate};
use nyala_schema::Result;
use nyala_schema::expr::CompareOp;
use wasm_encoder::{Instruction as I, ValType};

use super::local::{Local, Register};
use super::{Cell, Emitter};

/// A state field kept in locals.
#[derive(Debug, Clone, Copy)]
pub(super) struct Accumulator {
    register: Register,
    field: Field,
    offset: usize,
}

/// The form of a state field.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Field {
    Lane(Lane),
    /// An `i128` whose additions of this loop fit 64 bits, because the values have at most 32 and a batch less
    /// than 2^31 rows.
    Partial,
}

const COUNT: Field = Field::Lane(Lane::Int { bytes: 8, signed: true });

impl Field {
    fn lane(self) -> Lane {
        match self {
            Field::Lane(lane) => lane,
            Field::Partial => Lane::Wide,
        }
    }
}

impl Emitter<'_, '_> {
    pub(super) fn start_accumulators(&mut self) -> Result<()> {
        if self.part.variant.grouped {
            return Ok(());
        }
        for index in &self.part.stage.updates {
            let update = &self.part.facts.program.updates[*index];
            let field = self.field(update, true)?;
            let (offset, records) = (update.offset as usize, self.bases.records);
            let register = match field {
                Field::Lane(lane) => self.load_lane(lane, records, offset),
                Field::Partial => Register::word(self.word([I::I64Const(0)])),
            };
            self.accumulators.push(Accumulator { register, field, offset });
        }
        Ok(())
    }

    pub(super) fn finish_accumulators(&mut self) -> Result<()> {
        let records = self.bases.records;
        for Accumulator { mut register, field, offset } in std::mem::take(&mut self.accumulators) {
            if field == Field::Partial {
                let before = self.load_lane(Lane::Wide, records, offset).two()?;
                let added = self.widen(Lane::Int { bytes: 8, signed: true }, register)?;
                register = Register::Two(self.add_wide(before, added));
            }
            self.store_lane(field.lane(), register, records, offset)?;
        }
        Ok(())
    }

    /// Changes the states of the row's group.
    pub(super) fn update_states(&mut self) -> Result<()> {
        if self.part.stage.updates.is_empty() {
            return Ok(());
        }
        let updates = &self.part.facts.program.updates;
        let chosen: Vec<&StateUpdate> =
            self.part.stage.updates.iter().map(|index| &updates[*index]).collect();
        let roots: Vec<_> = chosen.iter().flat_map(|update| update_values(update)).collect();
        self.compute(&roots)?;
        let record = self.record();
        for (index, update) in chosen.into_iter().enumerate() {
            if self.part.variant.grouped {
                let (field, offset) = (self.field(update, false)?, update.offset as usize);
                let before = self.load_lane(field.lane(), record, offset);
                let after = self.changed(update, field, before)?;
                self.store_lane(field.lane(), after, record, offset)?;
            } else {
                let Accumulator { register, field, .. } = self.accumulators[index];
                let after = self.changed(update, field, register)?;
                self.assign(register, after)?;
            }
        }
        Ok(())
    }

    fn field(&self, update: &StateUpdate, in_register: bool) -> Result<Field> {
        Ok(match (&update.op, update.value) {
            (StateOp::Count, _) | (_, None) => COUNT,
            (StateOp::SumFloat, Some(_)) => Field::Lane(Lane::Float64),
            (StateOp::Min(_) | StateOp::Max(_), Some(value)) => Field::Lane(self.lane(value)?),
            (StateOp::SumInteger, Some(value)) => match self.lane(value)? {
                Lane::Int { bytes: 1 | 2 | 4, .. } if in_register => Field::Partial,
                _ => Field::Lane(Lane::Wide),
            },
        })
    }

    /// The state after the row.
    fn changed(&mut self, update: &StateUpdate, field: Field, before: Register) -> Result<Register> {
        let mask = match update.mask {
            Some(mask) => {
                let cell = self.cell(mask)?;
                Some(self.is_true(cell)?)
            }
            None => None,
        };
        let Some(id) = update.value else { return self.counted(before, mask) };
        let cell = self.cell(id)?;
        let applies = self.both(mask, cell.valid);
        // Of a text only the NULLs are counted.
        if update.op == StateOp::Count {
            return self.counted(before, applies);
        }
        let lane = self.lane(id)?;
        match &update.op {
            StateOp::Count => self.counted(before, applies),
            StateOp::SumInteger => self.summed(field, lane, before, cell, applies),
            StateOp::SumFloat => {
                self.ops([I::LocalGet(before.one()?), I::LocalGet(cell.value.one()?)]);
                if lane == Lane::Float32 {
                    self.op(I::F64PromoteF32);
                }
                let after = Register::One(self.made(ValType::F64, [I::F64Add]), ValType::F64);
                self.where_applies(applies, after, before)
            }
            StateOp::Min(_) => {
                let better = self.compare_values(CompareOp::Less, lane, cell.value, before)?;
                let better = self.both(Some(better), applies);
                self.where_applies(better, cell.value, before)
            }
            StateOp::Max(_) => {
                let better = self.compare_values(CompareOp::Less, lane, before, cell.value)?;
                let better = self.both(Some(better), applies);
                self.where_applies(better, cell.value, before)
            }
        }
    }

    fn where_applies(
        &mut self,
        applies: Option<Local>,
        changed: Register,
        before: Register,
    ) -> Result<Register> {
        match applies {
            Some(applies) => self.select(applies, changed, before),
            None => Ok(changed),
        }
    }

    fn counted(&mut self, before: Register, applies: Option<Local>) -> Result<Register> {
        self.op(I::LocalGet(before.one()?));
        match applies {
            Some(applies) => self.ops([I::LocalGet(applies), I::I64ExtendI32U]),
            None => self.op(I::I64Const(1)),
        }
        Ok(Register::word(self.word([I::I64Add])))
    }

    fn summed(
        &mut self,
        field: Field,
        lane: Lane,
        before: Register,
        cell: Cell,
        applies: Option<Local>,
    ) -> Result<Register> {
        let value = match (applies, cell.value) {
            (None, value) => value,
            (Some(_), Register::One(value, ty)) => {
                self.op(I::LocalGet(value));
                self.mask(applies);
                Register::One(self.keep(ty), ty)
            }
            (Some(applies), Register::Two(_)) => {
                let zero = Register::Two(self.wide_constant(0));
                self.select(applies, cell.value, zero)?
            }
        };
        if field == Field::Partial {
            let sum = [I::LocalGet(before.one()?), I::LocalGet(value.one()?), I::I64Add];
            return Ok(Register::word(self.word(sum)));
        }
        let (before, value) = (before.two()?, self.widen(lane, value)?);
        let sum = self.add_wide(before, value);
        if lane == Lane::Wide {
            self.ops([I::LocalGet(before[1]), I::LocalGet(sum[1]), I::I64Xor]);
            self.ops([I::LocalGet(value[1]), I::LocalGet(sum[1]), I::I64Xor, I::I64And]);
            self.ops([I::I64Const(63), I::I64ShrU, I::I32WrapI64]);
            let shift = STATUS_SUM_OVERFLOW.trailing_zeros() as i32;
            let status = self.flag([I::I32Const(shift), I::I32Shl]);
            self.fail_if(status, None);
        }
        Ok(Register::Two(sum))
    }
}
