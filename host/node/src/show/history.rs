//! SHOW HISTORY and SHOW DROPPED: what was, and until when.

use nyala_schema::Result;
use nyala_schema::table::TableDefinition;

use super::managed::find;
use super::{matches_pattern, text_rows};
use crate::answer::Answer;
use crate::information::object_text;
use crate::session::Session;

/// The newest first.
pub fn of_catalog(session: &Session, limit: Option<u64>) -> Result<Answer> {
    let snapshot = session.snapshot();
    let newest = snapshot.journal.iter().rev().take(most(limit));
    let rows: Vec<Vec<String>> = newest
        .map(|(version, entry)| vec![version.to_string(), time_text(entry.at_ms), entry.what.clone()])
        .collect();
    text_rows(&["version", "at", "what"], &rows)
}

/// The newest first.
pub fn of_table(session: &Session, written: &str, limit: Option<u64>) -> Result<Answer> {
    let (_, definition) = find(session, written)?;
    let TableDefinition::Managed(table) = definition.as_ref() else { return text_rows(&["version"], &[]) };
    let row = |version: &std::sync::Arc<nyala_schema::managed::TableVersion>| {
        vec![
            version.number.to_string(),
            time_text(version.at_ms),
            version.operation.to_string(),
            version.rows_added.to_string(),
            version.rows_removed.to_string(),
            version.rows.to_string(),
            version.files.to_string(),
            version.catalog_version.to_string(),
        ]
    };
    let rows: Vec<Vec<String>> = table.history.values().rev().take(most(limit)).map(row).collect();
    let columns =
        ["version", "at", "operation", "rows_added", "rows_removed", "rows", "files", "catalog_version"];
    text_rows(&columns, &rows)
}

fn most(limit: Option<u64>) -> usize {
    limit.map_or(usize::MAX, |limit| usize::try_from(limit).unwrap_or(usize::MAX))
}

/// The last that went first.
pub fn dropped(session: &Session, like: Option<&str>) -> Result<Answer> {
    let snapshot = session.snapshot();
    let mut rows = Vec::new();
    for ((until, kind, name), retired) in snapshot.retired.iter().rev().filter(|(_, it)| it.is_dropped) {
        if matches_pattern(name, like)? {
            rows.push(vec![
                object_text(*kind, &retired.object).to_owned(),
                name.clone(),
                until.to_string(),
                time_text(retired.at_ms),
            ]);
        }
    }
    text_rows(&["kind", "name", "dropped_in", "at"], &rows)
}

/// In UTC, with milliseconds.
pub fn time_text(at_ms: i64) -> String {
    let time = chrono::DateTime::from_timestamp_millis(at_ms).unwrap_or_default();
    time.format("%Y-%m-%d %H:%M:%S%.3f").to_string()
}
