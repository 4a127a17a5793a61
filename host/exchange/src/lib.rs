//! Rows between the instances of fragments: streams with credits, on whatever carries them.
//!
//! Reading order: [`transport`] is what carries, between two nodes or in memory; [`frame`] is a batch on its way;
//! [`input`] and [`output`] are the two ends as an executor sees them; [`members`] is what is known of the nodes.

pub mod frame;
pub mod input;
pub mod members;
pub mod output;
pub mod transport;

pub use frame::Frame;
pub use input::Input;
pub use members::Members;
pub use output::{Output, Readiness};
pub use transport::{Caller, Handler, Outgoing, Receipt, Service, StreamPart, Taken, Transport};
