//! All parts of a snapshot as one run of bytes, of which no byte can change unnoticed: what a snapshot file is, and what
//! replicas send each other.
//!
//! Magic, format, version, how many parts; each part with the lengths of its key and value and a checksum over both; the
//! SHA-256 of all before it. Numbers are big-endian.

use nyala_schema::{Error, ErrorCode, Result};
use sha2::{Digest, Sha256};

use super::assemble::unknown_format;
use super::bytes::Rest;
use super::{FORMAT_VERSION, Pair};
use crate::snapshot::Snapshot;

const MAGIC: &[u8; 8] = b"NYALACAT";
const HASH_BYTES: usize = 32;

/// A snapshot's parts with the version that it is of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Image {
    pub version: u64,
    pub parts: Vec<Pair>,
}

impl Image {
    pub fn to_bytes(&self) -> Vec<u8> {
        let size: usize = self.parts.iter().map(|(key, value)| key.len() + value.len() + 12).sum();
        let mut out = Vec::with_capacity(size + 64);
        out.extend_from_slice(MAGIC);
        out.extend_from_slice(&FORMAT_VERSION.to_be_bytes());
        out.extend_from_slice(&self.version.to_be_bytes());
        out.extend_from_slice(&(self.parts.len() as u64).to_be_bytes());
        for (key, value) in &self.parts {
            out.extend_from_slice(&(key.len() as u32).to_be_bytes());
            out.extend_from_slice(&(value.len() as u32).to_be_bytes());
            out.extend_from_slice(&checksum(key, value).to_be_bytes());
            out.extend_from_slice(key);
            out.extend_from_slice(value);
        }
        let hash = Sha256::digest(&out);
        out.extend_from_slice(&hash);
        out
    }

    /// # Errors
    /// `Store` for bytes that are not exactly what was written, or are of another format.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self> {
        let mut rest = Rest(bytes);
        if rest.take(MAGIC.len()).ok() != Some(MAGIC) {
            return Err(damaged("it does not begin as one"));
        }
        let format = rest.u32()?;
        let hashed = bytes.len().checked_sub(HASH_BYTES).ok_or_else(|| damaged("it is too short"))?;
        let (content, hash) = bytes.split_at(hashed);
        if Sha256::digest(content).as_slice() != hash {
            return Err(damaged("its checksum does not match"));
        }
        if format != FORMAT_VERSION {
            return Err(unknown_format(format));
        }
        let version = rest.u64()?;
        let count = rest.u64()?;
        let mut parts = Vec::new();
        for _ in 0..count {
            let (key, value) = (rest.u32()? as usize, rest.u32()? as usize);
            let expected = rest.u32()?;
            let (key, value) = (rest.take(key)?, rest.take(value)?);
            if checksum(key, value) != expected {
                return Err(damaged("the checksum of a part does not match"));
            }
            parts.push((key.to_vec(), value.to_vec()));
        }
        if rest.0.len() != HASH_BYTES {
            return Err(damaged("it has more than its parts"));
        }
        Ok(Self { version, parts })
    }
}

/// Over key and value, with the length of the key: a value in the wrong place does not match.
pub(crate) fn checksum(key: &[u8], value: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(&(key.len() as u32).to_be_bytes());
    hasher.update(key);
    hasher.update(value);
    hasher.finalize()
}

fn damaged(how: &str) -> Error {
    Error::new(ErrorCode::Store, format!("this is no whole snapshot of a catalog: {how}"))
}

impl Snapshot {
    /// The whole snapshot as one run of bytes, each equal snapshot as the same.
    ///
    /// # Errors
    /// When a value has no wire form.
    pub fn encode(&self) -> Result<Vec<u8>> {
        Ok(Image { version: self.version, parts: self.parts()? }.to_bytes())
    }

    /// # Errors
    /// `Store` when the bytes are not a whole snapshot.
    pub fn decode(bytes: &[u8]) -> Result<Self> {
        Self::from_parts(Image::from_bytes(bytes)?.parts)
    }
}
