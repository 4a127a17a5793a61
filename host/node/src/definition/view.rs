//! CREATE VIEW.

use std::sync::Arc;

use arrow::datatypes::Schema;
use nyala_schema::command::OnConflict;
use nyala_schema::table::{MAIN_SCHEMA, TableDefinition, split_name};
use nyala_schema::type_name::sql_identifier;
use nyala_schema::{Error, ErrorCode, Result};
use sqlparser::ast::Query;

use super::done;
use crate::answer::Answer;
use crate::session::Session;
use crate::{qualify, query, search_path};

pub fn create(
    session: &Session,
    sql: &str,
    name: &str,
    columns: Option<Vec<String>>,
    query_sql: &str,
    query: &Query,
    on_conflict: OnConflict,
) -> Result<Answer> {
    let full_name = session.new_name(name)?;
    let planned = query::plan(session, sql, query)?;
    let mut schema = planned.schema().clone();
    let mut view_sql = in_schema(session, query_sql)?;
    if let Some(names) = &columns {
        if names.len() != schema.fields().len() {
            return Err(Error::new(
                ErrorCode::InvalidParameter,
                format!("the view names {} columns, its query gives {}", names.len(), schema.fields().len()),
            ));
        }
        let fields = schema.fields().iter().zip(names).map(|(f, n)| f.as_ref().clone().with_name(n));
        schema = Arc::new(Schema::new(fields.collect::<Vec<_>>()));
        let quoted: Vec<String> = names.iter().map(|name| sql_identifier(name)).collect();
        let alias = sql_identifier(split_name(&full_name).1);
        view_sql = format!("SELECT * FROM ({view_sql}) AS {alias} ({})", quoted.join(", "));
    }
    let definition = TableDefinition::View { sql: view_sql, columns, schema, uses: planned.uses };
    super::create(session, full_name, definition, on_conflict)?;
    Ok(done("CREATE VIEW"))
}

/// In the catalog a name without a schema means a table of `main`, so those that another schema has are told apart.
fn in_schema(session: &Session, query_sql: &str) -> Result<String> {
    let schema = session.schema();
    if schema == MAIN_SCHEMA {
        return Ok(query_sql.to_owned());
    }
    let snapshot = session.snapshot();
    let full = |name: &str| search_path::find(&snapshot, &schema, name).filter(|full| full.contains('.'));
    qualify::relations(query_sql, full)
}
