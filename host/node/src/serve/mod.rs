//! Answers clients: each has sessions here, as many as its connection carries.
//!
//! Reading order: [`surroundings`] is what the service asks of the cluster; `threads` bounds what sessions may keep busy;
//! `session` is a client's session, `rows` a query whose rows are being fetched; `told` turns what the engine says into what
//! clients are told; [`service`] finds the session that a request is for.

mod rows;
pub mod service;
mod session;
pub mod surroundings;
mod threads;
mod told;

pub use service::ClientService;
pub use surroundings::Surroundings;
