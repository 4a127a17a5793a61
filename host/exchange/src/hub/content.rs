//! A batch in a queue, as it came.

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use nyala_schema::{Error, Result};

use crate::frame::Frame;

/// Rows of one stream.
pub(super) enum Content {
    /// From an instance on this node.
    Local(RecordBatch),
    Remote(Frame),
}

impl Content {
    pub fn bytes(&self) -> u64 {
        match self {
            Self::Local(batch) => batch.get_array_memory_size() as u64,
            Self::Remote(frame) => frame.wire_bytes(),
        }
    }

    pub fn into_batch(self, schema: &SchemaRef) -> Result<RecordBatch> {
        match self {
            Self::Local(batch) => Ok(batch),
            Self::Remote(frame) => frame.batch(schema),
        }
    }
}

/// What goes through a stream of the hub.
pub(super) enum Part {
    Batch(Content),
    End,
    Failed(Error),
}
