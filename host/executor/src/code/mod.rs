//! Running row code.

pub(crate) mod compiler;
pub(crate) mod compute;
mod difference;
pub(crate) mod slot;
mod verify;

pub(crate) use compiler::Compiler;
pub(crate) use compute::ComputeNode;
pub(crate) use slot::{Backends, CodeSlot};
