//! Health and metrics of a node, over HTTP.
//!
//! Reading order: [`source`] is what is asked for them; [`text`] writes metrics as Prometheus reads them; [`server`] answers.

pub mod server;
pub mod source;
pub mod text;

pub use server::Server;
pub use source::{NodeSource, Source};
