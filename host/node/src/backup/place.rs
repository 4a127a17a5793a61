//! Where backups are: files come in with a checksum, and go out only when it holds.

use nyala_catalog::Snapshot;
use nyala_schema::guest::ModuleHash;
use nyala_schema::id::TableId;
use nyala_schema::{Error, ErrorCode, Result};
use nyala_storage::managed::Warehouse;
use sha2::{Digest, Sha256};

use super::manifest::{KeptFile, Manifest, hex};

/// The folder of what is of no table: no table has this id.
pub const OWN_FOLDER: TableId = TableId(0);
/// Bytes that are read at once.
const PIECE_BYTES: u64 = 8 << 20;
const MANIFEST_ENDING: &str = ".manifest";

pub struct Place(Warehouse);

pub fn module_name(hash: ModuleHash) -> String {
    format!("{hash}.module")
}

impl Place {
    /// # Errors
    /// Those of the folder or object store.
    pub fn open(location: &str) -> Result<Self> {
        Warehouse::open(location).map(Self).map_err(|error| error.context("the place of the backup"))
    }

    /// As [`open`](Self::open), but a folder must be there already.
    ///
    /// # Errors
    /// `FileAccess`; those of the folder or object store.
    pub fn existing(location: &str) -> Result<Self> {
        if !location.contains("://") && !std::path::Path::new(location).is_dir() {
            return Err(Error::new(ErrorCode::FileAccess, format!("there is no folder '{location}'"))
                .with_hint("give the place that BACKUP TO was given"));
        }
        Self::open(location)
    }

    /// Whether it is the very warehouse whose files are to be copied: there they would be taken for left over.
    pub fn is(&self, warehouse: &Warehouse) -> bool {
        let own = |of: &Warehouse| of.local_path(OWN_FOLDER, "manifest");
        match (own(&self.0), own(warehouse)) {
            (Some(one), Some(other)) => one == other,
            _ => self.0.location() == warehouse.location(),
        }
    }

    pub fn location(&self) -> &str {
        self.0.location()
    }

    /// Names and bytes of the files that are there.
    pub fn files(&self, table: TableId) -> Result<Vec<(String, u64)>> {
        Ok(self.0.files(table)?.into_iter().map(|file| (file.path, file.bytes)).collect())
    }

    /// Copies a file of a table, piece by piece.
    pub fn copy_in(&self, from: &Warehouse, table: TableId, path: &str, bytes: u64) -> Result<KeptFile> {
        copy(from, &self.0, table, path, bytes)
    }

    /// Copies a file of a table out of the backup; what is not as it was put in leaves nothing.
    pub fn copy_out(&self, to: &Warehouse, table: TableId, file: &KeptFile) -> Result<()> {
        let copied = copy(&self.0, to, table, &file.name, file.bytes)?;
        if copied == *file {
            return Ok(());
        }
        to.remove(table, &file.name)?;
        Err(damaged(&file.name))
    }

    pub fn write_own(&self, name: &str, bytes: &[u8]) -> Result<KeptFile> {
        self.0.write(OWN_FOLDER, name, bytes)?;
        Ok(kept(name, bytes))
    }

    pub fn read_own(&self, file: &KeptFile) -> Result<Vec<u8>> {
        let bytes = self.0.read(OWN_FOLDER, &file.name)?;
        if kept(&file.name, &bytes) == *file { Ok(bytes.to_vec()) } else { Err(damaged(&file.name)) }
    }

    pub fn write_snapshot(&self, snapshot: &Snapshot) -> Result<KeptFile> {
        let name = format!("{:020}.snapshot", snapshot.version);
        self.write_own(&name, &snapshot.encode()?)
    }

    pub fn write_manifest(&self, manifest: &Manifest) -> Result<()> {
        let name = format!("{:020}{MANIFEST_ENDING}", manifest.version);
        self.0.write(OWN_FOLDER, &name, manifest.to_text().as_bytes())
    }

    /// Names of manifests, by the version of the catalog, ascending.
    pub fn manifests(&self) -> Result<Vec<String>> {
        let files = self.files(OWN_FOLDER)?.into_iter().map(|(name, _)| name);
        let mut names: Vec<String> =
            files.filter(|name| name.ends_with(MANIFEST_ENDING) && !name.starts_with('.')).collect();
        names.sort();
        Ok(names)
    }

    pub fn read_manifest(&self, name: &str) -> Result<Manifest> {
        let bytes = self.0.read(OWN_FOLDER, name)?;
        Manifest::parse(&String::from_utf8_lossy(&bytes), name)
    }
}

fn kept(name: &str, bytes: &[u8]) -> KeptFile {
    KeptFile { name: name.to_owned(), bytes: bytes.len() as u64, sha256: hex(&Sha256::digest(bytes)) }
}

fn copy(from: &Warehouse, to: &Warehouse, table: TableId, path: &str, size: u64) -> Result<KeptFile> {
    let mut sum = Sha256::new();
    let mut file = to.create(table, path)?;
    let mut at = 0;
    while at < size {
        let end = (at + PIECE_BYTES).min(size);
        let piece = from.read_range(table, path, at..end)?;
        sum.update(&piece);
        file.write_all(&piece)?;
        at = end;
    }
    file.finish()?;
    Ok(KeptFile { name: path.to_owned(), bytes: size, sha256: hex(&sum.finalize()) })
}

fn damaged(name: &str) -> Error {
    Error::new(
        ErrorCode::CorruptFile,
        format!("the file {name} of the backup is damaged: its checksum does not match"),
    )
    .with_hint(
        "BACKUP to a fresh place if the system is still there; other backups of this place may be whole",
    )
}
