//! Grouping and aggregates.
//!
//! Each worker has a table of groups of its own (`groups`) with a state record for each (`records`), which row code
//! updates, and accumulators of the function library. In the end the tables are merged by partitions (`merge`) and
//! turned into columns (`result`).

mod combine;
mod finish;
mod fixed;
mod groups;
mod integer;
mod merge;
mod open;
mod records;
mod result;
mod row_keys;
mod sink;
mod slots;
mod state;

pub(crate) use state::AggregateState;
