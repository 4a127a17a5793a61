//! SHOW TABLES, VIEWS, SCHEMAS and CREATE TABLE; DESCRIBE of a table.

use nyala_schema::Result;
use nyala_schema::command::{CommentTarget, ObjectKind};
use nyala_schema::lookup::TableLookup;
use nyala_schema::managed::{ManagedTable, TableColumn};
use nyala_schema::table::{MAIN_SCHEMA, TableDefinition, join_name, split_name};

use super::{matches_pattern, schema_rows, text_rows, type_name};
use crate::answer::Answer;
use crate::search_path::{undefined_schema, undefined_table};
use crate::session::Session;
use crate::{information, table_sql};

/// Those of one schema, or those that a name without a schema means.
pub fn list(
    session: &Session,
    schema: Option<&str>,
    like: Option<&str>,
    wanted: impl Fn(&TableDefinition) -> bool,
) -> Result<Answer> {
    let snapshot = session.snapshot();
    let current = session.schema();
    if let Some(schema) = schema {
        if information::SCHEMAS.contains(&schema) {
            return made(schema, like);
        }
        if !snapshot.schemas.contains_key(schema) {
            return Err(undefined_schema(&snapshot, schema));
        }
    }
    let mut rows = Vec::new();
    for (name, definition) in snapshot.tables.iter().filter(|(_, definition)| wanted(definition)) {
        let (its, short) = split_name(name);
        let is_hidden = its == MAIN_SCHEMA
            && current != MAIN_SCHEMA
            && snapshot.tables.contains_key(join_name(&current, short).as_str());
        let is_meant = match schema {
            Some(schema) => its == schema,
            None => its == current || its == MAIN_SCHEMA && !is_hidden,
        };
        if is_meant && matches_pattern(short, like)? {
            rows.push(vec![short.to_owned(), definition.kind().to_owned()]);
        }
    }
    rows.sort();
    text_rows(&["table", "kind"], &rows)
}

fn made(schema: &str, like: Option<&str>) -> Result<Answer> {
    let mut rows = Vec::new();
    for name in information::names() {
        if let Some((its, short)) = name.split_once('.')
            && its == schema
            && matches_pattern(short, like)?
        {
            rows.push(vec![short.to_owned(), "system".to_owned()]);
        }
    }
    text_rows(&["table", "kind"], &rows)
}

pub fn schemas(session: &Session, like: Option<&str>) -> Result<Answer> {
    let snapshot = session.snapshot();
    let mut rows = Vec::new();
    for name in snapshot.schemas.keys().map(String::as_str).chain(information::SCHEMAS) {
        if matches_pattern(name, like)? {
            let tables = match information::SCHEMAS.contains(&name) {
                true => information::names().filter(|table| split_name(table).0 == name).count(),
                false => snapshot.tables.keys().filter(|table| split_name(table).0 == name).count(),
            };
            let target = CommentTarget::Object(ObjectKind::Schema, name.to_owned());
            let comment = snapshot.comments.get(&target).map_or("", AsRef::as_ref);
            rows.push(vec![name.to_owned(), tables.to_string(), comment.to_owned()]);
        }
    }
    text_rows(&["schema", "tables", "comment"], &rows)
}

pub fn create_table(session: &Session, written: &str) -> Result<Answer> {
    let snapshot = session.snapshot();
    let name = session.existing_name(written);
    let definition =
        snapshot.table(&name).ok_or_else(|| undefined_table(&snapshot, &session.schema(), written))?;
    let sql = table_sql::create_sql(&snapshot, &name, definition);
    text_rows(&["table", "create_statement"], &[vec![name, sql]])
}

pub fn describe(session: &Session, written: &str) -> Result<Answer> {
    let snapshot = session.snapshot();
    let name = session.existing_name(written);
    match snapshot.table(&name).map(AsRef::as_ref) {
        Some(TableDefinition::Managed(table)) => describe_managed(session, &name, table),
        Some(definition) => schema_rows(&definition.schema()),
        None => match session.tables().table(written)? {
            Some(table) => schema_rows(&table.schema),
            None => Err(undefined_table(&snapshot, &session.schema(), written)),
        },
    }
}

fn describe_managed(session: &Session, name: &str, table: &ManagedTable) -> Result<Answer> {
    let snapshot = session.snapshot();
    let row = |column: &TableColumn| {
        let target = CommentTarget::Column(name.to_owned(), column.name.clone());
        vec![
            column.name.clone(),
            type_name(&column.data_type),
            if column.nullable { "YES" } else { "NO" }.to_owned(),
            column.default.clone().unwrap_or_default(),
            role(table, column),
            snapshot.comments.get(&target).map_or("", AsRef::as_ref).to_owned(),
        ]
    };
    let rows: Vec<Vec<String>> = table.shape.columns.iter().map(row).collect();
    text_rows(&["column", "type", "nullable", "default", "role", "comment"], &rows)
}

/// What a column is to the files of its table: `partition by year(at), sort 1`.
fn role(table: &ManagedTable, column: &TableColumn) -> String {
    let shape = &table.shape;
    let partitions = shape.partition_by.iter().filter(|field| field.column == column.id);
    let partitions = partitions.map(|field| match field.transform.to_sql(&column.name) {
        term if term == column.name => "partition".to_owned(),
        term => format!("partition by {term}"),
    });
    let sorts = shape.sort_by.iter().enumerate().filter(|(_, field)| field.column == column.id);
    let sorts = sorts.map(|(at, _)| format!("sort {}", at + 1));
    partitions.chain(sorts).collect::<Vec<_>>().join(", ")
}
