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
const EXTENSION: &str = "cwasm";
const HASH_BYTES: usize = 32;
const HEADER_BYTES: usize = MAGIC.len() + 3 * HASH_BYTES;

/// Where code for `key` is kept.
pub(super) fn path(directory: &Path, key: &Key) -> Result<PathBuf> {
    let digits: String = identity(key)?.iter().map(|byte| format!("{byte:02x}")).collect();
    Ok(directory.join(format!("{digits}.{EXTENSION}")))
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

/// Removes the files that were written first, until the others have at most `bytes_max` together. What cannot be read or
/// removed is left: another process may be doing the same.
pub(super) fn prune(directory: &Path, bytes_max: u64) {
    let Ok(entries) = std::fs::read_dir(directory) else { return };
    let mut files: Vec<_> = entries
        .filter_map(Result::ok)
        .filter(|entry| entry.path().extension().is_some_and(|extension| extension == EXTENSION))
        .filter_map(|entry| {
            let metadata = entry.metadata().ok()?;
            Some((metadata.modified().ok()?, metadata.len(), entry.path()))
        })
        .collect();
    files.sort();
    let mut total: u64 = files.iter().map(|(_, length, _)| length).sum();
    for (_, length, path) in files {
        if total <= bytes_max {
            break;
        }
        if std::fs::remove_file(path).is_ok() {
            total -= length;
        }
    }
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

#[cfg(test)]
mod tests {
    use super::prune;

    #[test]
    fn the_oldest_files_go_first_and_others_stay() {
        let folder = tempfile::tempdir().unwrap();
        let names = ["a.cwasm", "b.cwasm", "c.cwasm", "d.txt"];
        for (age, name) in [30, 20, 10, 40].into_iter().zip(names) {
            let path = folder.path().join(name);
            std::fs::write(&path, [0; 10]).unwrap();
            let time = std::time::SystemTime::now() - std::time::Duration::from_secs(age);
            std::fs::File::options().write(true).open(path).unwrap().set_modified(time).unwrap();
        }
        prune(folder.path(), 20);
        assert_eq!(names.map(|name| folder.path().join(name).exists()), [false, true, true, true]);
    }
}
