//! A running query: tasks on the worker pool, pipelines in the order that their states ask for.

pub(crate) mod exchange_sink;
pub(crate) mod filters;
mod gathering;
pub(crate) mod output;
pub(crate) mod output_sink;
pub(crate) mod over;
pub(crate) mod parking;
pub(crate) mod pool;
pub(crate) mod prepared;
pub(crate) mod query;
pub(crate) mod schedule;
mod supervisor;
pub(crate) mod task;

pub(crate) use pool::Pool;
pub(crate) use query::{Functions, Query};
