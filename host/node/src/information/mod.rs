//! Tables that are made of the catalog when they are read: `information_schema`, as the standard has it, and `system`.
//!
//! A table is a name, columns, and a function that gives its rows of a [`rows::Source`]: [`standard`], [`system`] and
//! [`running`], which is of statements and nodes, list them; [`rows`] makes columns of what they give.

pub mod rows;
mod running;
mod standard;
mod system;

use std::sync::Arc;

use nyala_schema::Result;
use nyala_schema::lookup::ResolvedTable;

use rows::{MadeTable, Source};
pub use running::statements;
pub use system::object_text;

pub const INFORMATION_SCHEMA: &str = "information_schema";
pub const SYSTEM_SCHEMA: &str = "system";
/// Schemas whose tables nobody can change.
pub const SCHEMAS: [&str; 2] = [INFORMATION_SCHEMA, SYSTEM_SCHEMA];

fn tables() -> impl Iterator<Item = (&'static str, &'static MadeTable)> {
    let standard = standard::TABLES.iter().map(|table| (INFORMATION_SCHEMA, table));
    let system = system::TABLES.iter().chain(running::TABLES);
    standard.chain(system.map(|table| (SYSTEM_SCHEMA, table)))
}

/// All names, with their schemas.
pub fn names() -> impl Iterator<Item = String> {
    tables().map(|(schema, table)| format!("{schema}.{}", table.name))
}

/// The table of that name with its rows as of now; `None` when there is none.
///
/// # Errors
/// Our own mistakes.
pub fn table(name: &str, source: &Source<'_>) -> Result<Option<Arc<ResolvedTable>>> {
    let Some((schema, short)) = name.split_once('.') else { return Ok(None) };
    match tables().find(|(its, table)| *its == schema && table.name == short) {
        Some((_, table)) => table.resolve(name, source).map(|table| Some(Arc::new(table))),
        None => Ok(None),
    }
}
