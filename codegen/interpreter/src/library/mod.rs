//! What operators ask of the function library: accumulators of aggregates and window functions.
//!
//! `aggregate` finds an aggregate and picks the accumulator: `grouped` drives DataFusion's, `kept_rows` those that
//! need order or distinctness, `distinct_count` and `text_extreme` are our own. `window` evaluates calls over one
//! partition: `peers` and `bounds` give each row's frame, `ranking` and `offset` the functions proper, `framed` and
//! `running` aggregates over frames.

mod aggregate;
mod bounds;
mod distinct_count;
mod framed;
mod grouped;
mod kept_rows;
mod offset;
mod peers;
mod ranking;
mod running;
mod text_extreme;
mod window;

use arrow::array::ArrayRef;
use nyala_pipeline::library::{GroupAccumulator, Library};
use nyala_pipeline::state::{LibraryAggregate, WindowSpec};
use nyala_schema::Result;

/// DataFusion's aggregate and window functions, with our own for the hot ones.
#[derive(Debug, Clone, Copy, Default)]
pub struct FunctionLibrary;

impl FunctionLibrary {
    pub fn new() -> Self {
        Self
    }
}

impl Library for FunctionLibrary {
    fn accumulator(&self, aggregate: &LibraryAggregate) -> Result<Box<dyn GroupAccumulator>> {
        aggregate::accumulator(aggregate)
    }

    fn window(&self, spec: &WindowSpec, columns: &[ArrayRef], rows: usize) -> Result<Vec<ArrayRef>> {
        window::evaluate(spec, columns, rows)
    }
}
