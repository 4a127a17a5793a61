//! Errors of sqlparser and DataFusion made into ours: code, plain words, position, hint.

use datafusion_common::{Column, DataFusionError, Diagnostic, SchemaError, TableReference};
use nyala_schema::error::Position;
use nyala_schema::function::FunctionKind;
use nyala_schema::lookup::FunctionLookup;
use nyala_schema::{Error, ErrorCode};

use crate::context::table_name;
use crate::dml::{FILE_COLUMN, ROW_COLUMN, SOURCE};
use crate::locate::{Usage, find_name, find_text, is_quoted_at};
use crate::message::{by_message, execution, internal, not_implemented, plain};
use crate::registry::{Registry, TABLE_FUNCTIONS};
use crate::suggest::{did_you_mean, nearest, quoted};
use crate::syntax::syntax_error;
use crate::table_argument::TABLE_ARGUMENT;

/// Columns that statements which write read beside those of their tables.
const INTERNAL_COLUMNS: [&str; 3] = [FILE_COLUMN, ROW_COLUMN, SOURCE];

/// Names listed in a hint.
const LISTED_MAX: usize = 12;

/// What an error may be explained with.
pub(crate) struct Scope<'a> {
    pub(crate) sql: &'a str,
    pub(crate) registry: &'a Registry,
    pub(crate) functions: &'a dyn FunctionLookup,
}

/// Any error of DataFusion's planner or optimiser.
pub(crate) fn translate(error: DataFusionError, scope: &Scope) -> Error {
    let mut place = Place::default();
    explain(error, scope, &mut place)
}

/// What the layers around an error said.
#[derive(Default)]
pub(crate) struct Place {
    pub(crate) span: Option<Position>,
    pub(crate) help: Option<String>,
}

impl Place {
    fn note(&mut self, diagnostic: &Diagnostic) {
        let start = diagnostic.span.and_then(|span| {
            let number = |n: u64| u32::try_from(n).ok().filter(|n| *n > 0);
            Some(Position { line: number(span.start.line)?, column: number(span.start.column)? })
        });
        self.span = start.or(self.span);
        self.help = self.help.take().or_else(|| diagnostic.helps.first().map(|help| help.message.clone()));
    }

    /// Where `name` is, by span or else by looking for it.
    pub(crate) fn find(
        &self,
        scope: &Scope,
        qualifier: Option<&str>,
        name: &str,
        usage: Usage,
    ) -> Option<Position> {
        self.span.or_else(|| find_name(scope.sql, qualifier, name, usage))
    }
}

fn explain(error: DataFusionError, scope: &Scope, place: &mut Place) -> Error {
    match error {
        DataFusionError::Diagnostic(diagnostic, inner) => {
            place.note(&diagnostic);
            explain(*inner, scope, place)
        }
        DataFusionError::Context(_, inner) => explain(*inner, scope, place),
        DataFusionError::Collection(errors) => match errors.into_iter().next() {
            Some(first) => explain(first, scope, place),
            None => Error::internal("planning failed without saying why"),
        },
        DataFusionError::Shared(inner) => match std::sync::Arc::try_unwrap(inner) {
            Ok(inner) => explain(inner, scope, place),
            Err(shared) => positioned(by_message(&shared.strip_backtrace(), scope, place), place),
        },
        DataFusionError::External(inner) => match inner.downcast::<Error>() {
            Ok(ours) => ours_positioned(*ours, scope, place),
            Err(other) => Error::internal(other.to_string()),
        },
        DataFusionError::SchemaError(error, _) => schema_error(*error, scope, place),
        DataFusionError::SQL(error, _) => syntax_error(&error, scope.sql, &[]),
        DataFusionError::ArrowError(error, _) => {
            let error = Error::from(*error);
            // `… to value of integer type`
            let message = plain(error.message()).replace(" to value of ", " to ");
            let message = message.strip_suffix(" type").unwrap_or(&message).to_owned();
            let value = message.split('\'').nth(1).and_then(|value| find_text(scope.sql, value));
            at(positioned(rebuilt(&error, message), place), value)
        }
        DataFusionError::Plan(message) => positioned(by_message(&message, scope, place), place),
        DataFusionError::Execution(message) => positioned(execution(&message), place),
        DataFusionError::NotImplemented(message) => positioned(not_implemented(&message), place),
        DataFusionError::Configuration(message) => Error::new(ErrorCode::InvalidParameter, plain(&message)),
        DataFusionError::ResourcesExhausted(message) => Error::new(ErrorCode::OutOfMemory, plain(&message)),
        DataFusionError::IoError(error) => Error::new(ErrorCode::FileAccess, error.to_string()),
        DataFusionError::Internal(message) => positioned(internal(&message), place),
        other => Error::internal(plain(&other.strip_backtrace())),
    }
}

fn positioned(error: Error, place: &Place) -> Error {
    at(error, place.span)
}

/// An error of ours that passed through DataFusion; a table's or function's name in it is looked for in the text.
fn ours_positioned(error: Error, scope: &Scope, place: &Place) -> Error {
    located(at(error, place.span), scope.sql)
}

/// An error that has no position gets the first place in `sql` of the name that it is about: the first in its message, but
/// where a column is at fault the one that it calls a column, else the last.
pub fn located(error: Error, sql: &str) -> Error {
    if error.position().is_some() {
        return error;
    }
    let is_of_column = matches!(error.code(), ErrorCode::UndefinedColumn | ErrorCode::DuplicateColumn);
    let parts: Vec<&str> = error.message().split('"').collect();
    let mut names = parts.chunks_exact(2).map(|pair| (pair[0], pair[1]));
    let column = names.clone().find(|(before, _)| before.ends_with("column "));
    let named = if is_of_column { column.or_else(|| names.next_back()) } else { names.next() };
    let name = named.map(|(_, name)| name);
    let found = name.and_then(|name| {
        let find = |qualifier, name, usage| find_name(sql, qualifier, name, usage);
        let in_schema =
            name.split_once('.').and_then(|(schema, table)| find(Some(schema), table, Usage::Column));
        in_schema.or_else(|| find(None, name, Usage::Table)).or_else(|| find(None, name, Usage::Function))
    });
    at(error, found)
}

fn rebuilt(error: &Error, message: String) -> Error {
    let new = Error::new(error.code(), message);
    match error.hint() {
        Some(hint) => new.with_hint(hint),
        None => new,
    }
}

fn schema_error(error: SchemaError, scope: &Scope, place: &Place) -> Error {
    match error {
        SchemaError::FieldNotFound { field, valid_fields } => {
            column_not_found(&field, &valid_fields, scope, place)
        }
        SchemaError::AmbiguousReference { field } => {
            let name = field.name.as_str();
            let error = Error::new(
                ErrorCode::AmbiguousColumn,
                format!("column {} is in more than one table", quoted(name)),
            )
            .with_hint("put the table's name before it, as in t.x");
            at(error, place.find(scope, None, name, Usage::Column))
        }
        SchemaError::DuplicateQualifiedField { qualifier, name } => {
            let table = qualifier.table().to_owned();
            let message = format!(
                "table {} is there twice, so that {} has two meanings",
                quoted(&table),
                quoted(&name)
            );
            let error =
                Error::new(ErrorCode::DuplicateTable, message).with_hint("give each its own name with AS");
            at(error, find_name(scope.sql, None, &table, Usage::Table))
        }
        SchemaError::DuplicateUnqualifiedField { name } => {
            let error =
                Error::new(ErrorCode::DuplicateColumn, format!("column {} is there twice", quoted(&name)))
                    .with_hint("give one of them another name with AS");
            at(error, place.find(scope, None, &name, Usage::Column))
        }
    }
}

/// `error` at `position`, unless it has one or there is none.
pub(crate) fn at(error: Error, position: Option<Position>) -> Error {
    match position {
        Some(position) if error.position().is_none() => error.at(position),
        _ => error,
    }
}

fn column_not_found(field: &Column, valid: &[Column], scope: &Scope, place: &Place) -> Error {
    let name = field.name.as_str();
    let table = field.relation.as_ref().map(TableReference::table);
    let position = place.find(scope, table, name, Usage::Column);
    if let (Some(table), Some(wanted)) = (table, &field.relation) {
        let known =
            |column: &&Column| column.relation.as_ref().is_some_and(|relation| relation.resolved_eq(wanted));
        if !valid.iter().any(|column| known(&column)) {
            return at(table_not_in_from(&table_name(wanted), valid), position);
        }
        let columns: Vec<&str> = valid.iter().filter(known).map(|column| column.name.as_str()).collect();
        let message = format!("there is no column {} in {}", quoted(name), quoted(table));
        let error = Error::new(ErrorCode::UndefinedColumn, message);
        return at(with_column_hint(error, name, &columns, scope, position), position);
    }
    let columns: Vec<&str> = valid.iter().map(|column| column.name.as_str()).collect();
    let error = Error::new(ErrorCode::UndefinedColumn, format!("there is no column {}", quoted(name)));
    at(with_column_hint(error, name, &columns, scope, position), position)
}

fn table_not_in_from(table: &str, valid: &[Column]) -> Error {
    let mut tables: Vec<String> =
        valid.iter().filter_map(|column| column.relation.as_ref()).map(table_name).collect();
    tables.dedup();
    tables.sort_unstable();
    tables.dedup();
    let error = Error::new(ErrorCode::UndefinedTable, format!("there is no table {} in FROM", quoted(table)));
    match nearest(table, tables.iter().map(String::as_str)) {
        Some(near) => error.with_hint(did_you_mean(near)),
        None if tables.is_empty() => error.with_hint("the query has no FROM"),
        None if tables.len() <= LISTED_MAX => error.with_hint(format!("tables are {}", tables.join(", "))),
        None => error,
    }
}

fn with_column_hint(
    error: Error,
    name: &str,
    columns: &[&str],
    scope: &Scope,
    position: Option<Position>,
) -> Error {
    if let Some(same) = columns.iter().find(|column| column.to_lowercase() == name.to_lowercase()) {
        return error
            .with_hint(format!("{} Names keep their case only in double quotes.", did_you_mean(same)));
    }
    if let Some(near) = nearest(name, columns.iter().copied()) {
        return error.with_hint(did_you_mean(near));
    }
    if position.is_some_and(|position| is_quoted_at(scope.sql, position)) {
        return error.with_hint(format!("text stands in single quotes: '{}'", name.replace('\'', "''")));
    }
    let mut listed: Vec<&str> = Vec::new();
    for column in columns {
        if !listed.contains(column) && !INTERNAL_COLUMNS.contains(column) {
            listed.push(column);
        }
    }
    match listed.len() {
        // LIMIT, for one, sees no columns.
        0 if scope.sql.to_lowercase().contains("from") => error.with_hint("columns cannot be used here"),
        0 => error.with_hint("the query has no FROM"),
        1..=LISTED_MAX => error.with_hint(format!("columns are {}", listed.join(", "))),
        _ => error.with_hint("DESCRIBE shows a table's columns"),
    }
}

pub(crate) fn unknown_function(name: &str, scope: &Scope, place: &Place) -> Error {
    let name = name.to_lowercase();
    if scope.registry.window.contains_key(&name) {
        let error = Error::new(ErrorCode::Syntax, format!("window function {} needs OVER", quoted(&name)))
            .with_hint(format!("write {name}(…) OVER (ORDER BY …)"));
        return at(error, place.find(scope, None, &name, Usage::Function));
    }
    if name == TABLE_ARGUMENT {
        let message = "TABLE can only be an argument of an operator in FROM";
        return Error::new(ErrorCode::Syntax, message).with_hint("SHOW OPERATORS lists the operators");
    }
    let error = Error::new(ErrorCode::UndefinedFunction, format!("there is no function {}", quoted(&name)));
    let is_table = |kind| kind == FunctionKind::Table;
    let stands_in_from = scope.functions.functions(&name).iter().any(|function| is_table(function.kind))
        || scope.functions.operator(&name).is_some();
    let theirs = scope.functions.function_names();
    let stands_in_from = stands_in_from || TABLE_FUNCTIONS.iter().any(|(table, _, _)| *table == name);
    let error = if stands_in_from {
        error.with_hint(format!("{name} stands in FROM: SELECT * FROM {name}(…)"))
    } else {
        let ours = scope.registry.names();
        match nearest(&name, ours.into_iter().chain(theirs.iter().map(String::as_str))) {
            Some(near) => error.with_hint(did_you_mean(near)),
            None => error.with_hint("SHOW FUNCTIONS lists the functions"),
        }
    };
    at(error, place.find(scope, None, &name, Usage::Function))
}
