//! The rows that a block is evaluated for, with the values computed so far.

use arrow::array::{Array, ArrayRef, BooleanArray, UInt32Array};
use arrow::compute::{FilterBuilder, FilterPredicate, take};
use nyala_pipeline::program::Parameter;
use nyala_schema::{Error, Result};

use crate::dictionary;
use crate::kernel::cast::cast_array;
use crate::kernel::select::truth;
use crate::prepare::{Prepared, Slot};
use crate::register::Register;

/// What every block of a run reads.
pub(crate) struct Run<'a> {
    pub prepared: &'a Prepared,
    pub inputs: &'a [ArrayRef],
    pub parameters: &'a [Parameter],
}

/// Inputs are gathered when they are first read, for the rows that are left by then.
#[derive(Clone, Debug)]
enum Value {
    Undefined,
    /// An input column not read yet.
    Waiting(usize),
    Known(Register),
}

pub(crate) struct Frame {
    pub rows: usize,
    /// The input rows that are left; `None`: all.
    selection: Option<UInt32Array>,
    values: Vec<Value>,
}

impl Frame {
    pub fn new(rows: usize, selection: Option<&[u32]>, slots: usize) -> Self {
        let selection = selection.map(|rows| UInt32Array::from(rows.to_vec()));
        Self {
            rows: selection.as_ref().map_or(rows, Array::len),
            selection,
            values: vec![Value::Undefined; slots],
        }
    }

    pub fn set(&mut self, slot: Slot, register: Register) {
        self.values[slot] = Value::Known(register);
    }

    pub fn set_waiting(&mut self, slot: Slot, input: usize) {
        self.values[slot] = Value::Waiting(input);
    }

    pub fn drop_value(&mut self, slot: Slot) {
        self.values[slot] = Value::Undefined;
    }

    /// # Errors
    /// Internal when the value is not there.
    pub fn get(&mut self, slot: Slot, run: &Run<'_>) -> Result<Register> {
        match self.values.get(slot) {
            Some(Value::Known(register)) => Ok(register.clone()),
            Some(Value::Waiting(input)) => {
                let register = Register::Column(self.gather(*input, run)?);
                self.values[slot] = Value::Known(register.clone());
                Ok(register)
            }
            Some(Value::Undefined) | None => {
                Err(Error::internal(format!("value {slot} is read where it is not defined")))
            }
        }
    }

    fn gather(&self, input: usize, run: &Run<'_>) -> Result<ArrayRef> {
        let (Some(array), Some(ty)) = (run.inputs.get(input), run.prepared.inputs.get(input)) else {
            return Err(Error::internal(format!("the program reads input {input} and does not have it")));
        };
        let array = match &self.selection {
            Some(rows) => take(array, rows, None)?,
            None => array.clone(),
        };
        if array.data_type() == &ty.data_type || dictionary::is_text(array.data_type()) {
            return Ok(array);
        }
        cast_array(&array, &ty.data_type, false)
    }

    /// Keeps the rows where `condition` is true.
    ///
    /// # Errors
    /// Internal when the condition is no Boolean.
    pub fn filter(&mut self, condition: &Register) -> Result<()> {
        let mask = truth(condition.boolean()?);
        if condition.is_constant() {
            if !mask.value(0) {
                self.keep(&BooleanArray::new(arrow::buffer::BooleanBuffer::new_unset(self.rows), None))?;
            }
            return Ok(());
        }
        self.keep(&mask)
    }

    fn keep(&mut self, mask: &BooleanArray) -> Result<()> {
        if mask.true_count() == self.rows {
            return Ok(());
        }
        let predicate = FilterBuilder::new(mask).optimize().build();
        for value in &mut self.values {
            if let Value::Known(Register::Column(array)) = value {
                *array = predicate.filter(array)?;
            }
        }
        self.selection = Some(self.narrowed(mask, &predicate)?);
        self.rows = predicate.count();
        Ok(())
    }

    fn narrowed(&self, mask: &BooleanArray, predicate: &FilterPredicate) -> Result<UInt32Array> {
        match &self.selection {
            Some(rows) => {
                let kept = predicate.filter(rows)?;
                Ok(kept.as_any().downcast_ref::<UInt32Array>().cloned().unwrap_or_else(|| rows.clone()))
            }
            None => Ok(UInt32Array::from_iter_values(mask.values().set_indices_u32())),
        }
    }

    /// A frame with some of this one's values, for the rows of the mask.
    ///
    /// # Errors
    /// Internal when a value is not there.
    pub fn subset(&self, captures: &[Slot], mask: &BooleanArray) -> Result<Self> {
        let predicate = FilterBuilder::new(mask).optimize().build();
        let mut values = vec![Value::Undefined; self.values.len()];
        for &slot in captures {
            values[slot] = match &self.values[slot] {
                Value::Known(Register::Column(array)) => {
                    Value::Known(Register::Column(predicate.filter(array)?))
                }
                other => other.clone(),
            };
        }
        Ok(Self { rows: predicate.count(), selection: Some(self.narrowed(mask, &predicate)?), values })
    }

    /// The input rows that are left, ascending.
    pub fn into_selection(self) -> Vec<u32> {
        match self.selection {
            Some(rows) => rows.into_parts().1.into(),
            None => (0..self.rows as u32).collect(),
        }
    }
}
