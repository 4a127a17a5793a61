//! The vectorised interpreter of the pipeline IR, and the function library behind it.
//!
//! Its results define what the IR means; other backends are tested against it. It is a crate of its own, beside the
//! native backend, so that `pipeline` stays free of kernels and of DataFusion.
//!
//! Reading order: [`interpreter`] implements the backend; `prepare` resolves a program once; `frame` and `register`
//! hold what a run has computed; `evaluate` runs blocks, with `branch` for `If` and `dictionary` for encoded text;
//! `kernel` has the operations, `function` the calls, `update` the aggregate states. [`library`] gives operators
//! their accumulators and window functions.

mod branch;
mod dictionary;
mod evaluate;
mod failure;
mod frame;
mod function;
mod kernel;
mod prepare;
mod register;
mod update;

pub mod interpreter;
pub mod library;

pub use interpreter::Interpreter;
pub use library::FunctionLibrary;
