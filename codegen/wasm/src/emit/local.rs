//! The locals of a driver's function.

use nyala_loops::Lane;
use nyala_schema::Result;
use wasm_encoder::ValType;

use super::not_done;

/// The number of a local.
pub(super) type Local = u32;

/// Where a value is.
#[derive(Debug, Clone, Copy)]
pub(super) enum Register {
    One(Local, ValType),
    /// Low and high half.
    Two([Local; 2]),
}

impl Register {
    pub(super) fn one(self) -> Result<Local> {
        match self {
            Register::One(local, _) => Ok(local),
            Register::Two(_) => Err(not_done("128 bits in a short register")),
        }
    }

    pub(super) fn two(self) -> Result<[Local; 2]> {
        match self {
            Register::Two(halves) => Ok(halves),
            Register::One(..) => Err(not_done("a short register of 128 bits")),
        }
    }

    pub(super) fn flag(local: Local) -> Register {
        Register::One(local, ValType::I32)
    }

    pub(super) fn word(local: Local) -> Register {
        Register::One(local, ValType::I64)
    }
}

/// The type of a lane's register; of each half for 128 bits.
pub(super) fn register_type(lane: Lane) -> ValType {
    match lane {
        Lane::Bool => ValType::I32,
        Lane::Int { .. } | Lane::Wide => ValType::I64,
        Lane::Float32 => ValType::F32,
        Lane::Float64 => ValType::F64,
    }
}

/// Gives out locals, again and again those that were given back.
#[derive(Debug, Default)]
pub(super) struct Locals {
    types: Vec<ValType>,
    pools: [Pool; 4],
}

#[derive(Debug, Default)]
struct Pool {
    locals: Vec<Local>,
    used: usize,
}

/// How many locals of each type were in use.
#[derive(Debug, Clone, Copy)]
pub(super) struct Mark([usize; 4]);

impl Locals {
    pub(super) fn take(&mut self, ty: ValType) -> Local {
        let pool = &mut self.pools[pool(ty)];
        pool.used += 1;
        if let Some(local) = pool.locals.get(pool.used - 1) {
            return *local;
        }
        self.types.push(ty);
        // The frame is local 0.
        let local = self.types.len() as Local;
        pool.locals.push(local);
        local
    }

    pub(super) fn mark(&self) -> Mark {
        Mark(std::array::from_fn(|index| self.pools[index].used))
    }

    /// Gives back what was taken since the mark.
    pub(super) fn release(&mut self, mark: Mark) {
        for (pool, used) in self.pools.iter_mut().zip(mark.0) {
            pool.used = used;
        }
    }

    pub(super) fn types(&self) -> Vec<ValType> {
        self.types.clone()
    }
}

fn pool(ty: ValType) -> usize {
    match ty {
        ValType::I32 => 0,
        ValType::I64 => 1,
        ValType::F32 => 2,
        ValType::F64 | ValType::V128 | ValType::Ref(_) => 3,
    }
}
