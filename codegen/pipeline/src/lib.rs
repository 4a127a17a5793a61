//! A fragment as pipelines in a small typed IR.
//!
//! Reading order: [`program`] is the IR of one fused piece of row code; [`state`] is what breakers keep;
//! [`pipeline`] chains programs between a source and a sink; [`mod@build`] turns a fragment into pipelines, lowering
//! expressions with the help of [`range`]s; [`mod@verify`] checks every result; [`text`] prints programs and plans and
//! reads programs; [`inspect`] answers what backends ask; [`backend`] is how code is run, [`library`] the rest, [`guest`] what users uploaded.

pub mod backend;
pub mod build;
pub mod guest;
pub mod inspect;
pub mod library;
pub mod pipeline;
pub mod program;
pub mod range;
pub mod state;
pub mod text;
pub mod verify;

mod column;
mod lower;

pub use build::{build, stream_schema};
pub use column::exact_type;
pub use verify::verify;

pub use backend::{Backend, Call, Executable, Outcome};
pub use guest::Guests;
pub use library::{GroupAccumulator, Library};
pub use pipeline::{Pipeline, PipelinePlan, PlanOutput, Sink, Source, Step};
pub use program::{Block, Code, Op, Parameter, Program, Statement, Type, ValueId};
