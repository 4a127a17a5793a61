//! What is said of an input or output when it is made.

use std::sync::Arc;

use arrow::datatypes::SchemaRef;
use nyala_schema::cluster::{Attempt, Peer};
use nyala_schema::id::FragmentId;

use crate::config::Compression;

/// The receiving end of an exchange, for one instance.
#[derive(Debug, Clone)]
pub struct InputSpec {
    pub attempt: Attempt,
    /// That sends.
    pub fragment: FragmentId,
    /// Index of the receiving instance.
    pub receiver: u32,
    /// The nodes of the sending instances, by index.
    pub senders: Arc<[Peer]>,
    /// Of the batches. A batch may have a dictionary of a column's type where the schema has the type alone.
    pub schema: SchemaRef,
}

/// The sending end of an exchange, for one instance.
#[derive(Debug, Clone)]
pub struct OutputSpec {
    pub attempt: Attempt,
    /// That sends.
    pub fragment: FragmentId,
    /// Index of the sending instance.
    pub sender: u32,
    /// The nodes of the receiving instances, by index.
    pub receivers: Arc<[Peer]>,
    /// Of the batches. A batch may have a dictionary of a column's type where the schema has the type alone.
    pub schema: SchemaRef,
    /// `None`: as the node does it.
    pub compression: Option<Compression>,
}
