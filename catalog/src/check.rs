//! Whether a catalog is whole: every checksum of every file, and whether what a snapshot says goes together.

use std::collections::BTreeMap;
use std::fmt;
use std::fs;
use std::path::Path;

use nyala_schema::Result;
use nyala_schema::command::ObjectKind;
use nyala_schema::function::FunctionBody;
use nyala_schema::id::TableId;
use nyala_schema::managed::ManagedTable;
use nyala_schema::table::{MAIN_SCHEMA, TableDefinition, split_name};

use crate::apply;
use crate::snapshot::Snapshot;

/// Something that is not as it must be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// A file, or an object of the catalog.
    pub place: String,
    pub what: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.place, self.what)
    }
}

/// What [`check_folder`] found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Report {
    /// What was looked at, and how far it goes, for people.
    pub looked_at: Vec<String>,
    pub problems: Vec<Problem>,
}

/// Looks at every copy of the catalog in a data folder that no process uses.
///
/// # Errors
/// When the folder cannot be read, or another process uses it.
pub fn check_folder(folder: &Path) -> Result<Report> {
    let _lock = crate::disk::lock(folder)?;
    let mut report = Report::default();
    for (version, path) in crate::sled_store::snapshot_paths(folder)? {
        let place = path.display().to_string();
        let bytes = fs::read(&path).map_err(|e| crate::disk::failed("read", &path, &e))?;
        match Snapshot::decode(&bytes) {
            Ok(snapshot) if snapshot.version == version => {
                report.looked_at.push(format!("{place}: version {version}, {} bytes", bytes.len()));
                report.problems.extend(check_snapshot(&snapshot).into_iter().map(|p| p.inside(&place)));
            }
            Ok(snapshot) => {
                report.add(&place, format!("it is of version {}, its name says another", snapshot.version));
            }
            Err(error) => report.add(&place, error.message().to_owned()),
        }
    }
    crate::sled_store::check_journals(folder, &mut report)?;
    crate::sled_store::check_database(folder, &mut report)?;
    Ok(report)
}

impl Report {
    pub(crate) fn add(&mut self, place: &str, what: String) {
        self.problems.push(Problem { place: place.to_owned(), what });
    }
}

impl Problem {
    pub(crate) fn inside(self, place: &str) -> Self {
        Self { place: format!("{place}: {}", self.place), what: self.what }
    }
}

/// Whether everything that a snapshot says goes together.
pub fn check_snapshot(snapshot: &Snapshot) -> Vec<Problem> {
    let mut found = Findings(Vec::new());
    check_tables(snapshot, &mut found);
    check_code(snapshot, &mut found);
    check_history(snapshot, &mut found);
    for target in snapshot.comments.keys() {
        found.require(apply::comment_target_exists(snapshot, target), || {
            (format!("comment on {target:?}"), "what it is on is not there".to_owned())
        });
    }
    found.0
}

struct Findings(Vec<Problem>);

impl Findings {
    fn require(&mut self, holds: bool, otherwise: impl FnOnce() -> (String, String)) {
        if !holds {
            let (place, what) = otherwise();
            self.0.push(Problem { place, what });
        }
    }
}

fn check_tables(snapshot: &Snapshot, found: &mut Findings) {
    let mut ids = BTreeMap::<TableId, &str>::new();
    for (name, definition) in &snapshot.tables {
        let place = || format!("table {name}");
        let (schema, _) = split_name(name);
        found.require(snapshot.schemas.contains_key(schema), || {
            (place(), format!("its schema \"{schema}\" is not there"))
        });
        if let TableDefinition::View { uses, .. } = definition.as_ref() {
            for used in uses {
                found.require(has_code(snapshot, used), || {
                    (format!("view {name}"), format!("it uses \"{used}\", which is not there"))
                });
            }
        }
        if let Some(table) = definition.managed() {
            check_table(&place(), table, found);
            if let Some(other) = ids.insert(table.id, name) {
                found.require(false, || (place(), format!("it has the files of \"{other}\" too")));
            }
        }
    }
    for ((version, _, name), retired) in &snapshot.retired {
        let Some(table) = retired.object.managed() else { continue };
        let place = format!("table {name}, gone in version {version}");
        check_table(&place, table, found);
        found.require(!retired.is_dropped || !ids.contains_key(&table.id), || {
            (place.clone(), "it counts as dropped, and is there".to_owned())
        });
    }
}

fn has_code(snapshot: &Snapshot, name: &str) -> bool {
    snapshot.functions.contains_key(name) || snapshot.operators.contains_key(name)
}

fn check_table(place: &str, table: &ManagedTable, found: &mut Findings) {
    let mut require = |holds: bool, what: &str| {
        found.require(holds, || (place.to_owned(), what.to_owned()));
    };
    let oldest = table.history.get_min().map_or(0, |(number, _)| *number);
    let expected = table.version.saturating_sub(oldest) + 1;
    require(table.history.len() as u64 == expected, "versions are missing");
    require(
        table.history.iter().all(|(number, version)| *number == version.number),
        "a version has another number than its place",
    );
    match table.history.get(&table.version) {
        None => require(false, "its newest version is missing"),
        Some(newest) => {
            require(newest.shape == table.shape, "its newest version has another shape");
            require(newest.rows == table.summary.rows, "its newest version has another count of rows");
            require(newest.files == table.files.len() as u64, "its newest version has other files");
        }
    }
    let rows: u64 = table.files.iter().map(|file| file.live_rows()).sum();
    require(rows == table.summary.rows, "its files have another count of rows than it");
    let bytes: u64 = table.files.iter().map(|file| file.bytes()).sum();
    require(bytes == table.summary.bytes, "its files have another count of bytes than it");
    let live = |id: u64, added_in: u64| id < table.next_file && added_in <= table.version;
    require(table.files.iter().all(|file| live(file.id.0, file.added_in)), "a file is from the future");
    let gone = table.retired.iter().all(|((version, id), file)| {
        *id == file.id
            && file.added_in < *version
            && *version <= table.version
            && table.files.get(*id).is_none()
    });
    require(gone, "a file is gone and there");
    let columns = &table.shape.columns;
    require(
        columns.iter().all(|column| column.id.0 < table.shape.next_column),
        "a column is from the future",
    );
}

fn check_code(snapshot: &Snapshot, found: &mut Findings) {
    for (name, overloads) in &snapshot.functions {
        let place = || format!("function {name}");
        found.require(!overloads.is_empty(), || (place(), "it has no overload".to_owned()));
        found.require(!snapshot.operators.contains_key(name), || {
            (place(), "there is an operator of its name".to_owned())
        });
        for function in overloads {
            found.require(function.name == *name, || (place(), "it stands under another name".to_owned()));
            found.require(function.version(function.current).is_some(), || {
                (place(), "its current version is missing".to_owned())
            });
            found.require(function.versions.is_sorted_by(|a, b| a.number < b.number), || {
                (place(), "its versions are out of order".to_owned())
            });
            let module = function.module.as_ref();
            found.require(module.is_none_or(|module| snapshot.modules.contains_key(module)), || {
                (place(), "its module is not there".to_owned())
            });
            if let FunctionBody::Sql { uses, .. } = &function.current_version().body {
                for used in uses {
                    found.require(has_code(snapshot, used), || {
                        (place(), format!("it uses \"{used}\", which is not there"))
                    });
                }
            }
        }
    }
    for (name, operator) in &snapshot.operators {
        let module = operator.module.as_ref();
        found.require(module.is_none_or(|module| snapshot.modules.contains_key(module)), || {
            (format!("operator {name}"), "its module is not there".to_owned())
        });
    }
}

fn check_history(snapshot: &Snapshot, found: &mut Findings) {
    const KINDS: [ObjectKind; 5] = [
        ObjectKind::Schema,
        ObjectKind::Table,
        ObjectKind::Function,
        ObjectKind::Operator,
        ObjectKind::Module,
    ];
    for kind in KINDS {
        for name in snapshot.names(kind) {
            let is_main = kind == ObjectKind::Schema && name == MAIN_SCHEMA;
            let since = snapshot.since.get(&(kind, name.clone()));
            found.require(is_main || since.is_some_and(|since| *since <= snapshot.version), || {
                (format!("{kind:?} {name}"), "it is not known since when it is there".to_owned())
            });
        }
    }
    for (kind, name) in snapshot.since.keys() {
        found.require(snapshot.has(*kind, name), || {
            (format!("{kind:?} {name}"), "it is known since when it is there, and it is not".to_owned())
        });
    }
    for ((version, kind, name), retired) in &snapshot.retired {
        found.require(retired.since < *version && *version <= snapshot.version, || {
            (format!("{kind:?} {name}"), format!("it went in version {version}, before it came"))
        });
    }
    if let (Some((first, _)), Some((last, _))) = (snapshot.journal.get_min(), snapshot.journal.get_max()) {
        let is_whole = last - first + 1 == snapshot.journal.len() as u64 && *last == snapshot.version;
        found.require(is_whole, || ("journal".to_owned(), "lines are missing".to_owned()));
    }
}
