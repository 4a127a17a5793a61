//! Programs as machine code, made with Cranelift.
//!
//! Reading order: `nyala_loops` cuts programs into loops and runs them; `emit` turns a loop into Cranelift's IR;
//! `code` into machine code. Generated code contains neither addresses nor constants of a query: it is handed a
//! frame.

mod backend;
mod code;
mod emit;
mod register;

pub use backend::NativeBackend;
pub use nyala_loops::CompileStats;
