//! Schemas: names before the dot.

use nyala_schema::table::{MAIN_SCHEMA, TableName};
use nyala_schema::type_name::sql_identifier;
use nyala_schema::{Error, ErrorCode, Result};

use super::identifier;
use crate::near_miss::with_near_miss;
use crate::snapshot::Snapshot;

pub(super) fn create(next: &mut Snapshot, name: &str, if_not_exists: bool) -> Result<()> {
    identifier::require_plain(name, "schema")?;
    if next.schemas.contains_key(name) {
        if if_not_exists {
            return Ok(());
        }
        let message = format!("there is already a schema \"{name}\"");
        return Err(Error::new(ErrorCode::DuplicateSchema, message)
            .with_hint("choose another name, or use IF NOT EXISTS"));
    }
    next.schemas.insert(name.to_owned(), ());
    Ok(())
}

pub(super) fn drop_schema(next: &mut Snapshot, name: &str, if_exists: bool, cascade: bool) -> Result<()> {
    if name == MAIN_SCHEMA {
        let message = format!("the schema \"{MAIN_SCHEMA}\" is always there");
        return Err(Error::new(ErrorCode::Dependency, message).with_hint("drop the tables in it one by one"));
    }
    if !next.schemas.contains_key(name) {
        if if_exists {
            return Ok(());
        }
        let error = Error::new(ErrorCode::UndefinedSchema, format!("there is no schema \"{name}\""));
        return Err(with_near_miss(error, name, next.schemas.keys()));
    }
    let content = tables_of(next, name);
    if let (Some(first), false) = (content.first(), cascade) {
        let message = format!("the schema \"{name}\" is not empty: it has {} tables or views", content.len());
        return Err(Error::new(ErrorCode::Dependency, message).with_hint(format!(
            "drop what is in it first, \"{first}\" for example, or use DROP SCHEMA {} CASCADE",
            sql_identifier(name)
        )));
    }
    for table in content {
        next.tables.remove(&table);
    }
    next.schemas.remove(name);
    Ok(())
}

/// The names of everything in a schema that is not `main`.
pub(super) fn tables_of(snapshot: &Snapshot, schema: &str) -> Vec<TableName> {
    let first = format!("{schema}.");
    let in_schema = snapshot.tables.range(first.clone()..).take_while(|(name, _)| name.starts_with(&first));
    in_schema.map(|(name, _)| name.clone()).collect()
}
