//! Runs what users uploaded, with wasmtime, within limits.

mod kernel;

pub use kernel::{KernelArtefacts, Kernels, Modules, RowFunction, WasmBackend};
