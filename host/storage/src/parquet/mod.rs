//! Reading Parquet: a page decoder of our own for the common encodings, the `parquet` crate's reader for the rest.
//!
//! Reading order: [`footer`] is what is kept of a file, [`file`] a file as a scan sees it; [`scan`] cuts files into row
//! groups, `pages` says which of their rows filters leave; [`reader`] opens the columns of one; [`column`] walks a column chunk page by page ([`chunk`], [`header`], [`codec`]) and gives values
//! to [`fixed`], [`boolean`] or [`text`], which build on [`hybrid`] and [`bitpack`]; [`levels`] knows which values
//! are NULL; [`fallback`] reads what none of these can; [`statistics`] is what footers say of the values.

mod bitpack;
mod boolean;
pub mod chunk;
pub mod codec;
pub mod column;
mod damage;
mod fallback;
pub mod file;
mod fixed;
pub mod footer;
pub mod header;
mod hybrid;
mod levels;
mod pages;
pub mod pool;
pub mod reader;
pub mod scan;
pub mod statistics;
mod text;
mod values;

pub use scan::ParquetScanner;
