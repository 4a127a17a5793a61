//! Runs the pipelines of a fragment on all cores.
//!
//! Reading order: [`executor`] owns the threads and starts queries; [`execution`] is what a client holds of a
//! running one; [`mod@ends`] ties an instance of a fragment to others. Inside, `run` schedules pipelines as tasks on the worker pool; a task pulls chunks (`column`)
//! from a `source`, sends them through `step`s into a sink, and what sinks keep is in `join`, `aggregate`,
//! `sort` and `keep`. `code` runs row code, interpreted or compiled; `guest` runs users' operators; `memory` accounts
//! what is held;
//! `report` says what everything took.

mod aggregate;
mod code;
mod column;
pub mod ends;
pub mod execution;
pub mod executor;
mod guest;
mod join;
mod keep;
mod lock;
mod memory;
pub mod report;
mod run;
mod sort;
mod source;
mod state;
mod step;
mod window;

pub use ends::{Ends, FilterSink, Morsels};
pub use execution::{CancelHandle, Execution};
pub use executor::{Executor, ExecutorConfig, Scans};
pub use join::merge_filters;
pub use memory::{MemoryPool, MemoryUse};
pub use report::{InstanceStatistics, Profile, Progress};
