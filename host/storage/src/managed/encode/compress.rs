//! Compression of pages.

use nyala_schema::{Error, Result};
use parquet::basic::Compression;

/// Codec states, kept from page to page.
#[derive(Default)]
pub struct Compressor {
    snappy: Option<snap::raw::Encoder>,
    zstd: Option<zstd::bulk::Compressor<'static>>,
}

impl Compressor {
    /// Appends the compressed bytes; gives how many.
    ///
    /// # Errors
    /// Internal.
    pub fn compress(&mut self, codec: Compression, source: &[u8], target: &mut Vec<u8>) -> Result<usize> {
        let failed =
            |error: &dyn std::fmt::Display| Error::internal(format!("a page cannot be compressed: {error}"));
        let start = target.len();
        let length = match codec {
            Compression::SNAPPY => {
                target.resize(start + snap::raw::max_compress_len(source.len()), 0);
                self.snappy
                    .get_or_insert_with(snap::raw::Encoder::new)
                    .compress(source, &mut target[start..])
                    .map_err(|error| failed(&error))?
            }
            Compression::LZ4_RAW => {
                target.resize(start + lz4_flex::block::get_maximum_output_size(source.len()), 0);
                lz4_flex::block::compress_into(source, &mut target[start..])
                    .map_err(|error| failed(&error))?
            }
            Compression::ZSTD(level) => {
                target.resize(start + zstd::zstd_safe::compress_bound(source.len()), 0);
                let zstd = match &mut self.zstd {
                    Some(zstd) => zstd,
                    none => {
                        let made = zstd::bulk::Compressor::new(level.compression_level());
                        none.insert(made.map_err(|error| failed(&error))?)
                    }
                };
                zstd.compress_to_buffer(source, &mut target[start..]).map_err(|error| failed(&error))?
            }
            Compression::UNCOMPRESSED => {
                target.extend_from_slice(source);
                source.len()
            }
            other => return Err(Error::unsupported(format!("pages are not compressed with {other}"))),
        };
        target.truncate(start + length);
        Ok(length)
    }
}
