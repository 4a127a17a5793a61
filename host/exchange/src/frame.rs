//! A batch on its way: a small head, and the Arrow buffers as they are.

use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::buffer::Buffer;
use arrow::datatypes::SchemaRef;
use bytes::Bytes;
use nyala_schema::{Error, Result};

/// Length of a frame above which a batch is split, in bytes.
pub const FRAME_BYTES_TARGET: u64 = 4 << 20;

/// A batch as head and body. The head says how the columns lie in the body: for each, the type that it has on the way (which
/// may be a dictionary where the schema has text), lengths, null counts, and places of buffers.
#[derive(Debug, Clone)]
pub struct Frame {
    pub rows: u64,
    pub head: Bytes,
    pub body: Body,
}

/// The buffers of a batch, each starting at a multiple of 64 bytes.
#[derive(Debug, Clone)]
pub enum Body {
    /// As they were made: not yet in one piece. Between two of them are as many zero bytes as are needed.
    Parts { parts: Arc<[Buffer]>, bytes: u64 },
    /// As they arrived, aligned to 64 bytes.
    Whole(Buffer),
    /// As they arrived, compressed with LZ4; `bytes` is the length without.
    Compressed { buffer: Buffer, bytes: u64 },
}

impl Body {
    /// Bytes that go over the wire.
    pub fn wire_bytes(&self) -> u64 {
        match self {
            Self::Parts { bytes, .. } => *bytes,
            Self::Whole(buffer) | Self::Compressed { buffer, .. } => buffer.len() as u64,
        }
    }
}

impl Frame {
    pub fn wire_bytes(&self) -> u64 {
        self.head.len() as u64 + self.body.wire_bytes()
    }

    pub fn split(batch: &RecordBatch, target: u64) -> Result<Vec<Self>> {
        let _ = target;
        Ok(vec![Self::of(batch)?])
    }

    pub fn compressed(self) -> Self {
        self
    }

    /// Takes a batch apart; copies no buffer that is worth keeping whole.
    ///
    /// # Errors
    /// `Unsupported` for types that have no wire form.
    pub fn of(batch: &RecordBatch) -> Result<Self> {
        let _ = batch;
        Err(Error::unsupported("frames"))
    }

    /// Puts a batch together again. Everything is checked as untrusted; buffers are slices of the body.
    ///
    /// # Errors
    /// `Connection` when head, body and schema do not go together.
    pub fn batch(&self, schema: &SchemaRef) -> Result<RecordBatch> {
        let _ = schema;
        Err(Error::unsupported("frames"))
    }
}
