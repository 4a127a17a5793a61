//! Runs queries over the nodes of a cluster: any node coordinates those that arrive at it.
//!
//! Reading order: [`coordinator`] is a node's part in all queries; [`request`] is what it is asked for, [`handle`] what the
//! asker holds, [`settings`] what may be chosen. `schedule` decides, as pure functions and state machines, who runs what;
//! [`admission`] who may run when; `query` drives the attempts of one query; `instance` is the other side, which
//! runs what coordinators deploy here; `services` is what all queries of a node share.

pub mod admission;
pub mod coordinator;
pub mod handle;
mod instance;
mod lock;
mod profile;
mod query;
pub mod request;
mod schedule;
mod services;
pub mod settings;

use std::time::Duration;

use nyala_schema::cluster::Peer;
use nyala_schema::{Error, ErrorCode};

pub use admission::{Leader, Leadership, Pool};
pub use coordinator::{Coordinator, CoordinatorLoad, CoordinatorParts};
pub use handle::{QueryCancel, QueryHandle};
pub use request::QueryRequest;
pub use settings::{AdmissionSettings, CoordinatorSettings};

fn deadline_missed(peer: &Peer, deadline: Duration) -> Error {
    let message = format!("node {peer} did not answer within {} ms", deadline.as_millis());
    Error::new(ErrorCode::Connection, message).with_hint("see SHOW NODES for whether it is up")
}
