//! A snapshot as keys and values: one form for everything that is stored or sent.
//!
//! Each thing that can change alone has a key of its own, and what grows is cut into chunks, so what differs between two
//! snapshots is few parts. [`key`] says which keys there are, [`difference`] makes parts, [`assemble`] reads them,
//! [`image`] puts all of a snapshot into one checked run of bytes.

mod assemble;
mod bytes;
mod difference;
pub mod image;
pub(crate) mod key;

/// What a key has now; `None` says that it is gone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part {
    pub key: Vec<u8>,
    pub value: Option<Vec<u8>>,
}

/// A key and its value.
pub type Pair = (Vec<u8>, Vec<u8>);

/// Of the form of parts; stands in the root. A store of another form is refused.
pub const FORMAT_VERSION: u32 = 2;
