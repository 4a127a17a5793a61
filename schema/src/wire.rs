//! The only conversions to and from Cap'n Proto. A message that does not decode is a typed error, never a panic.

mod admission;
mod arrays;
mod arrow_data;
mod catalog;
mod change;
mod client;
mod client_response;
mod definition;
mod deploy;
mod error_detail;
mod expr;
mod files;
mod fragment;
mod function;
mod guest;
mod managed;
mod names;
mod node_info;
mod operator;
mod progress;
mod query;
mod report;
mod scan;
mod status;
mod summary;
mod types;

#[rustfmt::skip]
#[allow(clippy::all, clippy::pedantic, unused_qualifications, missing_docs)]
mod generated {
    pub mod catalog_capnp;
    pub mod client_capnp;
    pub mod managed_capnp;
    pub mod plan_capnp;
    pub mod query_capnp;
}

pub use admission::{decode_admission, decode_admission_answer, encode_admission, encode_admission_answer};
pub use catalog::{decode_entry, encode_entry};
pub use client::{decode_client_request, encode_client_request};
pub use client_response::{decode_client_response, encode_client_response};
pub use definition::{
    RetiredContent, RetiredObject, decode_functions, decode_module, decode_operator, decode_retired,
    decode_table, encode_functions, encode_module, encode_operator, encode_retired, encode_table,
};
pub use files::{decode_files, encode_files};
pub use fragment::{decode_fragment, encode_fragment};
pub use managed::{decode_versions, encode_versions};
pub use query::{
    QUERY_MESSAGE_BYTES_MAX, decode_query_answer, decode_query_message, encode_query_answer,
    encode_query_message,
};

use capnp::message::{Builder, HeapAllocator, ReaderOptions};

use crate::error::{Error, ErrorCode, Result};

/// How often the words of a message may be visited. Damaged lists of nothing have millions of items otherwise.
const VISITS_MAX: usize = 4;
/// Words that may be visited beside.
const VISITS_SPARE: usize = 1024;
/// Levels of nesting; expressions of generated SQL get deep.
const NESTING_MAX: i32 = 4096;

fn to_bytes(message: &Builder<HeapAllocator>) -> Vec<u8> {
    capnp::serialize::write_message_to_words(message)
}

fn read<T>(
    bytes: &[u8],
    decode: impl FnOnce(&capnp::message::Reader<capnp::serialize::OwnedSegments>) -> Result<T>,
) -> Result<T> {
    let mut options = ReaderOptions::new();
    let words = bytes.len() / size_of::<u64>();
    options.traversal_limit_in_words(Some(words * VISITS_MAX + VISITS_SPARE)).nesting_limit(NESTING_MAX);
    let mut rest = bytes;
    let message = capnp::serialize::read_message(&mut rest, options)?;
    decode(&message)
}

impl From<capnp::Error> for Error {
    fn from(error: capnp::Error) -> Self {
        Error::new(ErrorCode::Connection, format!("a message cannot be decoded: {error}"))
    }
}

impl From<capnp::NotInSchema> for Error {
    fn from(error: capnp::NotInSchema) -> Self {
        Error::new(
            ErrorCode::Connection,
            format!("a message holds a kind that this version does not know: {error}"),
        )
    }
}

impl From<std::str::Utf8Error> for Error {
    fn from(error: std::str::Utf8Error) -> Self {
        Error::new(ErrorCode::Connection, format!("a message holds text that is not UTF-8: {error}"))
    }
}

/// A text that may be missing.
fn optional_text<'a>(
    is_set: bool,
    text: impl FnOnce() -> capnp::Result<capnp::text::Reader<'a>>,
) -> Result<Option<String>> {
    if is_set { Ok(Some(text()?.to_string()?)) } else { Ok(None) }
}

fn malformed(what: &str) -> Error {
    Error::new(ErrorCode::Connection, format!("a message holds {what}"))
}

/// A list length for the wire.
fn count(len: usize) -> u32 {
    u32::try_from(len).expect("lists of a plan are shorter than 4 billion")
}

/// Names each pair of a Rust enum and its wire enum once, for both directions.
macro_rules! enum_pairs {
    ($to:ident, $from:ident, $ours:ty, $wire:ty, $($variant:ident),+ $(,)?) => {
        pub(super) fn $to(value: $ours) -> $wire {
            match value { $(<$ours>::$variant => <$wire>::$variant,)+ }
        }

        pub(super) fn $from(value: $wire) -> $ours {
            match value { $(<$wire>::$variant => <$ours>::$variant,)+ }
        }
    };
}
pub(crate) use enum_pairs;
