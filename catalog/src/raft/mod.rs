//! The catalog on several replicas: openraft orders the commands, every replica applies them to its own snapshot.
//!
//! Reading order: [`types`] are the nouns that go into the log; [`store`] what a replica keeps on its disk, with
//! [`memory_store`] and [`sled_store`]; [`log`] and [`machine`] are what openraft asks of a store; [`message`] what replicas
//! say to each other over a [`network`]; [`replica`] ties them together. [`blobs`] keeps the bytes of modules on all of
//! them.

pub mod blobs;
mod leader;
mod log;
mod machine;
mod members;
pub mod memory_network;
pub mod memory_store;
mod message;
pub mod network;
mod network_factory;
mod octets;
mod progress;
mod proposals;
mod recent;
pub mod replica;
pub mod settings;
mod silence;
pub mod sled_store;
mod snapshot_stream;
mod statement;
pub mod status;
pub mod store;
mod types;

pub use memory_network::{MemoryNetwork, Weather};
pub use memory_store::MemoryReplicaStore;
pub use network::{Network, Peer};
pub use replica::{Parts, Replica};
pub use settings::Settings;
pub use sled_store::SledReplicaStore;
pub use status::{Outcome, Role, Status};
pub use store::ReplicaStore;
pub use types::{ProposalId, ReplicaId};
