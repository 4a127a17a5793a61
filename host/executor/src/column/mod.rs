//! Columns as they flow through a pipeline.

pub(crate) mod chunk;
pub(crate) mod concat;
pub(crate) mod dictionary;
pub(crate) mod hash;
pub(crate) mod indices;
pub(crate) mod integers;
pub(crate) mod normal;
pub(crate) mod size;

pub(crate) use chunk::{Chunk, Column};
pub(crate) use indices::{Composer, Indices};
