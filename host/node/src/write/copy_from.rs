//! COPY t FROM 'files': columns by name.

use std::sync::Arc;

use arrow::datatypes::{Field, Schema, SchemaRef};
use nyala_frontend::{Insert, InsertSource};
use nyala_schema::lookup::{ResolvedTable, TableContent};
use nyala_schema::managed::TableShape;
use nyala_schema::managed::version::TableOperation;
use nyala_schema::scan::{FileFormat, ScanSource};
use nyala_schema::{Error, ErrorCode, Result};
use nyala_storage::ResolvedFiles;

use super::insert;
use super::target::{Target, WithTable};
use crate::answer::Answer;
use crate::query;
use crate::session::Session;

/// The name under which the files are read.
const FILES: &str = "$copied";

pub fn run(
    session: &Session,
    table: &str,
    columns: &[String],
    location: &str,
    format: Option<&FileFormat>,
) -> Result<Answer> {
    let rows = session.retrying(|_| {
        let tables = session.tables();
        let target = Target::find(session, table)?;
        let files = find_files(session, &target.table().shape, location, format)?;
        let (into, from) = matched(&target, columns, &files, location)?;
        let names: Vec<String> = from.iter().map(|name| quoted(name)).collect();
        let sql = format!("SELECT {} FROM \"{FILES}\"", names.join(", "));
        let (sql, query) = query::parsed(sql)?;
        let insert = Insert {
            table: target.name.clone(),
            columns: into,
            partition: Vec::new(),
            overwrite: false,
            source: InsertSource::Query(query),
        };
        let copied = ResolvedTable {
            name: FILES.to_owned(),
            schema: files.schema,
            content: TableContent::Data { source: files.source, statistics: Arc::new(files.statistics) },
        };
        let world = WithTable { world: &tables, table: Arc::new(copied) };
        insert::write(session, &world, &sql, &insert, &target, TableOperation::Copy)
    })?;
    Ok(Answer::Done(format!("COPY {rows}")))
}

fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// The files, those of text with the types that their columns have in the table: a text of digits stays a text.
fn find_files(
    session: &Session,
    shape: &TableShape,
    location: &str,
    format: Option<&FileFormat>,
) -> Result<ResolvedFiles> {
    let storage = &session.engine.storage;
    let found = storage.resolve(location, format.cloned(), None, &[])?;
    let ScanSource::Files { format, .. } = &found.source else {
        return Err(Error::internal("files resolved to something else"));
    };
    if !matches!(format, FileFormat::Csv(_) | FileFormat::Json(_)) {
        return Ok(found);
    }
    let is_positional = has_no_names(format);
    let own = found.schema.fields().len() - found.partition_columns;
    let declared = |(index, field): (usize, &Arc<Field>)| {
        let column = if is_positional { shape.columns.get(index) } else { shape.column(field.name()) };
        let data_type = column.map_or_else(|| field.data_type().clone(), |column| column.data_type.clone());
        Field::new(field.name(), data_type, true)
    };
    let declared =
        Schema::new(found.schema.fields()[..own].iter().enumerate().map(declared).collect::<Vec<_>>());
    let partitions: Vec<String> =
        found.schema.fields()[own..].iter().map(|field| field.name().clone()).collect();
    storage.resolve(location, Some(format.clone()), Some(&declared), &partitions)
}

/// Such files have their columns in the order of the table.
fn has_no_names(format: &FileFormat) -> bool {
    matches!(format, FileFormat::Csv(options) if !options.header)
}

/// The table's columns that are given, and for each the column of the files.
fn matched(
    target: &Target,
    chosen: &[String],
    files: &ResolvedFiles,
    location: &str,
) -> Result<(Vec<String>, Vec<String>)> {
    let shape = &target.table().shape;
    let ScanSource::Files { format, .. } = &files.source else {
        return Err(Error::internal("files resolved to something else"));
    };
    let names: Vec<String> = names_of(&files.schema);
    if has_no_names(format) {
        let into = if chosen.is_empty() {
            shape.columns.iter().map(|column| column.name.clone()).collect()
        } else {
            chosen.to_vec()
        };
        if into.len() != names.len() {
            let message = format!("'{location}' has {} columns, but {} are wanted", names.len(), into.len());
            return Err(Error::new(ErrorCode::DatatypeMismatch, message).with_hint(
                "without a header columns are taken in order: name them as in COPY t (a, b) FROM",
            ));
        }
        return Ok((into, names));
    }
    let wanted = if chosen.is_empty() { names.clone() } else { chosen.to_vec() };
    for name in &wanted {
        if shape.column(name).is_none() {
            let message =
                format!("'{location}' has a column \"{name}\", which table \"{}\" lacks", target.name);
            return Err(Error::new(ErrorCode::UndefinedColumn, message)
                .with_hint("name the columns that are to be copied, as in COPY t (a, b) FROM"));
        }
        if !names.contains(name) {
            let message = format!("'{location}' has no column \"{name}\"");
            return Err(Error::new(ErrorCode::UndefinedColumn, message)
                .with_hint(format!("it has {}", names.join(", "))));
        }
    }
    Ok((wanted.clone(), wanted))
}

fn names_of(schema: &SchemaRef) -> Vec<String> {
    schema.fields().iter().map(|field| field.name().clone()).collect()
}
