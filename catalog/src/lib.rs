//! Which tables, views, functions, operators and modules exist: immutable versioned snapshots, a pure `apply`, a store
//! that keeps them, and a place for the bytes of modules.
//!
//! Reading order: [`snapshot`] is the value; [`mod@apply`] the only way it changes; [`history`] what it was; [`parts`] its form as
//! keys and values; [`store`] what a place to keep it must do, with [`memory_store`] and [`sled_store`]; [`catalog`] ties
//! them together; [`check`] and [`mod@dump`] are for who looks after it. [`blob`] says what a place for modules must do, with
//! [`memory_blobs`] and [`file_blobs`]. [`raft`] keeps a catalog on several replicas; [`handle`] is either, for an engine,
//! by [`replicated`], whose threads wait as a [`Waiter`] has them.

pub mod apply;
pub mod blob;
pub mod catalog;
pub mod check;
mod disk;
pub mod dump;
pub mod file_blobs;
pub mod handle;
pub mod history;
pub mod memory_blobs;
pub mod memory_store;
mod near_miss;
mod overload;
pub mod parts;
pub mod raft;
pub mod replicated;
pub mod sled_store;
pub mod snapshot;
pub mod store;
mod waiter;

pub use apply::apply;
pub use blob::Blobs;
pub use catalog::Catalog;
pub use check::{check_folder, check_snapshot};
pub use dump::{dump, restore};
pub use file_blobs::FileBlobs;
pub use handle::{CatalogHandle, CommitId, Outcome};
pub use history::table_at;
pub use memory_blobs::MemoryBlobs;
pub use memory_store::MemoryStore;
pub use replicated::Replicated;
pub use sled_store::SledStore;
pub use snapshot::Snapshot;
pub use store::Store;
pub use waiter::Waiter;
