//! Loading columns and constants, storing outputs.

use std::mem::{offset_of, size_of};

use nyala_loops::frame::{ColumnSlot, OutputSlot};
use nyala_loops::{Frame, Lane, Source};
use nyala_pipeline::{Type, ValueId};
use nyala_schema::{Error, Result};
use wasm_encoder::{Instruction as I, ValType};

use super::local::{Local, Register, register_type};
use super::{Cell, ColumnBase, Emitter, FRAME, Place, not_done};
use crate::intrinsic::Intrinsic;

impl Emitter<'_, '_> {
    /// Loads into locals what is the same in every row.
    pub(super) fn load_bases(&mut self) -> Result<()> {
        let fields = [
            (self.bases.count, offset_of!(Frame, count)),
            (self.bases.rows, offset_of!(Frame, rows)),
            (self.bases.selection, offset_of!(Frame, selection)),
            (self.bases.groups, offset_of!(Frame, groups)),
            (self.bases.group_count, offset_of!(Frame, group_count)),
            (self.bases.records, offset_of!(Frame, records)),
            (self.bases.stride, offset_of!(Frame, stride)),
            (self.bases.parameters, offset_of!(Frame, parameters)),
            (self.bases.survivors, offset_of!(Frame, survivors)),
        ];
        for (local, offset) in fields {
            self.push_word(FRAME, offset);
            self.op(I::LocalSet(local));
        }
        self.load_columns()?;
        self.load_constants();
        let outputs = self.load_word(FRAME, offset_of!(Frame, outputs));
        for index in 0..self.part.stage.outputs.len() {
            let slot = index * size_of::<OutputSlot>();
            let values = self.load_word(outputs, slot + offset_of!(OutputSlot, values));
            let validity = self.load_word(outputs, slot + offset_of!(OutputSlot, validity));
            self.outputs.push((values, validity));
        }
        Ok(())
    }

    fn push_word(&mut self, base: Local, offset: usize) {
        self.ops([I::LocalGet(base), I::I64Const(offset as i64), I::I64Add]);
        self.op(I::Call(Intrinsic::Load64.index()));
    }

    fn load_word(&mut self, base: Local, offset: usize) -> Local {
        self.push_word(base, offset);
        self.keep(ValType::I64)
    }

    fn load_columns(&mut self) -> Result<()> {
        let slots = self.load_word(FRAME, offset_of!(Frame, columns));
        for (index, source) in self.part.reads.columns.iter().enumerate() {
            let slot = index * size_of::<ColumnSlot>();
            let nullable = self.source_type(*source)?.nullable;
            let values = self.load_word(slots, slot + offset_of!(ColumnSlot, values));
            let bit_offset = self.load_word(slots, slot + offset_of!(ColumnSlot, bit_offset));
            let validity = (self.part.variant.nulls && nullable).then(|| {
                let bits = self.load_word(slots, slot + offset_of!(ColumnSlot, validity));
                let offset = self.load_word(slots, slot + offset_of!(ColumnSlot, validity_offset));
                (bits, offset)
            });
            self.columns.insert(*source, ColumnBase { values, bit_offset, validity });
        }
        Ok(())
    }

    fn source_type(&self, source: Source) -> Result<&Type> {
        let facts = self.part.facts;
        match source {
            Source::Input(column) => {
                let input = facts.program.inputs.get(column as usize);
                input.ok_or_else(|| Error::internal(format!("the program has no input {column}")))
            }
            Source::Carried(slot) => {
                let mut carried = self.part.stage.carried.iter();
                let (id, _) = carried
                    .find(|(_, other)| **other == slot)
                    .ok_or_else(|| Error::internal("a carried column without a value"))?;
                Ok(facts.get(*id)?.ty)
            }
        }
    }

    fn load_constants(&mut self) {
        for index in &self.part.reads.constants {
            let Some(ty) = self.part.facts.scalar(*index) else { continue };
            let Some(lane) = Lane::of(&ty.data_type) else { continue };
            let value = self.load_parameter(lane, self.part.layout.offset(*index, 0));
            let valid = ty.nullable.then(|| {
                let offset = self.part.layout.null_offset(*index);
                self.push_word(self.bases.parameters, offset as usize);
                self.flag([I::I64Eqz])
            });
            self.constants.insert(*index, Cell { value, valid });
        }
    }

    /// A slot of the parameter block, which holds values extended to words.
    pub(super) fn load_parameter(&mut self, lane: Lane, offset: i32) -> Register {
        let stored = match lane {
            Lane::Int { .. } => Lane::Int { bytes: 8, signed: true },
            Lane::Bool | Lane::Wide | Lane::Float32 | Lane::Float64 => lane,
        };
        self.load_lane(stored, self.bases.parameters, offset as usize)
    }

    /// The value of a column in the row at hand.
    pub(super) fn load(&mut self, source: Source, ty: &Type) -> Result<Cell> {
        let base = self.columns.get(&source).copied();
        let base = base.ok_or_else(|| Error::internal("a column that was not announced is read"))?;
        let place = match source {
            Source::Input(_) => self.row,
            Source::Carried(_) => self.position,
        };
        let value = match Lane::of(&ty.data_type) {
            // Only the NULLs of such a column are of interest.
            None => Register::flag(self.flag([I::I32Const(0)])),
            Some(Lane::Bool) => Register::flag(self.load_bit(base.values, base.bit_offset, place)),
            Some(lane) => {
                let (address, offset) = self.element(base.values, place, lane.bytes());
                self.load_lane(lane, address, offset)
            }
        };
        let valid = base.validity.map(|(bits, offset)| self.load_bit(bits, offset, place));
        Ok(Cell { value, valid })
    }

    /// Address and offset of an entry of an array of entries of a power of two bytes.
    pub(super) fn element(&mut self, base: Local, place: Place, bytes: usize) -> (Local, usize) {
        self.ops([I::LocalGet(base), I::LocalGet(place.local)]);
        let shift = i64::from(bytes.trailing_zeros());
        if shift > 0 {
            self.ops([I::I64Const(shift), I::I64Shl]);
        }
        (self.word([I::I64Add]), place.plus as usize * bytes)
    }

    fn load_bit(&mut self, bits: Local, offset: Local, place: Place) -> Local {
        self.ops([I::LocalGet(place.local), I::LocalGet(offset), I::I64Add]);
        let bit = self.word([I::I64Const(i64::from(place.plus)), I::I64Add]);
        self.ops([I::LocalGet(bits), I::LocalGet(bit), I::I64Const(3), I::I64ShrU, I::I64Add]);
        self.op(I::Call(Intrinsic::Load8.index()));
        self.ops([I::LocalGet(bit), I::I32WrapI64, I::I32Const(7), I::I32And, I::I32ShrU]);
        self.flag([I::I32Const(1), I::I32And])
    }

    /// Loads a value as its register holds it.
    pub(super) fn load_lane(&mut self, lane: Lane, address: Local, offset: usize) -> Register {
        if lane == Lane::Wide {
            return Register::Two([self.load_word(address, offset), self.load_word(address, offset + 8)]);
        }
        self.ops([I::LocalGet(address), I::I64Const(offset as i64), I::I64Add]);
        let load = match lane.bytes() {
            1 => Intrinsic::Load8,
            2 => Intrinsic::Load16,
            4 => Intrinsic::Load32,
            _ => Intrinsic::Load64,
        };
        self.op(I::Call(load.index()));
        match lane {
            Lane::Int { bytes: 1, signed: true } => self.ops([I::I32Extend8S, I::I64ExtendI32S]),
            Lane::Int { bytes: 2, signed: true } => self.ops([I::I32Extend16S, I::I64ExtendI32S]),
            Lane::Int { bytes: 4, signed: true } => self.op(I::I64ExtendI32S),
            Lane::Int { bytes: 1 | 2 | 4, signed: false } => self.op(I::I64ExtendI32U),
            Lane::Float32 => self.op(I::F32ReinterpretI32),
            Lane::Float64 => self.op(I::F64ReinterpretI64),
            Lane::Bool | Lane::Int { .. } | Lane::Wide => {}
        }
        let ty = register_type(lane);
        Register::One(self.keep(ty), ty)
    }

    /// Stores a register in the lane's memory form.
    pub(super) fn store_lane(
        &mut self,
        lane: Lane,
        value: Register,
        address: Local,
        offset: usize,
    ) -> Result<()> {
        if lane == Lane::Wide {
            for (index, half) in value.two()?.into_iter().enumerate() {
                self.ops([I::LocalGet(address), I::I64Const((offset + index * 8) as i64), I::I64Add]);
                self.ops([I::LocalGet(half), I::Call(Intrinsic::Store64.index())]);
            }
            return Ok(());
        }
        self.ops([I::LocalGet(address), I::I64Const(offset as i64), I::I64Add, I::LocalGet(value.one()?)]);
        match lane {
            Lane::Int { bytes: 1 | 2 | 4, .. } => self.op(I::I32WrapI64),
            Lane::Float32 => self.op(I::I32ReinterpretF32),
            Lane::Float64 => self.op(I::I64ReinterpretF64),
            Lane::Bool | Lane::Int { .. } | Lane::Wide => {}
        }
        let store = match lane.bytes() {
            1 => Intrinsic::Store8,
            2 => Intrinsic::Store16,
            4 => Intrinsic::Store32,
            _ => Intrinsic::Store64,
        };
        self.op(I::Call(store.index()));
        Ok(())
    }

    /// Writes the stage's outputs as entry `place`.
    pub(super) fn store_outputs(&mut self, place: Place) -> Result<()> {
        for (output, id) in self.part.stage.outputs.iter().enumerate() {
            let cell = self.cell(*id)?;
            let lane = self.lane(*id)?;
            let (values, validity) = self.outputs[output];
            let (address, offset) = self.element(values, place, lane.bytes());
            self.store_lane(lane, cell.value, address, offset)?;
            if self.is_nullable(*id) {
                let valid = match cell.valid {
                    Some(valid) => valid,
                    None => self.flag([I::I32Const(1)]),
                };
                let (address, offset) = self.element(validity, place, 1);
                self.store_lane(Lane::Bool, Register::flag(valid), address, offset)?;
            }
        }
        Ok(())
    }

    pub(super) fn lane(&self, id: ValueId) -> Result<Lane> {
        let data_type = &self.part.facts.get(id)?.ty.data_type;
        Lane::of(data_type).ok_or_else(|| not_done(&format!("a value of type {data_type}")))
    }
}
