//! Who may run when: pools, kept by one node for all coordinators.

pub mod leader;
pub mod pool;

pub use leader::Leader;
pub use pool::Pool;
