//! Programs as machine code, made with Cranelift.
//!
//! Reading order: `facts` looks at each value once; `plan` cuts a program into native loops and parts for the
//! interpreter; `emit` turns a loop into Cranelift's IR; `code` into machine code; `executable` runs the
//! stages over batches; `backend` keeps what was compiled. Generated code contains neither addresses nor
//! constants of a query: it is handed a `frame`.

mod backend;
mod cache;
mod code;
mod column;
mod conversion;
mod emit;
mod executable;
mod facts;
mod flags;
mod frame;
mod intrinsic;
mod lane;
mod parameter;
mod plan;
mod reads;
mod run;
mod stats;
mod subprogram;
mod support;

pub use backend::NativeBackend;
pub use stats::CompileStats;
