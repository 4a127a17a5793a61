//! Answers the engines of other nodes.

use std::time::Duration;

use nyala_schema::Result;
use nyala_schema::cluster::QueryId;

use super::message::{Answer, FilesInUse, Request, decode, encode};
use crate::engine::Engine;

/// How long the catalog may take to come here.
const CATALOG_LIMIT: Duration = Duration::from_secs(2);

/// Blocks for a moment: not for threads of a runtime.
///
/// # Errors
/// `Connection` for what is no request, and when the catalog is not here in time.
pub fn answer(engine: &Engine, request: &[u8]) -> Result<Vec<u8>> {
    encode(&match decode(request)? {
        Request::Statements => Answer::Statements(engine.statements.rows()),
        Request::Kill { id } => Answer::Killed(engine.statements.kill(QueryId(id))),
        Request::Profile { id } => Answer::Profile(engine.statements.profile(QueryId(id))),
        Request::FilesInUse { version } => {
            // From here on no statement begins with an older one.
            engine.catalog.wait_for(version, CATALOG_LIMIT)?;
            Answer::FilesInUse(files_in_use(engine))
        }
    })
}

/// First who writes, then what is named: what is committed in between is in one of the two.
pub fn files_in_use(engine: &Engine) -> FilesInUse {
    let writing = engine.writing.now();
    let newest = engine.newest().warehouse_files();
    let mut reading = engine.snapshots.files();
    reading.retain(|table, files| {
        if let Some(named) = newest.get(table) {
            files.retain(|file| !named.contains(file));
        }
        !files.is_empty()
    });
    FilesInUse::new(writing, reading)
}
