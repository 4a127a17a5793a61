//! What was: the catalog, and a table of it, as of a version or a time.

use std::sync::Arc;

use nyala_schema::command::ObjectKind;
use nyala_schema::lookup::AsOf;
use nyala_schema::managed::{ManagedTable, TableSummary};
use nyala_schema::table::TableDefinition;
use nyala_schema::{Error, ErrorCode, Result};

use crate::apply;
use crate::snapshot::{Object, Snapshot};

/// The table as it was. Rows, bytes and bounds are those of then; sketches and histograms those of now.
///
/// # Errors
/// `UndefinedVersion`, which says what is kept.
pub fn table_at(table: &ManagedTable, at: &AsOf) -> Result<ManagedTable> {
    let number = match at {
        AsOf::Version(number) => Some(*number),
        AsOf::Time(at_ms) => newest_by(table, |version_ms, _| version_ms <= *at_ms),
    };
    number.and_then(|number| as_of(table, number)).ok_or_else(|| table_not_kept(table, at))
}

/// The number of the newest version of which its time and its version of the catalog say yes; older ones all do.
fn newest_by(table: &ManagedTable, fits: impl Fn(i64, u64) -> bool) -> Option<u64> {
    let fits = |number: u64| {
        table.history.get(&number).is_some_and(|version| fits(version.at_ms, version.catalog_version))
    };
    let (oldest, newest) = (table.history.get_min()?.0, table.version);
    if !fits(oldest) {
        return None;
    }
    let (mut yes, mut no) = (oldest, newest + 1);
    while no - yes > 1 {
        let middle = yes + (no - yes) / 2;
        if fits(middle) { yes = middle } else { no = middle }
    }
    Some(yes)
}

fn as_of(table: &ManagedTable, number: u64) -> Option<ManagedTable> {
    if number == table.version {
        return Some(table.clone());
    }
    let version = table.history.get(&number)?;
    let files = table.files_at(number)?;
    let mut was = table.clone();
    was.version = number;
    was.shape = Arc::clone(&version.shape);
    was.history = table.history.split(&(number + 1)).0;
    was.retired = table.retired.split(&(number + 1, nyala_schema::id::FileId(0))).0;
    let counted = apply::summary::of_files(&was.shape, &files);
    let mut summary = TableSummary { analyzed: table.summary.analyzed, ..counted };
    for (id, column) in &mut summary.columns {
        if let Some(known) = table.summary.columns.get(id) {
            column.sketch.clone_from(&known.sketch);
            column.width = known.width;
            column.histogram.clone_from(&known.histogram);
        }
    }
    was.summary = Arc::new(summary);
    was.files = files;
    Some(was)
}

fn table_not_kept(table: &ManagedTable, at: &AsOf) -> Error {
    let error = Error::new(
        ErrorCode::UndefinedVersion,
        match at {
            AsOf::Version(number) if *number > table.version => format!("there is no version {number} yet"),
            AsOf::Version(number) => format!("version {number} is not kept"),
            AsOf::Time(at_ms) => format!("nothing is kept of {}", time(*at_ms)),
        },
    );
    match table.history.get_min() {
        None => error,
        Some((first, oldest)) => error.with_hint(format!(
            "versions {first} to {} are kept, the first from {}",
            table.version,
            time(oldest.at_ms)
        )),
    }
}

/// UTC, for people.
pub(crate) fn time(at_ms: i64) -> String {
    match arrow::temporal_conversions::timestamp_ms_to_datetime(at_ms) {
        Some(time) => format!("{time} UTC"),
        None => format!("{at_ms} ms after 1970"),
    }
}

impl Snapshot {
    /// The whole catalog as it was, functions included. Comments are those of now, of what was there then.
    ///
    /// # Errors
    /// `UndefinedVersion`, which says what is kept, of the catalog or of a table in it.
    pub fn at(&self, at: &AsOf) -> Result<Snapshot> {
        let version = self.version_at(at)?;
        if version == self.version {
            return Ok(self.clone());
        }
        let mut was = self.clone();
        was.version = version;
        was.at_ms = self.journal.get(&version).map_or(0, |line| line.at_ms);
        was.take_back_newer(self);
        was.bring_back_older(self);
        was.turn_back_tables()?;
        was.retired = self.retired.split(&(version + 1, ObjectKind::Schema, String::new())).0;
        was.journal = self.journal.split(&(version + 1)).0;
        let gone: Vec<_> = was
            .comments
            .keys()
            .filter(|target| !apply::comment_target_exists(&was, target))
            .cloned()
            .collect();
        for target in gone {
            was.comments.remove(&target);
        }
        Ok(was)
    }

    /// The first version of the catalog that is kept: all since then can be seen.
    pub fn oldest_version(&self) -> u64 {
        match self.journal.get_min() {
            // Before the first entry there was nothing.
            Some((1, _)) | None => 0,
            Some((first, _)) => *first,
        }
    }

    fn version_at(&self, at: &AsOf) -> Result<u64> {
        let oldest = self.oldest_version();
        let (found, error) = match at {
            AsOf::Version(version) => {
                let kept = (oldest..=self.version).contains(version);
                let words = if *version > self.version { "is not there yet" } else { "is not kept" };
                (kept.then_some(*version), format!("version {version} of the catalog {words}"))
            }
            AsOf::Time(at_ms) => {
                let before = self.journal.iter().rev().find(|(_, line)| line.at_ms <= *at_ms);
                let found = before.map(|(version, _)| *version).or((oldest == 0).then_some(0));
                (found, format!("the catalog of {} is not kept", time(*at_ms)))
            }
        };
        found.ok_or_else(|| {
            let since = self
                .journal
                .get(&oldest)
                .map_or_else(String::new, |line| format!(", the first from {}", time(line.at_ms)));
            Error::new(ErrorCode::UndefinedVersion, error)
                .with_hint(format!("versions {oldest} to {} are kept{since}", self.version))
        })
    }

    /// Takes out what has its definition only since a later version.
    fn take_back_newer(&mut self, now: &Snapshot) {
        let newer = now.since.iter().filter(|(_, since)| **since > self.version);
        for ((kind, name), _) in newer {
            self.since.remove(&(*kind, name.clone()));
            match kind {
                ObjectKind::Schema => {
                    self.schemas.remove(name);
                }
                ObjectKind::Table => {
                    self.tables.remove(name);
                }
                ObjectKind::Function => {
                    self.functions.remove(name);
                }
                ObjectKind::Operator => {
                    self.operators.remove(name);
                }
                ObjectKind::Module => {
                    self.modules.remove(name);
                }
            }
        }
    }

    /// Puts in what went in a later version and was there.
    fn bring_back_older(&mut self, now: &Snapshot) {
        let later = (self.version + 1, ObjectKind::Schema, String::new());
        let older = now.retired.range(later..).filter(|(_, retired)| retired.since <= self.version);
        for ((_, kind, name), retired) in older {
            self.since.insert((*kind, name.clone()), retired.since);
            match &retired.object {
                Object::Schema => {
                    self.schemas.insert(name.clone(), ());
                }
                Object::Table(table) => {
                    self.tables.insert(name.clone(), Arc::clone(table));
                }
                Object::Functions(overloads) => {
                    self.functions.insert(name.clone(), overloads.clone());
                }
                Object::Operator(operator) => {
                    self.operators.insert(name.clone(), Arc::clone(operator));
                }
                Object::Module(module) => {
                    self.modules.insert(name.clone(), Arc::clone(module));
                }
            }
        }
    }

    /// Gives every managed table the version that it had.
    fn turn_back_tables(&mut self) -> Result<()> {
        let version = self.version;
        let newer = self.tables.iter().filter_map(|(name, definition)| {
            let table = definition.managed()?;
            let newest = table.history.get(&table.version)?;
            (newest.catalog_version > version).then(|| (name.clone(), table.clone()))
        });
        for (name, table) in newer.collect::<Vec<_>>() {
            let number = newest_by(&table, |_, catalog_version| catalog_version <= version);
            let was = number.and_then(|number| as_of(&table, number)).ok_or_else(|| {
                table_not_kept(&table, &AsOf::Time(self.at_ms))
                    .context(format!("version {version} of the catalog: table \"{name}\""))
            })?;
            self.tables.insert(name, Arc::new(TableDefinition::Managed(was)));
        }
        Ok(())
    }
}
