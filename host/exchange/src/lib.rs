//! Rows between the instances of fragments: streams with credits, on whatever carries them.
//!
//! Reading order: [`transport`] is what carries, between two nodes or in memory; [`frame`] is a batch on its way;
//! [`input`] and [`output`] are the two ends as an executor sees them; [`hub`] is all streams of a node; [`partition`] says who
//! gets which rows; [`members`] is what is known of the nodes; [`memory`] is a network for tests and simulation.

pub mod config;
pub mod frame;
pub mod hub;
pub mod input;
mod lock;
pub mod members;
pub mod memory;
pub mod output;
pub mod partition;
pub mod transport;

pub use config::{Compression, ExchangeConfig};
pub use frame::Frame;
pub use hub::{Exchange, ExchangeStatistics, InputSpec, OutputSpec};
pub use input::Input;
pub use members::Members;
pub use output::{Output, Readiness};
pub use transport::{Caller, Handler, Outgoing, Receipt, Service, StreamPart, Taken, Transport};
