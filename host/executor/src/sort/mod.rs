//! Sorting: keys as comparable bytes or numbers, runs sorted side by side, merged.

mod keys;
mod sorter;
mod state;
mod topn;

pub(crate) use keys::{KeyEncoder, SortKeys};
pub(crate) use sorter::Sorter;
pub(crate) use state::SortState;
