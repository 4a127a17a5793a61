//! `information_schema`, with the columns of ISO/IEC 9075-11 that mean something here.

use arrow::datatypes::{DataType, TimeUnit};
use nyala_schema::expr::Volatility;
use nyala_schema::function::{FunctionBody, FunctionKind};
use nyala_schema::managed::{CheckConstraint, TableShape};
use nyala_schema::table::{CATALOG, TableDefinition, split_name};
use nyala_schema::type_name::{sql_signature, sql_type_name};

use super::SCHEMAS;
use super::rows::{Cell, Kind, MadeTable, Source};

use Kind::{Number, Text};

pub const TABLES: &[MadeTable] = &[
    MadeTable {
        name: "schemata",
        columns: &[("catalog_name", Text), ("schema_name", Text), ("schema_owner", Text)],
        rows: schemata,
    },
    MadeTable {
        name: "tables",
        columns: &[
            ("table_catalog", Text),
            ("table_schema", Text),
            ("table_name", Text),
            ("table_type", Text),
            ("is_insertable_into", Text),
        ],
        rows: tables,
    },
    MadeTable {
        name: "columns",
        columns: &[
            ("table_catalog", Text),
            ("table_schema", Text),
            ("table_name", Text),
            ("column_name", Text),
            ("ordinal_position", Number),
            ("column_default", Text),
            ("is_nullable", Text),
            ("data_type", Text),
            ("numeric_precision", Number),
            ("numeric_scale", Number),
            ("datetime_precision", Number),
        ],
        rows: columns,
    },
    MadeTable {
        name: "views",
        columns: &[
            ("table_catalog", Text),
            ("table_schema", Text),
            ("table_name", Text),
            ("view_definition", Text),
            ("check_option", Text),
            ("is_updatable", Text),
        ],
        rows: views,
    },
    MadeTable {
        name: "routines",
        columns: &[
            ("routine_catalog", Text),
            ("routine_schema", Text),
            ("routine_name", Text),
            ("specific_name", Text),
            ("routine_type", Text),
            ("data_type", Text),
            ("routine_body", Text),
            ("routine_definition", Text),
            ("external_language", Text),
            ("is_deterministic", Text),
        ],
        rows: routines,
    },
    MadeTable {
        name: "check_constraints",
        columns: &[
            ("constraint_catalog", Text),
            ("constraint_schema", Text),
            ("constraint_name", Text),
            ("check_clause", Text),
        ],
        rows: check_constraints,
    },
    MadeTable {
        name: "table_constraints",
        columns: &[
            ("constraint_catalog", Text),
            ("constraint_schema", Text),
            ("constraint_name", Text),
            ("table_catalog", Text),
            ("table_schema", Text),
            ("table_name", Text),
            ("constraint_type", Text),
        ],
        rows: table_constraints,
    },
];

fn schemata(source: &Source<'_>) -> Vec<Vec<Cell>> {
    let names = source.snapshot.schemas.keys().map(String::as_str).chain(SCHEMAS);
    names.map(|name| vec![Cell::text(CATALOG), Cell::text(name), Cell::Null]).collect()
}

/// Catalog, schema and name.
fn place(name: &str) -> [Cell; 3] {
    let (schema, table) = split_name(name);
    [Cell::text(CATALOG), Cell::text(schema), Cell::text(table)]
}

fn tables(source: &Source<'_>) -> Vec<Vec<Cell>> {
    let row = |(name, definition): (&String, &std::sync::Arc<TableDefinition>)| {
        let (kind, insertable) = match definition.as_ref() {
            TableDefinition::View { .. } => ("VIEW", false),
            TableDefinition::External(_) => ("FOREIGN", false),
            _ => ("BASE TABLE", true),
        };
        let mut row = Vec::from(place(name));
        row.extend([Cell::text(kind), Cell::yes_no(insertable)]);
        row
    };
    let own = super::names().map(|name| {
        let mut row = Vec::from(place(&name));
        row.extend([Cell::text("SYSTEM VIEW"), Cell::yes_no(false)]);
        row
    });
    source.snapshot.tables.iter().map(row).chain(own).collect()
}

fn columns(source: &Source<'_>) -> Vec<Vec<Cell>> {
    let mut rows = Vec::new();
    for (name, definition) in &source.snapshot.tables {
        let shape = shape_of(definition);
        for (at, field) in definition.schema().fields().iter().enumerate() {
            let default = shape.and_then(|shape| shape.columns.get(at)?.default.clone());
            let mut row = Vec::from(place(name));
            row.extend([
                Cell::text(field.name()),
                Cell::number(at + 1),
                Cell::maybe(default),
                Cell::yes_no(field.is_nullable()),
                Cell::text(sql_type_name(field.data_type())),
            ]);
            row.extend(sizes(field.data_type()));
            rows.push(row);
        }
    }
    rows
}

/// Precision and scale of a number, digits behind the second of a time.
fn sizes(data_type: &DataType) -> [Cell; 3] {
    let digits = |unit: &TimeUnit| match unit {
        TimeUnit::Second => 0,
        TimeUnit::Millisecond => 3,
        TimeUnit::Microsecond => 6,
        TimeUnit::Nanosecond => 9,
    };
    let (precision, scale, time) = match data_type {
        DataType::Decimal32(p, s)
        | DataType::Decimal64(p, s)
        | DataType::Decimal128(p, s)
        | DataType::Decimal256(p, s) => (Some(i64::from(*p)), Some(i64::from(*s)), None),
        other if other.is_integer() => (other.primitive_width().map(|bytes| 8 * bytes as i64), Some(0), None),
        other if other.is_floating() => (other.primitive_width().map(|bytes| 8 * bytes as i64), None, None),
        DataType::Timestamp(unit, _) | DataType::Time32(unit) | DataType::Time64(unit) => {
            (None, None, Some(digits(unit)))
        }
        _ => (None, None, None),
    };
    [precision, scale, time].map(|number| number.map_or(Cell::Null, Cell::Number))
}

fn shape_of(definition: &TableDefinition) -> Option<&TableShape> {
    match definition {
        TableDefinition::Managed(table) => Some(&table.shape),
        _ => None,
    }
}

fn views(source: &Source<'_>) -> Vec<Vec<Cell>> {
    let row = |(name, definition): (&String, &std::sync::Arc<TableDefinition>)| match definition.as_ref() {
        TableDefinition::View { sql, .. } => {
            let mut row = Vec::from(place(name));
            row.extend([Cell::text(sql), Cell::text("NONE"), Cell::yes_no(false)]);
            Some(row)
        }
        _ => None,
    };
    source.snapshot.tables.iter().filter_map(row).collect()
}

fn routines(source: &Source<'_>) -> Vec<Vec<Cell>> {
    let functions = source.snapshot.functions.values().flatten();
    let row = |function: &std::sync::Arc<nyala_schema::function::FunctionDefinition>| {
        let version = function.current_version();
        let (body, text, language) = match &version.body {
            FunctionBody::Sql { text, .. } => ("SQL", Cell::text(text), Cell::Null),
            FunctionBody::Guest { .. } => ("EXTERNAL", Cell::Null, Cell::text("WASM")),
        };
        let kind = match function.kind {
            FunctionKind::Scalar | FunctionKind::Table => "FUNCTION",
            FunctionKind::Aggregate => "AGGREGATE",
        };
        let mut row = Vec::from(place(&function.name));
        row.extend([
            Cell::text(sql_signature(&function.name, function.arguments.iter().map(|a| &a.data_type))),
            Cell::text(kind),
            Cell::text(sql_type_name(&function.returns)),
            Cell::text(body),
            text,
            language,
            Cell::yes_no(version.volatility == Volatility::Immutable),
        ]);
        row
    };
    functions.map(row).collect()
}

fn constraints<'a>(source: &'a Source<'_>) -> impl Iterator<Item = (&'a String, &'a CheckConstraint)> {
    source.snapshot.tables.iter().flat_map(|(name, definition)| {
        let checks = shape_of(definition).map_or(&[][..], |shape| &shape.checks);
        checks.iter().map(move |check| (name, check))
    })
}

fn check_constraints(source: &Source<'_>) -> Vec<Vec<Cell>> {
    let row = |(name, check): (&String, &CheckConstraint)| {
        let (schema, _) = split_name(name);
        vec![Cell::text(CATALOG), Cell::text(schema), Cell::text(&check.name), Cell::text(&check.sql)]
    };
    constraints(source).map(row).collect()
}

fn table_constraints(source: &Source<'_>) -> Vec<Vec<Cell>> {
    let row = |(name, check): (&String, &CheckConstraint)| {
        let (schema, _) = split_name(name);
        let mut row = vec![Cell::text(CATALOG), Cell::text(schema), Cell::text(&check.name)];
        row.extend(place(name));
        row.push(Cell::text("CHECK"));
        row
    };
    constraints(source).map(row).collect()
}
