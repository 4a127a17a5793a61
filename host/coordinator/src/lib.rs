//! Runs queries over the nodes of a cluster: any node coordinates those that arrive at it.
//!
//! Reading order: [`coordinator`] is a node's part in all queries; [`request`] is what it is asked for, [`handle`] what the
//! asker holds, [`settings`] what may be chosen. `schedule` decides, as pure functions and state machines, who runs what;
//! [`admission`] who may run when; `query` drives the attempts of one query; `instance` is the other side, which
//! runs what coordinators deploy here.

pub mod admission;
pub mod coordinator;
pub mod handle;
pub mod request;
pub mod settings;

pub use admission::{Leader, Pool};
pub use coordinator::{Coordinator, CoordinatorParts};
pub use handle::{QueryCancel, QueryHandle};
pub use request::QueryRequest;
pub use settings::{AdmissionSettings, CoordinatorSettings};
