//! Loading columns and constants, storing outputs.

use std::mem::{offset_of, size_of};

use cranelift_codegen::ir::condcodes::IntCC;
use cranelift_codegen::ir::{InstBuilder, Value, types};
use nyala_pipeline::{Type, ValueId};
use nyala_schema::{Error, Result};

use super::{Cell, ColumnBase, Emitter, constant_memory, trusted};
use nyala_loops::Lane;
use nyala_loops::Source;
use nyala_loops::frame::{ColumnSlot, Frame, OutputSlot};

use crate::register::Registers;

impl Emitter<'_, '_> {
    /// Loads into registers what is the same in every row.
    pub(super) fn load_bases(&mut self) -> Result<()> {
        self.load_columns()?;
        self.load_constants();
        let outputs = self.load_constant(offset_of!(Frame, outputs), self.bases.frame);
        for index in 0..self.part.stage.outputs.len() {
            let slot = index * size_of::<OutputSlot>();
            let values = self.load_constant(slot + offset_of!(OutputSlot, values), outputs);
            let validity = self.load_constant(slot + offset_of!(OutputSlot, validity), outputs);
            self.outputs.push((values, validity));
        }
        Ok(())
    }

    fn load_constant(&mut self, offset: usize, base: Value) -> Value {
        self.ins().load(types::I64, constant_memory(), base, offset as i32)
    }

    fn load_columns(&mut self) -> Result<()> {
        let slots = self.load_constant(offset_of!(Frame, columns), self.bases.frame);
        for (index, source) in self.part.reads.columns.iter().enumerate() {
            let slot = index * size_of::<ColumnSlot>();
            let nullable = self.source_type(*source)?.nullable;
            let values = self.load_constant(slot + offset_of!(ColumnSlot, values), slots);
            let bit_offset = self.load_constant(slot + offset_of!(ColumnSlot, bit_offset), slots);
            let validity = (self.part.variant.nulls && nullable).then(|| {
                let bits = self.load_constant(slot + offset_of!(ColumnSlot, validity), slots);
                let offset = self.load_constant(slot + offset_of!(ColumnSlot, validity_offset), slots);
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
        let base = self.bases.parameters;
        for index in &self.part.reads.constants {
            let Some(ty) = self.part.facts.scalar(*index) else { continue };
            let Some(lane) = Lane::of(&ty.data_type) else { continue };
            let offset = self.part.layout.offset(*index, 0);
            let value = self.ins().load(lane.register(), constant_memory(), base, offset);
            let valid = ty.nullable.then(|| {
                let offset = self.part.layout.null_offset(*index);
                let null = self.ins().load(types::I64, constant_memory(), base, offset);
                self.ins().icmp_imm_s(IntCC::Equal, null, 0)
            });
            self.constants.insert(*index, Cell { value, valid });
        }
    }

    /// The value of a column in the row at hand.
    pub(super) fn load(&mut self, source: Source, ty: &Type) -> Result<Cell> {
        let base = self.columns.get(&source).copied();
        let base = base.ok_or_else(|| Error::internal("a column that was not announced is read"))?;
        let index = match source {
            Source::Input(_) => self.row,
            Source::Carried(_) => self.position,
        };
        let value = match Lane::of(&ty.data_type) {
            // Only the NULLs of such a column are of interest.
            None => self.ins().iconst(types::I8, 0),
            Some(Lane::Bool) => self.load_bit(base.values, base.bit_offset, index),
            Some(lane) => {
                let address = self.element(base.values, index, lane.bytes());
                self.load_lane(lane, address, 0)
            }
        };
        let valid = base.validity.map(|(bits, offset)| self.load_bit(bits, offset, index));
        Ok(Cell { value, valid })
    }

    /// Address of entry `index` of an array of entries of a power of two bytes.
    pub(super) fn element(&mut self, base: Value, index: Value, bytes: usize) -> Value {
        let shift = i64::from(bytes.trailing_zeros());
        let offset = if shift == 0 { index } else { self.ins().ishl_imm_u(index, shift) };
        self.ins().iadd(base, offset)
    }

    fn load_bit(&mut self, bits: Value, offset: Value, index: Value) -> Value {
        let bit = self.ins().iadd(index, offset);
        let byte = self.ins().ushr_imm_u(bit, 3);
        let address = self.ins().iadd(bits, byte);
        let byte = self.ins().load(types::I8, trusted(), address, 0);
        // The shift takes its amount modulo eight.
        let shifted = self.ins().ushr(byte, bit);
        self.ins().band_imm_u(shifted, 1)
    }

    /// Loads a value as its register holds it.
    pub(super) fn load_lane(&mut self, lane: Lane, address: Value, offset: i32) -> Value {
        let flags = trusted();
        match lane {
            Lane::Int { bytes: 1, signed: true } => self.ins().sload8(types::I64, flags, address, offset),
            Lane::Int { bytes: 1, signed: false } => self.ins().uload8(types::I64, flags, address, offset),
            Lane::Int { bytes: 2, signed: true } => self.ins().sload16(types::I64, flags, address, offset),
            Lane::Int { bytes: 2, signed: false } => self.ins().uload16(types::I64, flags, address, offset),
            Lane::Int { bytes: 4, signed: true } => self.ins().sload32(flags, address, offset),
            Lane::Int { bytes: 4, signed: false } => self.ins().uload32(flags, address, offset),
            Lane::Bool | Lane::Int { .. } | Lane::Wide | Lane::Float32 | Lane::Float64 => {
                self.ins().load(lane.register(), flags, address, offset)
            }
        }
    }

    /// Stores a register in the lane's memory form.
    pub(super) fn store_lane(&mut self, lane: Lane, value: Value, address: Value, offset: i32) {
        let value =
            if lane.stored() == lane.register() { value } else { self.ins().ireduce(lane.stored(), value) };
        self.ins().store(trusted(), value, address, offset);
    }

    /// Writes the stage's outputs as entry `index`.
    pub(super) fn store_outputs(&mut self, index: Value) -> Result<()> {
        for (output, id) in self.part.stage.outputs.iter().enumerate() {
            let cell = self.cell(*id)?;
            let lane = self.lane(*id)?;
            let (values, validity) = self.outputs[output];
            let address = self.element(values, index, lane.bytes());
            self.store_lane(lane, cell.value, address, 0);
            if self.is_nullable(*id) {
                let valid = cell.valid.unwrap_or_else(|| self.builder.ins().iconst(types::I8, 1));
                let address = self.element(validity, index, 1);
                self.ins().store(trusted(), valid, address, 0);
            }
        }
        Ok(())
    }

    pub(super) fn lane(&self, id: ValueId) -> Result<Lane> {
        let data_type = &self.part.facts.get(id)?.ty.data_type;
        Lane::of(data_type).ok_or_else(|| super::not_native(&format!("a value of type {data_type}")))
    }
}
