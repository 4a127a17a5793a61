//! `system`: what Nyala knows beyond the standard.

use nyala_catalog::snapshot::Object;
use nyala_schema::command::{CommentTarget, ObjectKind};
use nyala_schema::function::FunctionBody;
use nyala_schema::managed::{FileContent, ManagedTable};
use nyala_schema::table::{TableDefinition, split_name};
use nyala_schema::type_name::sql_type_name;

use super::rows::{Cell, Kind, MadeTable, Source};
use crate::function::{arguments, kind_name};
use crate::write::partition_text;

use Kind::{Flag, Number, Text, Time};

pub const TABLES: &[MadeTable] = &[
    MadeTable {
        name: "history",
        columns: &[("version", Number), ("at", Time), ("what", Text)],
        rows: history,
    },
    MadeTable {
        name: "table_versions",
        columns: &[
            ("table_schema", Text),
            ("table_name", Text),
            ("version", Number),
            ("catalog_version", Number),
            ("at", Time),
            ("operation", Text),
            ("rows_added", Number),
            ("rows_removed", Number),
            ("rows", Number),
            ("files", Number),
            ("bytes", Number),
        ],
        rows: table_versions,
    },
    MadeTable {
        name: "files",
        columns: &[
            ("table_schema", Text),
            ("table_name", Text),
            ("file", Number),
            ("version", Number),
            ("path", Text),
            ("rows", Number),
            ("deleted_rows", Number),
            ("bytes", Number),
            ("partition", Text),
        ],
        rows: files,
    },
    MadeTable {
        name: "table_properties",
        columns: &[("table_schema", Text), ("table_name", Text), ("property", Text), ("value", Text)],
        rows: properties,
    },
    MadeTable {
        name: "comments",
        columns: &[("kind", Text), ("name", Text), ("column_name", Text), ("comment", Text)],
        rows: comments,
    },
    MadeTable {
        name: "functions",
        columns: &[
            ("name", Text),
            ("kind", Text),
            ("arguments", Text),
            ("returns", Text),
            ("version", Number),
            ("versions", Number),
            ("module", Text),
            ("language", Text),
            ("is_builtin", Flag),
        ],
        rows: functions,
    },
    MadeTable {
        name: "retired",
        columns: &[
            ("kind", Text),
            ("name", Text),
            ("since_version", Number),
            ("until_version", Number),
            ("at", Time),
            ("is_dropped", Flag),
        ],
        rows: retired,
    },
];

fn history(source: &Source<'_>) -> Vec<Vec<Cell>> {
    let journal = source.snapshot.journal.iter();
    journal
        .map(|(version, entry)| {
            vec![Cell::number(*version), Cell::Time(entry.at_ms), Cell::text(&entry.what)]
        })
        .collect()
}

/// Schema, name and definition of each managed table.
fn managed<'a>(source: &'a Source<'_>) -> impl Iterator<Item = (&'a str, &'a str, &'a ManagedTable)> {
    source.snapshot.tables.iter().filter_map(|(name, definition)| match definition.as_ref() {
        TableDefinition::Managed(table) => {
            let (schema, name) = split_name(name);
            Some((schema, name, table))
        }
        _ => None,
    })
}

fn table_versions(source: &Source<'_>) -> Vec<Vec<Cell>> {
    let rows = managed(source).flat_map(|(schema, name, table)| {
        table.history.values().map(move |version| {
            vec![
                Cell::text(schema),
                Cell::text(name),
                Cell::number(version.number),
                Cell::number(version.catalog_version),
                Cell::Time(version.at_ms),
                Cell::text(version.operation.to_string()),
                Cell::number(version.rows_added),
                Cell::number(version.rows_removed),
                Cell::number(version.rows),
                Cell::number(version.files),
                Cell::number(version.bytes),
            ]
        })
    });
    rows.collect()
}

fn files(source: &Source<'_>) -> Vec<Vec<Cell>> {
    let rows = managed(source).flat_map(|(schema, name, table)| {
        table.files.iter().map(move |file| {
            let path = match &file.content {
                FileContent::Parquet { path, .. } => Cell::text(path.as_ref()),
                FileContent::Rows(_) => Cell::Null,
            };
            vec![
                Cell::text(schema),
                Cell::text(name),
                Cell::number(file.id.0),
                Cell::number(file.added_in),
                path,
                Cell::number(file.rows),
                Cell::number(file.rows - file.live_rows()),
                Cell::number(file.bytes()),
                Cell::maybe(partition_text(&table.shape, &file.partition)),
            ]
        })
    });
    rows.collect()
}

fn properties(source: &Source<'_>) -> Vec<Vec<Cell>> {
    let rows = managed(source).flat_map(|(schema, name, table)| {
        let all = table.properties.all().into_iter();
        all.map(move |(property, value)| {
            vec![Cell::text(schema), Cell::text(name), Cell::text(property), Cell::text(value)]
        })
    });
    rows.collect()
}

fn comments(source: &Source<'_>) -> Vec<Vec<Cell>> {
    let rows = source.snapshot.comments.iter().map(|(target, text)| {
        let (kind, name, column) = match target {
            CommentTarget::Object(kind, name) => (kind_text(*kind), name, Cell::Null),
            CommentTarget::Column(table, column) => ("column", table, Cell::text(column)),
        };
        vec![Cell::text(kind), Cell::text(name), column, Cell::text(text.as_ref())]
    });
    rows.collect()
}

fn functions(source: &Source<'_>) -> Vec<Vec<Cell>> {
    let own = source.snapshot.functions.values().flatten().map(|function| {
        let language = match &function.current_version().body {
            FunctionBody::Sql { .. } => "SQL",
            FunctionBody::Guest { .. } => "WASM",
        };
        vec![
            Cell::text(&function.name),
            Cell::text(kind_name(function.kind)),
            Cell::text(arguments(function)),
            Cell::text(sql_type_name(&function.returns)),
            Cell::number(function.current),
            Cell::number(function.versions.len()),
            Cell::maybe(function.module.clone()),
            Cell::text(language),
            Cell::Flag(false),
        ]
    });
    let builtin = (source.builtin_functions)().into_iter().map(|function| {
        let kind = format!("{:?}", function.kind).to_lowercase();
        let mut row = vec![Cell::text(function.name), Cell::text(kind), Cell::text(function.syntax)];
        row.extend([Cell::Null, Cell::Null, Cell::Null, Cell::Null, Cell::Null, Cell::Flag(true)]);
        row
    });
    own.chain(builtin).collect()
}

fn retired(source: &Source<'_>) -> Vec<Vec<Cell>> {
    let rows = source.snapshot.retired.iter().map(|((until, kind, name), retired)| {
        vec![
            Cell::text(object_text(*kind, &retired.object)),
            Cell::text(name),
            Cell::number(retired.since),
            Cell::number(*until),
            Cell::Time(retired.at_ms),
            Cell::Flag(retired.is_dropped),
        ]
    });
    rows.collect()
}

pub fn kind_text(kind: ObjectKind) -> &'static str {
    match kind {
        ObjectKind::Schema => "schema",
        ObjectKind::Table => "table",
        ObjectKind::Function => "function",
        ObjectKind::Operator => "operator",
        ObjectKind::Module => "module",
    }
}

/// As [`kind_text`], with views told from tables.
pub fn object_text(kind: ObjectKind, object: &Object) -> &'static str {
    match object {
        Object::Table(table) if matches!(table.as_ref(), TableDefinition::View { .. }) => "view",
        _ => kind_text(kind),
    }
}
