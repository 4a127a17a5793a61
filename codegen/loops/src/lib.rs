//! Cuts a program into loops for a compiler and parts for the interpreter, and runs them over batches.
//!
//! Reading order: `facts` looks at each value once; `plan` cuts a program into loops and parts for the interpreter;
//! a [`compiler`] turns a loop into code; `executable` runs the stages over batches; [`LoopBackend`] keeps what was
//! compiled. Code contains neither addresses nor constants of a query: it is handed a [`frame`].

mod backend;
mod cache;
mod column;
pub mod compiler;
mod conversion;
mod executable;
mod facts;
mod flags;
pub mod frame;
mod intrinsic;
mod lane;
mod parameter;
mod plan;
mod reads;
mod run;
mod stats;
mod subprogram;
mod support;

pub use backend::{LoopBackend, PROGRAMS_CACHED_MAX};
pub use compiler::{CallFacts, Compiled, CompiledLoop, Detail, LoopCompiler, Part};
pub use conversion::Conversion;
pub use executable::LoopExecutable;
pub use facts::{Fact, Facts};
pub use flags::{Variant, nullable_values};
pub use frame::Frame;
pub use lane::{Lane, decimal, power_of_ten};
pub use parameter::ParameterLayout;
pub use plan::{LoopStage, update_values};
pub use reads::{Reads, Source};
pub use stats::CompileStats;
pub use support::OpFacts;
