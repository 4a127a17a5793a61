//! The registers of lanes.

use cranelift_codegen::ir::{Type, types};
use nyala_loops::Lane;

/// How Cranelift holds a lane.
pub(crate) trait Registers {
    /// The type of the register.
    fn register(self) -> Type;

    /// The type in memory.
    fn stored(self) -> Type;
}

impl Registers for Lane {
    fn register(self) -> Type {
        match self {
            Lane::Bool => types::I8,
            Lane::Int { .. } => types::I64,
            Lane::Wide => types::I128,
            Lane::Float32 => types::F32,
            Lane::Float64 => types::F64,
        }
    }

    fn stored(self) -> Type {
        match self {
            Lane::Int { bytes: 1, .. } => types::I8,
            Lane::Int { bytes: 2, .. } => types::I16,
            Lane::Int { bytes: 4, .. } => types::I32,
            Lane::Bool | Lane::Int { .. } | Lane::Wide | Lane::Float32 | Lane::Float64 => self.register(),
        }
    }
}
