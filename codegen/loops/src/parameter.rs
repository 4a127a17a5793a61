//! The parameter block: a program's constants as compiled code reads them.

use arrow::array::{Array, ArrayRef};
use nyala_pipeline::Parameter;
use nyala_pipeline::program::{ParameterType, Program};
use nyala_schema::{Error, Result};

use crate::column;
use crate::lane::Lane;

/// Bytes of one slot: the widest value.
pub const SLOT_BYTES: i32 = 16;

/// Where each parameter lies, in slots: first the values (sets as many as they have), then one slot per
/// parameter that is 1 when it is NULL.
#[derive(Debug, Clone)]
pub struct ParameterLayout {
    first: Vec<usize>,
    values: usize,
}

impl ParameterLayout {
    pub fn of(program: &Program) -> Self {
        let mut first = Vec::with_capacity(program.parameters.len());
        let mut values = 0;
        for parameter in &program.parameters {
            first.push(values);
            values += match parameter {
                ParameterType::Scalar(_) => 1,
                ParameterType::Set { len, .. } => *len,
            };
        }
        Self { first, values }
    }

    /// Byte offset of entry `entry` of a parameter.
    pub fn offset(&self, parameter: u32, entry: usize) -> i32 {
        (self.first[parameter as usize] + entry) as i32 * SLOT_BYTES
    }

    /// Byte offset of the word that is 1 when the parameter is NULL.
    pub fn null_offset(&self, parameter: u32) -> i32 {
        (self.values + parameter as usize) as i32 * SLOT_BYTES
    }

    /// The block for these constants. Parameters of types that compiled code does not handle are left zero.
    ///
    /// # Errors
    /// Internal: constants that do not match the program.
    pub fn fill(&self, program: &Program, parameters: &[Parameter]) -> Result<Vec<u128>> {
        if parameters.len() != program.parameters.len() {
            return Err(Error::internal("a program was called with a wrong number of parameters"));
        }
        let mut block = vec![0; self.values + parameters.len()];
        for (index, (declared, given)) in program.parameters.iter().zip(parameters).enumerate() {
            let first = self.first[index];
            match (declared, given) {
                (ParameterType::Scalar(ty), Parameter::Scalar(value)) => {
                    let Some(lane) = Lane::of(&ty.data_type) else { continue };
                    if value.is_null() {
                        block[self.values + index] = 1;
                        continue;
                    }
                    check(value.data_type() == &ty.data_type)?;
                    block[first] = read(value.array(), 0, lane)?;
                }
                (ParameterType::Set { data_type, len }, Parameter::Set(values)) => {
                    let Some(lane) = Lane::of(data_type) else { continue };
                    check(values.data_type() == data_type && values.len() == *len)?;
                    for entry in 0..*len {
                        block[first + entry] = read(values, entry, lane)?;
                    }
                }
                (ParameterType::Scalar(_), Parameter::Set(_))
                | (ParameterType::Set { .. }, Parameter::Scalar(_)) => check(false)?,
            }
        }
        Ok(block)
    }
}

fn check(fits: bool) -> Result<()> {
    if fits { Ok(()) } else { Err(Error::internal("a parameter does not have the type that was compiled")) }
}

/// One value extended to a slot: integers by their sign, floats as their bits.
fn read(array: &ArrayRef, row: usize, lane: Lane) -> Result<u128> {
    if lane == Lane::Bool {
        return Ok(u128::from(column::booleans(array)?.value(row)));
    }
    let bytes = column::value_bytes(array, row, lane)?;
    let mut slot = [0u8; 16];
    slot[..bytes.len()].copy_from_slice(bytes);
    let negative =
        matches!(lane, Lane::Int { signed: true, .. }) && bytes.last().is_some_and(|b| b & 0x80 != 0);
    if negative {
        slot[bytes.len()..].fill(0xff);
    }
    Ok(u128::from_le_bytes(slot))
}
