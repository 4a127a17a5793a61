//! Which table a name means: schemas are looked through in order.

use nyala_catalog::Snapshot;
use nyala_schema::table::{MAIN_SCHEMA, TableName, join_name};
use nyala_schema::{Error, ErrorCode, Result};

use crate::information;
use crate::session::Session;

/// The name under which the catalog has what a statement calls `name`: in the current schema, then in `main`.
pub fn find(snapshot: &Snapshot, schema: &str, name: &str) -> Option<TableName> {
    let own = join_name(schema, name);
    if !name.contains('.') && snapshot.tables.contains_key(&own) {
        return Some(own);
    }
    let name = without_main(name);
    snapshot.tables.contains_key(name).then(|| name.to_owned())
}

/// `main.t` is `t`.
fn without_main(name: &str) -> &str {
    name.strip_prefix(MAIN_SCHEMA).and_then(|rest| rest.strip_prefix('.')).unwrap_or(name)
}

/// The catalog's name with its schema, so that no other is looked through.
pub fn full_name(name: &str) -> String {
    let (schema, table) = nyala_schema::table::split_name(name);
    format!("{schema}.{table}")
}

impl Session {
    /// The catalog's name of a table or view that is there, or the name under which it would have been looked for: then the
    /// statement itself finds out that it is not.
    pub(crate) fn existing_name(&self, name: &str) -> TableName {
        find(&self.snapshot(), &self.schema(), name).unwrap_or_else(|| without_main(name).to_owned())
    }

    /// The catalog's name of a table or view that is to be made.
    ///
    /// # Errors
    /// `UndefinedSchema`; `InvalidParameter` for a schema that is Nyala's own.
    pub(crate) fn new_name(&self, name: &str) -> Result<TableName> {
        let snapshot = self.snapshot();
        let full = match name.split_once('.') {
            None => join_name(&self.schema(), name),
            Some((schema, table)) => join_name(schema, table),
        };
        let (schema, table) = nyala_schema::table::split_name(&full);
        if table.is_empty() || table.contains('.') {
            let message = format!("\"{name}\" is no name for a table");
            return Err(Error::new(ErrorCode::InvalidParameter, message)
                .with_hint("write table or schema.table, without further dots"));
        }
        refuse_own(schema)?;
        if snapshot.schemas.contains_key(schema) {
            Ok(full)
        } else {
            Err(undefined_schema(&snapshot, schema))
        }
    }
}

/// # Errors
/// `InvalidParameter`
pub fn refuse_own(schema: &str) -> Result<()> {
    if !information::SCHEMAS.contains(&schema) {
        return Ok(());
    }
    Err(Error::new(ErrorCode::InvalidParameter, format!("the schema \"{schema}\" is made by Nyala itself"))
        .with_hint("choose another name"))
}

pub fn undefined_schema(snapshot: &Snapshot, schema: &str) -> Error {
    let error = Error::new(ErrorCode::UndefinedSchema, format!("there is no schema \"{schema}\""));
    let names = snapshot.schemas.keys().map(String::as_str).chain(information::SCHEMAS);
    match nyala_frontend::nearest(schema, names) {
        Some(near) => error.with_hint(format!("did you mean \"{near}\"?")),
        None => error.with_hint("SHOW SCHEMAS lists them; CREATE SCHEMA makes one"),
    }
}

/// # Errors
/// `UndefinedTable` with what was probably meant.
pub fn undefined_table(snapshot: &Snapshot, schema: &str, name: &str) -> Error {
    let error = Error::new(ErrorCode::UndefinedTable, format!("there is no table \"{name}\""));
    let names: Vec<String> = names(snapshot, schema).collect();
    match nyala_frontend::nearest(name, names.iter().map(String::as_str)) {
        Some(near) => error.with_hint(format!("did you mean \"{near}\"?")),
        None => error.with_hint("SHOW TABLES lists them"),
    }
}

/// All tables and views as one may call them: those of the current schema also without it.
pub fn names<'a>(snapshot: &'a Snapshot, schema: &'a str) -> impl Iterator<Item = String> + 'a {
    let prefix = format!("{schema}.");
    let short = snapshot.tables.keys().filter_map(move |name| name.strip_prefix(&prefix).map(str::to_owned));
    snapshot.tables.keys().cloned().chain(short).chain(information::names())
}
