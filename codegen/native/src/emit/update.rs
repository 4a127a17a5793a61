//! Changing aggregate states. With one group they are kept in registers during the loop.

use cranelift_codegen::ir::{InstBuilder, Type as ClifType, Value, types};
use cranelift_frontend::Variable;
use nyala_pipeline::program::{StateOp, StateUpdate};
use nyala_schema::Result;

use super::{Cell, Emitter};
use nyala_loops::Lane;
use nyala_loops::frame::STATUS_SUM_OVERFLOW;
use nyala_loops::update_values;

use crate::register::Registers;

/// A state field kept in a register.
#[derive(Debug, Clone, Copy)]
pub(super) struct Accumulator {
    register: Variable,
    field: Field,
    offset: i32,
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

    fn register(self) -> ClifType {
        match self {
            Field::Lane(lane) => lane.register(),
            Field::Partial => types::I64,
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
            let register = self.builder.declare_var(field.register());
            let (offset, records) = (update.offset as i32, self.bases.records);
            let start = match field {
                Field::Lane(lane) => self.load_lane(lane, records, offset),
                Field::Partial => self.ins().iconst(types::I64, 0),
            };
            self.builder.def_var(register, start);
            self.accumulators.push(Accumulator { register, field, offset });
        }
        Ok(())
    }

    pub(super) fn finish_accumulators(&mut self) -> Result<()> {
        let records = self.bases.records;
        for Accumulator { register, field, offset } in std::mem::take(&mut self.accumulators) {
            let mut value = self.builder.use_var(register);
            if field == Field::Partial {
                let before = self.load_lane(Lane::Wide, records, offset);
                let wide = self.ins().sextend(types::I128, value);
                value = self.ins().iadd(before, wide);
            }
            self.store_lane(field.lane(), value, records, offset);
        }
        Ok(())
    }

    /// Changes the states of the row's group.
    pub(super) fn update_states(&mut self) -> Result<()> {
        if self.part.stage.updates.is_empty() {
            return Ok(());
        }
        let updates = &self.part.facts.program.updates;
        let chosen = || self.part.stage.updates.iter().map(|index| &updates[*index]);
        let roots: Vec<_> = chosen().flat_map(update_values).collect();
        let chosen: Vec<&StateUpdate> = chosen().collect();
        self.compute(&roots)?;
        let record = self.record();
        for (index, update) in chosen.into_iter().enumerate() {
            if self.part.variant.grouped {
                let field = self.field(update, false)?;
                let before = self.load_lane(field.lane(), record, update.offset as i32);
                let after = self.changed(update, field, before)?;
                self.store_lane(field.lane(), after, record, update.offset as i32);
            } else {
                let Accumulator { register, field, .. } = self.accumulators[index];
                let before = self.builder.use_var(register);
                let after = self.changed(update, field, before)?;
                self.builder.def_var(register, after);
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
    fn changed(&mut self, update: &StateUpdate, field: Field, before: Value) -> Result<Value> {
        let mask = match update.mask {
            Some(mask) => {
                let cell = self.cell(mask)?;
                Some(self.is_true(cell))
            }
            None => None,
        };
        let Some(id) = update.value else { return Ok(self.counted(before, mask)) };
        let cell = self.cell(id)?;
        let applies = self.both(mask, cell.valid);
        match &update.op {
            StateOp::Count => Ok(self.counted(before, applies)),
            StateOp::SumInteger => {
                let lane = self.lane(id)?;
                Ok(self.summed(field, lane, before, cell, applies))
            }
            StateOp::SumFloat => {
                let value = match self.lane(id)? {
                    Lane::Float32 => self.ins().fpromote(types::F64, cell.value),
                    _ => cell.value,
                };
                let after = self.ins().fadd(before, value);
                Ok(self.where_applies(applies, after, before))
            }
            StateOp::Min(_) => {
                let lane = self.lane(id)?;
                let better = self.less(lane, cell.value, before);
                let better = self.both(Some(better), applies);
                Ok(self.where_applies(better, cell.value, before))
            }
            StateOp::Max(_) => {
                let lane = self.lane(id)?;
                let better = self.less(lane, before, cell.value);
                let better = self.both(Some(better), applies);
                Ok(self.where_applies(better, cell.value, before))
            }
        }
    }

    fn where_applies(&mut self, applies: Option<Value>, changed: Value, before: Value) -> Value {
        match applies {
            Some(applies) => self.select(applies, changed, before),
            None => changed,
        }
    }

    fn counted(&mut self, before: Value, applies: Option<Value>) -> Value {
        match applies {
            Some(applies) => {
                let step = self.ins().uextend(types::I64, applies);
                self.ins().iadd(before, step)
            }
            None => self.ins().iadd_imm_s(before, 1),
        }
    }

    fn summed(
        &mut self,
        field: Field,
        lane: Lane,
        before: Value,
        cell: Cell,
        applies: Option<Value>,
    ) -> Value {
        let value = match applies {
            Some(applies) => {
                let zero = self.integer(lane.register(), 0);
                self.select(applies, cell.value, zero)
            }
            None => cell.value,
        };
        if lane == Lane::Wide {
            let (sum, overflow) = self.ins().sadd_overflow(before, value);
            let status = self.ins().ishl_imm_u(overflow, i64::from(STATUS_SUM_OVERFLOW.trailing_zeros()));
            self.fail_if(status, None);
            return sum;
        }
        if field == Field::Partial {
            return self.ins().iadd(before, value);
        }
        let wide = self.widen(lane, value);
        self.ins().iadd(before, wide)
    }
}
