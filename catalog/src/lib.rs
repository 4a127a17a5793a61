//! Which tables and views exist: immutable versioned snapshots, a pure `apply`, and a store that keeps them.
//!
//! Reading order: [`snapshot`] is the value; [`apply`] the only way it changes; [`store`] what a place to keep it
//! must do, with [`memory_store`] and [`sled_store`]; [`catalog`] ties them together.

pub mod apply;
pub mod catalog;
pub mod memory_store;
pub mod sled_store;
pub mod snapshot;
pub mod store;

pub use apply::apply;
pub use catalog::Catalog;
pub use memory_store::MemoryStore;
pub use sled_store::SledStore;
pub use snapshot::Snapshot;
pub use store::Store;
