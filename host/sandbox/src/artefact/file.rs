//! A file of compiled code: magic, build, key, length, SHA-256 of the code, code.

use std::collections::HashMap;
use std::hash::{Hash, Hasher};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use nyala_schema::{Error, ErrorCode, Result};
use sha2::{Digest, Sha256};

use super::{ArtefactKind, Key, sha256};
use crate::engine::EngineKind;

const MAGIC: &[u8; 8] = b"NYALAWC1";
const HASH_BYTES: usize = 32;
const HEADER_BYTES: usize = MAGIC.len() + 3 * HASH_BYTES;

/// Where code for `key` is kept.
pub(super) fn path(directory: &Path, key: &Key) -> Result<PathBuf> {
    let digits: String = identity(key)?.iter().map(|byte| format!("{byte:02x}")).collect();
    Ok(directory.join(format!("{digits}.cwasm")))
}

/// The code, if the file is there, whole, of this build and for this key.
pub(super) fn read(path: &Path, key: &Key) -> Result<Option<Vec<u8>>> {
    let Ok(mut content) = std::fs::read(path) else { return Ok(None) };
    if content.len() < HEADER_BYTES {
        return Ok(None);
    }
    let code = content.split_off(HEADER_BYTES);
    if content != header(key, &code)? {
        tracing::warn!(
            "compiled code in \"{}\" is damaged or of another build; it is made anew",
            path.display()
        );
        return Ok(None);
    }
    Ok(Some(code))
}

/// Written beside and renamed: who reads sees a whole file or none.
pub(super) fn write(path: &Path, key: &Key, code: &[u8]) -> Result<()> {
    let failed = |error: std::io::Error| {
        Error::new(ErrorCode::Store, format!("file \"{}\" cannot be written: {error}", path.display()))
    };
    let header = header(key, code)?;
    let directory = path.parent().unwrap_or_else(|| Path::new("."));
    let mut file = tempfile::NamedTempFile::new_in(directory).map_err(failed)?;
    file.write_all(&header).and_then(|()| file.write_all(code)).map_err(failed)?;
    file.persist(path).map_err(|error| failed(error.error))?;
    Ok(())
}

fn header(key: &Key, code: &[u8]) -> Result<Vec<u8>> {
    let mut header = Vec::with_capacity(HEADER_BYTES);
    header.extend_from_slice(MAGIC);
    header.extend_from_slice(&build(key.engine)?);
    header.extend_from_slice(&identity(key)?);
    header.extend_from_slice(&sha256(&[code]));
    Ok(header)
}

/// What the code was made of, and by which build.
fn identity(key: &Key) -> Result<[u8; HASH_BYTES]> {
    let build = build(key.engine)?;
    let kind: &[&[u8]] = match &key.kind {
        ArtefactKind::Module => &[b"module"],
        ArtefactKind::Component { unsafe_intrinsics: None } => &[b"component"],
        ArtefactKind::Component { unsafe_intrinsics: Some(name) } => &[b"component with ", name.as_bytes()],
    };
    let mut parts: Vec<&[u8]> = vec![&build, &key.hash];
    parts.extend_from_slice(kind);
    Ok(sha256(&parts))
}

/// Identifies the engine's settings and the version of compiler and program.
fn build(engine: EngineKind) -> Result<[u8; HASH_BYTES]> {
    static KNOWN: Mutex<Option<HashMap<EngineKind, [u8; HASH_BYTES]>>> = Mutex::new(None);
    let mut known = KNOWN.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    let known = known.get_or_insert_default();
    if let Some(build) = known.get(&engine) {
        return Ok(*build);
    }
    let mut hasher = Stable(Sha256::new());
    hasher.write(env!("CARGO_PKG_VERSION").as_bytes());
    hasher.write_u8(engine.to_byte());
    engine.compiler()?.precompile_compatibility_hash().hash(&mut hasher);
    let build: [u8; HASH_BYTES] = hasher.0.finalize().into();
    known.insert(engine, build);
    Ok(build)
}

/// The standard library's hashers promise nothing over processes: SHA-256 does.
struct Stable(Sha256);

impl Hasher for Stable {
    fn finish(&self) -> u64 {
        let digest = self.0.clone().finalize();
        digest.iter().take(8).fold(0, |value, byte| value << 8 | u64::from(*byte))
    }

    fn write(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }
}
