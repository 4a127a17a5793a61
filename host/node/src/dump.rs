//! The definitions of a catalog as a script of SQL.

use std::fmt::Write;

use nyala_schema::command::{CommentTarget, ObjectKind};
use nyala_schema::function::{FunctionBody, FunctionDefinition};
use nyala_schema::table::{MAIN_SCHEMA, TableDefinition};
use nyala_schema::type_name::{sql_identifier, sql_type_name};

use crate::engine::Engine;
use crate::function::{arguments, volatility_name};
use crate::table_sql::{create_sql, literal};

impl Engine {
    /// All objects with their versions, counts and last changes, one a line, for people.
    pub fn overview(&self) -> String {
        nyala_catalog::dump(&self.newest())
    }

    /// Statements that make all that exists again, in an order in which they run, but for rows and for the code of WASM: that
    /// is told in comments.
    pub fn dump(&self) -> String {
        let snapshot = self.newest();
        let mut sql = format!("-- Version {} of the catalog.\n", snapshot.version);
        for schema in snapshot.schemas.keys() {
            if schema != MAIN_SCHEMA {
                let _ = writeln!(sql, "\nCREATE SCHEMA {};", sql_identifier(schema));
            }
            let target = CommentTarget::Object(ObjectKind::Schema, schema.clone());
            if let Some(text) = snapshot.comments.get(&target) {
                let _ = writeln!(sql, "COMMENT ON SCHEMA {} IS {};", sql_identifier(schema), literal(text));
            }
        }
        for function in snapshot.functions.values().flatten() {
            let _ = writeln!(sql, "\n{}", function_sql(function));
        }
        for operator in snapshot.operators.values() {
            let _ = writeln!(sql, "\n-- The operator {} is WASM.", sql_identifier(&operator.name));
        }
        let is_view = |definition: &TableDefinition| matches!(definition, TableDefinition::View { .. });
        let (views, tables): (Vec<_>, Vec<_>) = snapshot.tables.iter().partition(|(_, it)| is_view(it));
        // A view may read another: the one that was made first comes first.
        let mut views = views;
        views.sort_by_key(|(name, _)| snapshot.since.get(&(ObjectKind::Table, (*name).clone())).copied());
        for (name, definition) in tables.into_iter().chain(views) {
            let _ = writeln!(sql, "\n{};", create_sql(&snapshot, name, definition));
        }
        sql
    }
}

fn function_sql(function: &FunctionDefinition) -> String {
    let version = function.current_version();
    let name = sql_identifier(&function.name);
    let head = format!("{name}{} RETURNS {}", arguments(function), sql_type_name(&function.returns));
    match &version.body {
        FunctionBody::Sql { text, .. } => {
            let volatility = volatility_name(version.volatility).to_uppercase();
            format!("CREATE FUNCTION {head} LANGUAGE SQL {volatility} AS $$ {} $$;", text.trim())
        }
        FunctionBody::Guest { module, export, .. } => {
            format!("-- The function {head} is WASM: {export} of the module {module}.")
        }
    }
}
