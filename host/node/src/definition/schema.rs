//! CREATE SCHEMA, DROP SCHEMA, USE.

use nyala_schema::command::Command;
use nyala_schema::table::MAIN_SCHEMA;
use nyala_schema::{Error, ErrorCode, Result};

use super::done;
use crate::answer::Answer;
use crate::search_path::{refuse_own, undefined_schema};
use crate::session::Session;

pub fn create(session: &Session, name: String, if_not_exists: bool) -> Result<Answer> {
    refuse_own(&name)?;
    if name.is_empty() || name.contains('.') {
        return Err(Error::new(ErrorCode::InvalidParameter, format!("\"{name}\" is no name for a schema"))
            .with_hint("a schema's name has no dot"));
    }
    session.commit(&Command::CreateSchema { name, if_not_exists })?;
    Ok(done("CREATE SCHEMA"))
}

pub fn drop(session: &Session, name: String, if_exists: bool, cascade: bool) -> Result<Answer> {
    refuse_own(&name)?;
    session.commit(&Command::DropSchema { name: name.clone(), if_exists, cascade })?;
    if session.schema() == name {
        session.set_schema(MAIN_SCHEMA);
    }
    Ok(done("DROP SCHEMA"))
}

pub fn use_it(session: &Session, schema: &str) -> Result<Answer> {
    let snapshot = session.snapshot();
    if !snapshot.schemas.contains_key(schema) {
        return Err(undefined_schema(&snapshot, schema));
    }
    session.set_schema(schema);
    Ok(done("USE"))
}
