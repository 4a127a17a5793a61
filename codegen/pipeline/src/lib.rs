//! A fragment as pipelines in a small typed IR.
//!
//! Reading order: [`program`] is the IR of one fused piece of row code; [`state`] is what breakers keep;
//! [`pipeline`] chains programs between a source and a sink; `build` turns a fragment into pipelines;
//! `verify` checks every result; [`backend`] is how code is run.

pub mod backend;
pub mod library;
pub mod pipeline;
pub mod program;
pub mod state;

pub use backend::{Backend, Call, Executable, Outcome};
pub use library::{GroupAccumulator, Library};
pub use pipeline::{Pipeline, PipelinePlan, Sink, Source, Step};
pub use program::{Block, Code, Op, Parameter, Program, Statement, Type, ValueId};
