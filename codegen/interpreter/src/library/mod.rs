//! What operators ask of the function library: accumulators of aggregates and window functions.
//!
//! `aggregate` finds an aggregate and picks the accumulator: `grouped` drives DataFusion's, `kept_rows` those that
//! need order or distinctness, `guest` users' own, `distinct_count` and `text_extreme` are our own. `window` evaluates calls over one
//! partition: `peers` and `bounds` give each row's frame, `ranking` and `offset` the functions proper, `framed` and
//! `running` aggregates over frames, `guest_frames` users' aggregates over them.

mod aggregate;
mod bounds;
mod distinct_count;
mod framed;
mod grouped;
mod guest;
mod guest_frames;
mod kept_rows;
mod offset;
mod peers;
mod ranking;
mod running;
mod text_extreme;
mod window;

use std::sync::Arc;

use arrow::array::ArrayRef;
use nyala_pipeline::Guests;
use nyala_pipeline::library::{GroupAccumulator, Library};
use nyala_pipeline::state::{LibraryAggregate, WindowSpec};
use nyala_schema::{Callee, Result};

/// DataFusion's aggregate and window functions, with our own for the hot ones.
#[derive(Clone, Default)]
pub struct FunctionLibrary {
    guests: Option<Arc<dyn Guests>>,
}

impl FunctionLibrary {
    /// Without users' aggregates: calls of them are refused.
    pub fn new() -> Self {
        Self::default()
    }

    /// Runs users' aggregates by `guests`.
    pub fn with_guests(guests: Arc<dyn Guests>) -> Self {
        Self { guests: Some(guests) }
    }
}

impl Library for FunctionLibrary {
    fn accumulator(&self, aggregate: &LibraryAggregate) -> Result<Box<dyn GroupAccumulator>> {
        match &aggregate.call.function {
            Callee::Library(_) => aggregate::accumulator(aggregate),
            Callee::Guest(function) => guest::accumulator(self.guests.as_ref(), function, aggregate),
        }
    }

    fn window(&self, spec: &WindowSpec, columns: &[ArrayRef], rows: usize) -> Result<Vec<ArrayRef>> {
        window::evaluate(spec, columns, rows, self.guests.as_ref())
    }
}
