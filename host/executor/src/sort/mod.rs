//! Sorting: keys as comparable bytes or numbers, runs sorted side by side, merged; and streams that come sorted.

mod keys;
mod merge;
mod sorter;
mod state;
mod topn;

pub(crate) use keys::{KeyEncoder, SortKeys};
pub(crate) use merge::{Merger, Run};
pub(crate) use sorter::Sorter;
pub(crate) use state::SortState;
