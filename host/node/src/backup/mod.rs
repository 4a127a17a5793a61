//! BACKUP and RESTORE.
//!
//! A backup is a folder or a place in an object store, laid out as a warehouse: the files of each table under its id, by the
//! same names, so that another backup to the same place copies only what is new. Beside them stand the modules by their hashes
//! and, for each backup, a snapshot of the catalog and a [`manifest`] with sizes and checksums of everything it needs. That is
//! written last: what has a manifest is whole. [`place`] copies and checks.

mod manifest;
mod place;
pub mod restore;

use std::collections::BTreeMap;

use nyala_catalog::Snapshot;
use nyala_schema::id::TableId;
use nyala_schema::option::format_bytes;
use nyala_schema::{Error, ErrorCode, Result};
use nyala_storage::managed::Warehouse;

use crate::answer::Answer;
use crate::engine::Engine;
use crate::session::Session;
use manifest::{KeptFile, Manifest};
use place::Place;

/// What was written.
#[derive(Default)]
struct Copied {
    files: u64,
    bytes: u64,
}

pub fn run(session: &Session, to: &str) -> Result<Answer> {
    let modules = session.engine.use_modules();
    let snapshot = session.engine.newest();
    let place = Place::open(to)?;
    if place.is(session.engine.warehouse()) {
        return Err(Error::new(
            ErrorCode::InvalidParameter,
            format!("'{to}' is where the tables are themselves"),
        )
        .with_hint("a backup goes to another place, best to another disk"));
    }
    let mut known = KnownFiles::of(&place)?;
    let mut copied = Copied::default();
    let mut manifest = Manifest {
        version: snapshot.version,
        at_ms: snapshot.at_ms,
        taken_ms: session.engine.now_ms(),
        snapshot: KeptFile::default(),
        modules: Vec::new(),
        files: Vec::new(),
    };
    copy_files(session, &snapshot, &place, &mut known, &mut manifest, &mut copied)?;
    copy_modules(&session.engine, &snapshot, &place, &mut known, &mut manifest, &mut copied)?;
    manifest.snapshot = place.write_snapshot(&snapshot)?;
    place.write_manifest(&manifest)?;
    drop(modules);
    let (version, files, bytes) = (snapshot.version, copied.files, format_bytes(copied.bytes));
    let plural = if files == 1 { "" } else { "s" };
    Ok(Answer::Done(format!("BACKUP OF VERSION {version}: {files} new file{plural}, {bytes}")))
}

fn copy_files(
    session: &Session,
    snapshot: &Snapshot,
    place: &Place,
    known: &mut KnownFiles,
    manifest: &mut Manifest,
    copied: &mut Copied,
) -> Result<()> {
    let warehouse: &Warehouse = session.engine.warehouse();
    for (table, paths) in snapshot.warehouse_files() {
        let sizes = warehouse.files(table)?.into_iter().map(|file| (file.path, file.bytes));
        let sizes: BTreeMap<String, u64> = sizes.collect();
        for path in paths {
            session.check_cancelled()?;
            let file = match known.take(table, &path) {
                Some(file) => file,
                None => {
                    let bytes = sizes.get(&*path).copied().ok_or_else(|| missing(warehouse, table, &path))?;
                    let file = place.copy_in(warehouse, table, &path, bytes)?;
                    copied.files += 1;
                    copied.bytes += file.bytes;
                    file
                }
            };
            manifest.files.push((table, file));
        }
    }
    Ok(())
}

fn missing(warehouse: &Warehouse, table: TableId, path: &str) -> Error {
    let message = format!("the file {path} of table {table} is not in {}", warehouse.location());
    Error::new(ErrorCode::FileAccess, message)
}

fn copy_modules(
    engine: &Engine,
    snapshot: &Snapshot,
    place: &Place,
    known: &mut KnownFiles,
    manifest: &mut Manifest,
    copied: &mut Copied,
) -> Result<()> {
    for hash in snapshot.modules_in_use() {
        let name = place::module_name(hash);
        let file = match known.take(place::OWN_FOLDER, &name) {
            Some(file) => file,
            None => {
                let file = place.write_own(&name, &engine.module_bytes(hash)?)?;
                copied.files += 1;
                copied.bytes += file.bytes;
                file
            }
        };
        manifest.modules.push((hash, file));
    }
    Ok(())
}

/// Files that earlier backups have put there, whole.
struct KnownFiles(BTreeMap<(TableId, String), KeptFile>);

impl KnownFiles {
    /// Those that a readable manifest names and that are there in the size that it says.
    fn of(place: &Place) -> Result<Self> {
        let mut named = BTreeMap::new();
        for name in place.manifests()? {
            // A manifest that is damaged vouches for nothing: its files are copied again.
            let Ok(manifest) = place.read_manifest(&name) else { continue };
            let modules = manifest.modules.into_iter().map(|(_, file)| (place::OWN_FOLDER, file));
            for (table, file) in manifest.files.into_iter().chain(modules) {
                named.insert((table, file.name.clone()), file);
            }
        }
        let tables: std::collections::BTreeSet<TableId> = named.keys().map(|(table, _)| *table).collect();
        let mut there = BTreeMap::new();
        for table in tables {
            for (name, bytes) in place.files(table)? {
                there.insert((table, name), bytes);
            }
        }
        named.retain(|key, file| there.get(key) == Some(&file.bytes));
        Ok(Self(named))
    }

    fn take(&mut self, table: TableId, name: &str) -> Option<KeptFile> {
        self.0.remove(&(table, name.to_owned()))
    }
}
