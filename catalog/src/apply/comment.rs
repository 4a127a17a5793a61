//! COMMENT ON.

use std::sync::Arc;

use nyala_schema::command::{CommentTarget, ObjectKind};
use nyala_schema::{Error, ErrorCode, Result};

use super::table;
use crate::near_miss::with_near_miss;
use crate::snapshot::Snapshot;

pub(super) fn set(next: &mut Snapshot, target: &CommentTarget, text: Option<&str>) -> Result<()> {
    require(next, target)?;
    match text {
        Some(text) => next.comments.insert(target.clone(), Arc::from(text)),
        None => next.comments.remove(target),
    };
    Ok(())
}

/// Whether what the comment is on is there.
pub(crate) fn exists(snapshot: &Snapshot, target: &CommentTarget) -> bool {
    match target {
        CommentTarget::Object(kind, name) => snapshot.has(*kind, name),
        CommentTarget::Column(table, column) => {
            snapshot.table(table).is_some_and(|table| table.schema().field_with_name(column).is_ok())
        }
    }
}

fn require(snapshot: &Snapshot, target: &CommentTarget) -> Result<()> {
    if exists(snapshot, target) {
        return Ok(());
    }
    Err(match target {
        CommentTarget::Column(table, column) => {
            let Some(definition) = snapshot.table(table) else {
                return Err(table::undefined(snapshot, table, "table or view"));
            };
            let message = format!("\"{table}\" has no column \"{column}\"");
            let schema = definition.schema();
            let names: Vec<String> = schema.fields().iter().map(|field| field.name().clone()).collect();
            with_near_miss(Error::new(ErrorCode::UndefinedColumn, message), column, &names)
        }
        CommentTarget::Object(kind, name) => {
            let (code, noun) = match kind {
                ObjectKind::Table => return Err(table::undefined(snapshot, name, "table or view")),
                ObjectKind::Schema => (ErrorCode::UndefinedSchema, "schema"),
                ObjectKind::Function => (ErrorCode::UndefinedFunction, "function"),
                ObjectKind::Operator => (ErrorCode::UndefinedObject, "operator"),
                ObjectKind::Module => (ErrorCode::UndefinedObject, "module"),
            };
            let error = Error::new(code, format!("there is no {noun} \"{name}\""));
            with_near_miss(error, name, &snapshot.names(*kind))
        }
    })
}

/// Comments of a table, and of its columns, go to its new name.
pub(super) fn rename_table(next: &mut Snapshot, from: &str, to: &str) {
    let object = |name: &str| CommentTarget::Object(ObjectKind::Table, name.to_owned());
    if let Some(text) = next.comments.remove(&object(from)) {
        next.comments.insert(object(to), text);
    }
    for (column, text) in take_columns(next, from) {
        next.comments.insert(CommentTarget::Column(to.to_owned(), column), text);
    }
}

/// A column's comment goes to its new name.
pub(super) fn rename_column(next: &mut Snapshot, table: &str, from: &str, to: &str) {
    let target = |column: &str| CommentTarget::Column(table.to_owned(), column.to_owned());
    if let Some(text) = next.comments.remove(&target(from)) {
        next.comments.insert(target(to), text);
    }
}

/// Takes the comments away of what is not there any more.
pub(super) fn forget(next: &mut Snapshot, kind: ObjectKind, name: &str) {
    next.comments.remove(&CommentTarget::Object(kind, name.to_owned()));
    if kind == ObjectKind::Table {
        take_columns(next, name);
    }
}

/// Comments on columns that the table does not have any more go.
pub(super) fn keep_columns(next: &mut Snapshot, table: &str) {
    for (column, text) in take_columns(next, table) {
        let target = CommentTarget::Column(table.to_owned(), column);
        if exists(next, &target) {
            next.comments.insert(target, text);
        }
    }
}

fn take_columns(next: &mut Snapshot, table: &str) -> Vec<(String, Arc<str>)> {
    let from = CommentTarget::Column(table.to_owned(), String::new());
    let of_table = next.comments.range(from..).map_while(|(target, text)| match target {
        CommentTarget::Column(name, column) if name == table => Some((column.clone(), Arc::clone(text))),
        _ => None,
    });
    let taken: Vec<_> = of_table.collect();
    for (column, _) in &taken {
        next.comments.remove(&CommentTarget::Column(table.to_owned(), column.clone()));
    }
    taken
}
