//! The row tier and the WASM backend: loops over rows with users' functions inlined into them.
//!
//! `nyala_wasm` makes of a loop a driver module, which is nested with the modules of the functions that it calls in
//! one component and compiled once. `analysis` looks at a function's code, `extract` leaves out what else its module has, `engine` holds the two engines, `compiler`
//! turns loops into components, `instance` runs them, [`WasmBackend`] and [`RowFunction`] are what others use.

mod analysis;
mod backend;
mod compiler;
mod engine;
mod extract;
mod failure;
mod instance;
mod operators;
mod row;
mod shape;

pub use backend::WasmBackend;
pub use engine::Kernels;
pub use row::RowFunction;
