//! Decompression of pages.

use std::io::Read;

use parquet::basic::Compression;

use super::damage::{Checked, Damage};

/// The codecs that our own decoder reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Codec {
    None,
    Snappy,
    Zstd,
    Lz4Raw,
    Gzip,
}

impl Codec {
    /// `None` for codecs that are left to the `parquet` crate.
    pub fn of(compression: Compression) -> Option<Self> {
        match compression {
            Compression::UNCOMPRESSED => Some(Self::None),
            Compression::SNAPPY => Some(Self::Snappy),
            Compression::ZSTD(_) => Some(Self::Zstd),
            Compression::LZ4_RAW => Some(Self::Lz4Raw),
            Compression::GZIP(_) => Some(Self::Gzip),
            Compression::LZO | Compression::BROTLI(_) | Compression::LZ4 => None,
        }
    }

    /// How many bytes `compressed` bytes can become at most: guards allocation against damaged headers.
    pub fn size_max(self, compressed: usize) -> usize {
        let factor = match self {
            Self::None => 1,
            Self::Snappy => 32,
            Self::Lz4Raw => 256,
            Self::Gzip => 1_040,
            Self::Zstd => 65_536,
        };
        compressed.saturating_mul(factor).saturating_add(if self == Self::None { 0 } else { 64 })
    }
}

/// Codec states, kept from page to page.
#[derive(Default)]
pub struct Decompressor {
    snappy: snap::raw::Decoder,
    zstd: Option<zstd::bulk::Decompressor<'static>>,
}

impl Decompressor {
    /// Fills `target` exactly.
    pub fn decompress(&mut self, codec: Codec, source: &[u8], target: &mut [u8]) -> Checked<()> {
        let length = match codec {
            Codec::None => {
                if source.len() != target.len() {
                    return Err("an uncompressed page has two sizes".into());
                }
                target.copy_from_slice(source);
                target.len()
            }
            Codec::Snappy => self
                .snappy
                .decompress(source, target)
                .map_err(|error| Damage::from(format!("Snappy cannot read a page: {error}")))?,
            Codec::Zstd => self
                .zstd()?
                .decompress_to_buffer(source, target)
                .map_err(|error| Damage::from(format!("Zstandard cannot read a page: {error}")))?,
            Codec::Lz4Raw => lz4_flex::block::decompress_into(source, target)
                .map_err(|error| Damage::from(format!("LZ4 cannot read a page: {error}")))?,
            Codec::Gzip => gunzip(source, target)?,
        };
        if length != target.len() {
            return Err(format!("a page has {length} bytes but announces {}", target.len()).into());
        }
        Ok(())
    }

    fn zstd(&mut self) -> Checked<&mut zstd::bulk::Decompressor<'static>> {
        if self.zstd.is_none() {
            let made = zstd::bulk::Decompressor::new();
            self.zstd = Some(made.map_err(|error| Damage::from(format!("Zstandard: {error}")))?);
        }
        self.zstd.as_mut().ok_or_else(|| "Zstandard is not there".into())
    }
}

fn gunzip(source: &[u8], target: &mut [u8]) -> Checked<usize> {
    let mut decoder = flate2::read::MultiGzDecoder::new(source);
    let mut length = 0;
    while length < target.len() {
        let read = decoder
            .read(&mut target[length..])
            .map_err(|error| Damage::from(format!("gzip cannot read a page: {error}")))?;
        if read == 0 {
            break;
        }
        length += read;
    }
    Ok(length)
}
