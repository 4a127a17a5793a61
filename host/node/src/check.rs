//! Whether everything is there that the catalog names.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use nyala_catalog::Snapshot;
use nyala_schema::Result;
use nyala_schema::id::TableId;
use nyala_schema::managed::{DataFile, DeletionsPlace, FileContent, ManagedTable};
use nyala_schema::table::TableDefinition;

use crate::engine::Engine;

/// What a check looked at, and what is wrong, a line each.
#[derive(Debug, Default)]
pub struct CheckReport {
    pub catalog_version: u64,
    pub tables: usize,
    pub files: usize,
    pub modules: usize,
    pub problems: Vec<String>,
}

impl Engine {
    /// Compares the catalog, with all versions that it keeps, with the warehouse and the modules. Reads modules, and of files
    /// only that they are there and as long as they were.
    ///
    /// # Errors
    /// When the warehouse cannot be listed.
    pub fn check(&self) -> Result<CheckReport> {
        let _modules = self.use_modules();
        let snapshot = self.newest();
        let mut report = CheckReport { catalog_version: snapshot.version, ..CheckReport::default() };
        let names = managed(&snapshot);
        report.tables = names.len();
        for (table, (name, paths)) in names {
            let there = self.warehouse().files(table)?.into_iter().map(|file| (file.path, file.bytes));
            let there: BTreeMap<String, u64> = there.collect();
            for (path, size) in paths {
                report.files += 1;
                match there.get(&*path) {
                    None => report.problems.push(format!("table {name}: the file {path} is missing")),
                    Some(bytes) if *bytes != size => report
                        .problems
                        .push(format!("table {name}: the file {path} has {bytes} bytes instead of {size}")),
                    Some(_) => {}
                }
            }
        }
        let odd = nyala_catalog::check_snapshot(&snapshot);
        report.problems.extend(odd.iter().map(ToString::to_string));
        for hash in snapshot.modules_in_use() {
            report.modules += 1;
            if let Err(error) = self.module_bytes(hash) {
                report.problems.push(format!("module {hash}: {}", error.message()));
            }
        }
        Ok(report)
    }
}

/// Looks at every copy of the catalog in a data folder that no process uses. Gives what was looked at, and the problems.
///
/// # Errors
/// `Store` when the folder cannot be read, or another process uses it.
pub fn check_folder(folder: &Path) -> Result<(Vec<String>, Vec<String>)> {
    let report = nyala_catalog::check_folder(folder)?;
    Ok((report.looked_at, report.problems.iter().map(ToString::to_string).collect()))
}

type NamedFiles = (String, BTreeMap<Arc<str>, u64>);

/// The name of each table that is kept, and its files with their sizes.
fn managed(snapshot: &Snapshot) -> BTreeMap<TableId, NamedFiles> {
    let mut tables = BTreeMap::<TableId, NamedFiles>::new();
    let mut add = |name: &str, definition: &TableDefinition| {
        if let TableDefinition::Managed(table) = definition {
            let (_, files) = tables.entry(table.id).or_insert_with(|| (name.to_owned(), BTreeMap::new()));
            add_files(files, table);
        }
    };
    snapshot.tables.iter().for_each(|(name, definition)| add(name, definition));
    for ((_, _, name), retired) in &snapshot.retired {
        if let nyala_catalog::snapshot::Object::Table(definition) = &retired.object {
            add(&format!("{name} (dropped)"), definition);
        }
    }
    tables
}

fn add_files(files: &mut BTreeMap<Arc<str>, u64>, table: &ManagedTable) {
    let all: Vec<&Arc<DataFile>> = table.files.iter().chain(table.retired.values()).collect();
    for file in all {
        if let FileContent::Parquet { path, size, .. } = &file.content {
            files.insert(Arc::clone(path), *size);
        }
        if let Some(DeletionsPlace::File { path, size }) = file.deletions.as_ref().map(|it| &it.place) {
            files.insert(Arc::clone(path), *size);
        }
    }
}
