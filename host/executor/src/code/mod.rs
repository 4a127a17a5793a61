//! Running row code.

pub(crate) mod compiler;
pub(crate) mod compute;
pub(crate) mod slot;

pub(crate) use compiler::Compiler;
pub(crate) use compute::ComputeNode;
pub(crate) use slot::{Backends, CodeSlot};
