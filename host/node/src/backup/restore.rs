//! RESTORE: a system as a backup has it, in the place of an empty one.

use std::collections::BTreeMap;

use nyala_catalog::Snapshot;
use nyala_frontend::PointInTime;
use nyala_schema::command::Command;
use nyala_schema::id::TableId;
use nyala_schema::lookup::AsOf;
use nyala_schema::{Error, ErrorCode, Result};

use super::manifest::Manifest;
use super::place::Place;
use crate::answer::Answer;
use crate::engine::Engine;
use crate::session::Session;

pub fn run(session: &Session, sql: &str, from: &str, at: Option<&PointInTime>) -> Result<Answer> {
    let at = at.map(|at| session.as_of(sql, at)).transpose()?;
    let version = restore(&session.engine, from, at.as_ref(), &|| session.check_cancelled())?;
    Ok(Answer::Done(format!("RESTORE OF VERSION {version}")))
}

/// Makes an empty system what a backup was. Gives the version of the catalog that it has.
///
/// # Errors
/// `ActiveTransaction` is not checked here; `InvalidParameter` when the system is not empty; `UndefinedVersion` when no
/// backup has what is asked for; `CorruptFile` when the backup is damaged: then the system is empty as before.
fn restore(engine: &Engine, from: &str, at: Option<&AsOf>, go_on: &dyn Fn() -> Result<()>) -> Result<u64> {
    let newest = engine.catalog.newest()?;
    refuse_used(&newest)?;
    let place = Place::existing(from)?;
    let manifest = choose(&place, at)?;
    let snapshot = Snapshot::decode(&place.read_own(&manifest.snapshot)?)?;
    let target = at.map(|at| snapshot.at(at)).transpose()?.map_or(snapshot.version, |then| then.version);
    let warehouse = engine.warehouse();
    if !warehouse.keeps_files() && !manifest.files.is_empty() {
        return Err(Error::new(
            ErrorCode::InvalidParameter,
            "the backup has files, and this engine keeps none",
        )
        .with_hint("start it with --data DIR"));
    }
    let mut writing = BTreeMap::<TableId, _>::new();
    for (table, file) in &manifest.files {
        go_on()?;
        if !writing.contains_key(table) {
            writing.insert(*table, engine.writing.table(*table)?);
        }
        if let Err(error) = place.copy_out(warehouse, *table, file) {
            writing.keys().for_each(|table| drop(warehouse.remove_table(*table)));
            return Err(error);
        }
    }
    let modules = engine.use_modules();
    for (hash, file) in &manifest.modules {
        let kept = engine.modules.put(&place.read_own(file)?)?;
        if kept != *hash {
            return Err(Error::new(
                ErrorCode::CorruptFile,
                format!("the module {hash} of the backup is damaged"),
            ));
        }
    }
    engine.catalog.install(snapshot)?;
    drop(modules);
    if target != manifest.version {
        engine.catalog.commit(&Command::RollbackCatalog { to: target })?;
    }
    Ok(target)
}

fn refuse_used(snapshot: &Snapshot) -> Result<()> {
    let is_empty = snapshot.tables.is_empty()
        && snapshot.functions.is_empty()
        && snapshot.operators.is_empty()
        && snapshot.modules.is_empty()
        && snapshot.schemas.len() == 1;
    if is_empty {
        return Ok(());
    }
    Err(Error::new(
        ErrorCode::InvalidParameter,
        "RESTORE goes into an empty system, and this one has content",
    )
    .with_hint("restore with a fresh --data folder, or into a fresh cluster"))
}

/// The newest backup, or the first that knows of a point in history.
fn choose(place: &Place, at: Option<&AsOf>) -> Result<Manifest> {
    let names = place.manifests()?;
    let Some(newest) = names.last() else {
        let message = format!("there is no backup in {}", place.location());
        return Err(Error::new(ErrorCode::FileAccess, message).with_hint("BACKUP TO '…' makes one"));
    };
    let Some(at) = at else { return place.read_manifest(newest) };
    let mut kept = Vec::new();
    for name in &names {
        let manifest = place.read_manifest(name)?;
        let knows = match at {
            AsOf::Version(version) => manifest.version >= *version,
            AsOf::Time(at_ms) => manifest.taken_ms >= *at_ms,
        };
        if knows {
            return Ok(manifest);
        }
        kept.push(manifest.version.to_string());
    }
    Err(Error::new(ErrorCode::UndefinedVersion, "no backup is as new as that")
        .with_hint(format!("there are backups of versions {}", kept.join(", "))))
}
