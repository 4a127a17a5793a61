//! A batch on its way: a small head, and the Arrow buffers as they are.
//!
//! Reading order: [`Frame`]; `kind` names types by numbers, `write` takes a batch apart, `read` puts it together, `compress` is
//! LZ4.

mod compress;
mod kind;
mod number;
mod read;
mod split;
mod write;

use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::buffer::{Buffer, MutableBuffer};
use arrow::datatypes::SchemaRef;
use bytes::Bytes;
use nyala_schema::{Error, ErrorCode, Result};

/// Length of a frame above which its batch is split, in bytes.
pub const FRAME_BYTES_TARGET: u64 = 4 << 20;

/// The longest frame, of a row that is longer than the target. Transports take messages of 16 MiB, which hold a little more
/// than the frame.
pub const FRAME_BYTES_MAX: u64 = (16 << 20) - (64 << 10);

/// Of the buffers in a body, in bytes.
pub const BUFFER_ALIGNMENT: usize = 64;

/// The most rows of a frame.
pub const FRAME_ROWS_MAX: u64 = 1 << 24;

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

    /// What goes over the wire, in one piece; copies parts.
    pub fn to_buffer(&self) -> Buffer {
        match self {
            Self::Whole(buffer) | Self::Compressed { buffer, .. } => buffer.clone(),
            Self::Parts { parts, bytes } => {
                let mut whole = MutableBuffer::new(*bytes as usize);
                for part in parts.iter() {
                    whole.resize(whole.len().next_multiple_of(BUFFER_ALIGNMENT), 0);
                    whole.extend_from_slice(part);
                }
                whole.into()
            }
        }
    }
}

impl Frame {
    /// Takes a batch apart; copies no buffer that is worth keeping whole.
    ///
    /// # Errors
    /// `Unsupported` for types that have no wire form.
    pub fn of(batch: &RecordBatch) -> Result<Self> {
        write::frame(batch)
    }

    /// Frames of about `target` bytes at most, in the order of the rows.
    ///
    /// # Errors
    /// `Unsupported` for types that have no wire form; `TooComplex` for a row that fits into no frame.
    pub fn split(batch: &RecordBatch, target: u64) -> Result<Vec<Self>> {
        split::frames(batch, target)
    }

    /// The same, smaller, if it becomes smaller by much.
    #[must_use]
    pub fn compressed(self) -> Self {
        compress::compressed(self)
    }

    /// Puts a batch together again. Everything is checked as untrusted; buffers are slices of the body. Its schema is the one
    /// given, with dictionaries where they were sent for columns that have none.
    ///
    /// # Errors
    /// `Connection` when head, body and schema do not go together.
    pub fn batch(&self, schema: &SchemaRef) -> Result<RecordBatch> {
        read::batch(self, schema)
    }

    /// Bytes that go over the wire.
    pub fn wire_bytes(&self) -> u64 {
        self.head.len() as u64 + self.body.wire_bytes()
    }
}

fn damaged(what: impl std::fmt::Display) -> Error {
    Error::new(ErrorCode::Connection, format!("a batch came in damaged: {what}"))
        .with_hint("run the statement again; if it goes on, look whether all nodes run the same version")
}
