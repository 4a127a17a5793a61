//! Who may run when: pools, kept by one node for all coordinators.
//!
//! Reading order: [`pool`] is what is shared out; `controller` the state of who runs and who waits; [`leader`] which node
//! keeps it; `asking` how coordinators reach it, and what they do when they cannot.

mod asking;
mod controller;
pub mod leader;
pub mod pool;

pub(crate) use asking::Admission;
pub use leader::{Leader, Leadership};
pub use pool::{DEFAULT_POOL, Pool};
