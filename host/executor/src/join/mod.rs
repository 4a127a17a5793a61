//! Hash joins: building a table, looking rows up in it, filters made of it.

mod bloom;
mod build;
mod filter_bytes;
mod hashed;
mod index;
mod keys;
mod packing;
mod radix;
mod ranked;
mod runtime_filter;
mod table;

pub(crate) use build::JoinState;
pub use filter_bytes::merge_filters;
pub(crate) use index::Ranges;
pub(crate) use keys::ProbeKeys;
pub(crate) use runtime_filter::RuntimeFilter;
pub(crate) use table::JoinTable;
