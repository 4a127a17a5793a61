//! A snapshot as text for people, and a snapshot into an empty store.

use std::fmt::Write;

use nyala_schema::managed::ManagedTable;
use nyala_schema::table::TableDefinition;
use nyala_schema::type_name::{sql_signature, sql_type_name};
use nyala_schema::{Error, ErrorCode, Result};

use crate::history::time;
use crate::parts::Part;
use crate::parts::image::Image;
use crate::snapshot::Snapshot;
use crate::store::Store;

/// Lines of the journal that a dump shows.
const LINES_SHOWN: usize = 20;

/// All objects, with versions and counts, one a line.
pub fn dump(snapshot: &Snapshot) -> String {
    let mut out = String::new();
    // Writing to a string does not fail.
    let _ = write_dump(snapshot, &mut out);
    out
}

fn write_dump(snapshot: &Snapshot, out: &mut String) -> std::fmt::Result {
    writeln!(out, "catalog version {} of {}", snapshot.version, time(snapshot.at_ms))?;
    writeln!(out, "kept from version {} on", snapshot.oldest_version())?;
    for schema in snapshot.schemas.keys() {
        writeln!(out, "schema {schema}")?;
    }
    for (name, definition) in &snapshot.tables {
        match definition.as_ref() {
            TableDefinition::Managed(table) => write_table(name, table, out)?,
            TableDefinition::External(table) => {
                writeln!(out, "external table {name}: {} {}", table.format, table.location)?;
            }
            TableDefinition::View { sql, .. } => writeln!(out, "view {name}: {sql}")?,
        }
    }
    for function in snapshot.functions.values().flatten() {
        let signature = sql_signature(&function.name, function.arguments.iter().map(|a| &a.data_type));
        let (count, current) = (function.versions.len(), function.current);
        writeln!(out, "function {signature}: {count} versions, {current} is current")?;
    }
    for (name, operator) in &snapshot.operators {
        writeln!(out, "operator {name}: version {}", operator.operator.code.version)?;
    }
    for (name, module) in &snapshot.modules {
        writeln!(out, "module {name}: {} bytes, {}", module.size_bytes, module.hash)?;
    }
    for ((version, kind, name), retired) in &snapshot.retired {
        let how = if retired.is_dropped { "dropped" } else { "replaced or renamed" };
        writeln!(out, "{how} in version {version}: {kind:?} {name}")?;
    }
    let skipped = snapshot.journal.len().saturating_sub(LINES_SHOWN);
    for (version, line) in snapshot.journal.iter().skip(skipped) {
        writeln!(out, "journal {version} {}: {}", time(line.at_ms), line.what)?;
    }
    Ok(())
}

fn write_table(name: &str, table: &ManagedTable, out: &mut String) -> std::fmt::Result {
    writeln!(
        out,
        "table {name}: id {}, version {}, {} rows, {} files, {} bytes, {} versions and {} older files kept",
        table.id,
        table.version,
        table.summary.rows,
        table.files.len(),
        table.summary.bytes,
        table.history.len(),
        table.retired.len()
    )?;
    for column in &table.shape.columns {
        let null = if column.nullable { "" } else { " NOT NULL" };
        writeln!(out, "  {} {} {}{null}", column.id, column.name, sql_type_name(&column.data_type))?;
    }
    Ok(())
}

/// Puts a snapshot, as a snapshot file has it, into a store that keeps nothing; its version.
///
/// # Errors
/// `Store` for bytes that are no whole snapshot, or a store that keeps something; those of the store.
pub fn restore(bytes: &[u8], store: &dyn Store) -> Result<u64> {
    let kept = store.load()?;
    if !kept.parts.is_empty() || !kept.entries.is_empty() {
        return Err(Error::new(ErrorCode::Store, "there is a catalog where one is to be restored")
            .with_hint("restore into an empty folder"));
    }
    let image = Image::from_bytes(bytes)?;
    let snapshot = Snapshot::from_parts(image.parts.clone())?;
    if snapshot.version != image.version {
        return Err(Error::new(ErrorCode::Store, "the snapshot is of another version than it says"));
    }
    let parts = image.parts.iter().map(|(key, value)| Part { key: key.clone(), value: Some(value.clone()) });
    store.save_snapshot(None, image.version, &parts.collect::<Vec<_>>())?;
    Ok(image.version)
}
