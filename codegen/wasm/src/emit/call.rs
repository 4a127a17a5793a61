//! Calls of users' functions.

use std::sync::Arc;

use arrow::datatypes::DataType;
use nyala_loops::{Lane, decimal, power_of_ten};
use nyala_pipeline::ValueId;
use nyala_schema::Result;
use nyala_schema::guest::GuestFunction;
use wasm_encoder::{BlockType, Instruction as I};

use super::local::register_type;
use super::{Cell, Emitter, not_done};
use crate::intrinsic::Intrinsic;
use crate::signature::Number;

impl Emitter<'_, '_> {
    /// NULL arguments give NULL. A function that may trap or take its time is not called for them; others are,
    /// because that costs less than a branch.
    pub(super) fn call(
        &mut self,
        function: &Arc<GuestFunction>,
        arguments: &[ValueId],
        fallible: bool,
    ) -> Result<Cell> {
        let mut cells = Vec::with_capacity(arguments.len());
        let mut valid = None;
        for argument in arguments {
            let cell = self.cell(*argument)?;
            valid = self.both(valid, cell.valid);
            cells.push((cell, self.part.facts.get(*argument)?.ty));
        }
        let lane = Lane::of(&function.returns).ok_or_else(|| not_done("a result of that type"))?;
        let value = self.register(lane);
        let guard = valid.filter(|_| fallible);
        if let Some(guard) = guard {
            self.op(I::LocalGet(guard));
            self.open(I::If(BlockType::Empty));
        }
        for (cell, ty) in cells {
            self.op(I::LocalGet(cell.value.one()?));
            if narrow(&ty.data_type) {
                self.op(I::I32WrapI64);
            }
        }
        let number = self.function(function);
        self.op(I::Call(number));
        self.result(&function.returns);
        self.op(I::LocalSet(value.one()?));
        if guard.is_some() {
            self.op(I::Else);
            self.zero(lane);
            self.op(I::LocalSet(value.one()?));
            self.close();
        }
        if let Some((precision, _)) = decimal(&function.returns) {
            let bound = power_of_ten(u32::from(precision)).map_or(i128::MAX, |power| power - 1);
            if let Some(outside) = self.outside(lane, value, bound)? {
                self.fail_if(outside, valid);
            }
        }
        Ok(Cell { value, valid })
    }

    /// The number of a user's function, which is imported once.
    fn function(&mut self, function: &Arc<GuestFunction>) -> u32 {
        let known = self.functions.iter().position(|other| other.code == function.code);
        let position = known.unwrap_or_else(|| {
            self.functions.push(Arc::clone(function));
            self.functions.len() - 1
        });
        (Intrinsic::ALL.len() + position) as u32
    }

    /// From what a function gave to what the register of its type holds.
    fn result(&mut self, data_type: &DataType) {
        match data_type {
            DataType::Boolean => self.ops([I::I32Const(0), I::I32Ne]),
            DataType::Int8 => self.ops([I::I32Extend8S, I::I64ExtendI32S]),
            DataType::Int16 => self.ops([I::I32Extend16S, I::I64ExtendI32S]),
            _ if narrow(data_type) => self.op(I::I64ExtendI32S),
            _ => {}
        }
    }

    fn zero(&mut self, lane: Lane) {
        self.op(match register_type(lane) {
            wasm_encoder::ValType::I32 => I::I32Const(0),
            wasm_encoder::ValType::F32 => I::F32Const(0.0.into()),
            wasm_encoder::ValType::F64 => I::F64Const(0.0.into()),
            _ => I::I64Const(0),
        });
    }
}

/// Passed in 32 bits and held in 64.
fn narrow(data_type: &DataType) -> bool {
    Number::of(data_type) == Some(Number::I32) && *data_type != DataType::Boolean
}
