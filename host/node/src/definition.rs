//! Statements that change what exists: CREATE, INSERT, DROP.

use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch, new_null_array};
use arrow::compute::{CastOptions, cast_with_options};
use arrow::datatypes::{Field, Schema, SchemaRef};
use nyala_frontend::{ColumnDefinition, Insert, InsertSource, PartitionColumn, Statement};
use nyala_schema::command::{Command, DropKind, OnConflict};
use nyala_schema::lookup::TableLookup;
use nyala_schema::scan::FileFormat;
use nyala_schema::table::{ExternalTable, TableDefinition};
use nyala_schema::{Error, ErrorCode, Result};
use sqlparser::ast::Query;

use crate::answer::Answer;
use crate::query;
use crate::session::Session;

pub fn run(session: &Session, sql: &str, statement: Statement) -> Result<Answer> {
    match statement {
        Statement::CreateExternalTable { name, columns, format, location, partition_by, on_conflict } => {
            let definition = external(session, &columns, format, location, &partition_by)?;
            create(session, &name, definition, on_conflict)?;
            Ok(Answer::Done("CREATE EXTERNAL TABLE".into()))
        }
        Statement::CreateTable { name, columns, on_conflict, .. } => {
            create_memory(session, &name, &schema_of(&columns), Vec::new(), on_conflict)?;
            Ok(Answer::Done("CREATE TABLE".into()))
        }
        Statement::CreateTableAs { name, query, on_conflict, .. } => {
            if on_conflict != OnConflict::Replace && session.snapshot().table(&name).is_some() {
                return refuse_or_keep(session, &name, on_conflict);
            }
            let (schema, batches) = query::collect(session, sql, &query)?;
            let rows: usize = batches.iter().map(RecordBatch::num_rows).sum();
            let schema = checked_names(&schema)?;
            create_memory(session, &name, &schema, batches, on_conflict)?;
            Ok(Answer::Done(format!("SELECT {rows}")))
        }
        Statement::CreateView { name, columns, query_sql, query, on_conflict } => {
            create_view(session, sql, &name, columns, query_sql, &query, on_conflict)?;
            Ok(Answer::Done("CREATE VIEW".into()))
        }
        Statement::Insert(Insert { table, columns, source: InsertSource::Query(query), .. }) => {
            insert(session, sql, &table, &columns, &query)
        }
        Statement::Drop { kind, name, if_exists } => {
            session.commit(&Command::DropTable { name: name.clone(), if_exists, kind })?;
            session.engine.storage.drop_memory(&name);
            Ok(Answer::Done(match kind {
                DropKind::Table => "DROP TABLE".into(),
                DropKind::View => "DROP VIEW".into(),
            }))
        }
        other => Err(Error::internal(format!("{other:?} defines nothing"))),
    }
}

fn create(session: &Session, name: &str, definition: TableDefinition, on_conflict: OnConflict) -> Result<()> {
    session.commit(&Command::CreateTable { name: name.to_owned(), definition, on_conflict })?;
    Ok(())
}

/// What CREATE TABLE AS does without running its query when the name is taken.
fn refuse_or_keep(session: &Session, name: &str, on_conflict: OnConflict) -> Result<Answer> {
    let definition = TableDefinition::Memory { schema: Arc::new(Schema::empty()), version: 0 };
    create(session, name, definition, on_conflict)?;
    Ok(Answer::Done("CREATE TABLE".into()))
}

fn external(
    session: &Session,
    columns: &[ColumnDefinition],
    format: Option<FileFormat>,
    location: String,
    partition_by: &[PartitionColumn],
) -> Result<TableDefinition> {
    let mut declared = columns.to_vec();
    for column in partition_by {
        if let (Some(data_type), false) = (&column.data_type, columns.iter().any(|c| c.name == column.name)) {
            declared.push(ColumnDefinition {
                name: column.name.clone(),
                data_type: data_type.clone(),
                nullable: true,
                default: None,
            });
        }
    }
    let declared = (!columns.is_empty()).then(|| schema_of(&declared));
    let names: Vec<String> = partition_by.iter().map(|column| column.name.clone()).collect();
    let location = absolute(&location);
    let files = session.engine.storage.resolve(&location, format, declared.as_deref(), &names)?;
    let nyala_schema::scan::ScanSource::Files { format, .. } = files.source else {
        return Err(Error::internal("files resolved to something else"));
    };
    Ok(TableDefinition::External(ExternalTable {
        schema: files.schema,
        format,
        location,
        partition_columns: files.partition_columns,
    }))
}

/// A definition outlives the process's current folder.
fn absolute(location: &str) -> String {
    std::path::absolute(location)
        .map_or_else(|_| location.to_owned(), |path| path.to_string_lossy().into_owned())
}

fn schema_of(columns: &[ColumnDefinition]) -> SchemaRef {
    let field =
        |column: &ColumnDefinition| Field::new(&column.name, column.data_type.clone(), column.nullable);
    Arc::new(Schema::new(columns.iter().map(field).collect::<Vec<_>>()))
}

fn checked_names(schema: &SchemaRef) -> Result<SchemaRef> {
    for (index, field) in schema.fields().iter().enumerate() {
        if schema.fields()[..index].iter().any(|other| other.name() == field.name()) {
            return Err(Error::new(
                ErrorCode::DuplicateColumn,
                format!("two columns are named \"{}\"", field.name()),
            )
            .with_hint("give one of them another name with AS"));
        }
    }
    let fields = schema.fields().iter().map(|field| field.as_ref().clone().with_nullable(true));
    Ok(Arc::new(Schema::new(fields.collect::<Vec<_>>())))
}

/// The rows go to the storage first: a definition never names rows that are not there.
fn create_memory(
    session: &Session,
    name: &str,
    schema: &SchemaRef,
    batches: Vec<RecordBatch>,
    on_conflict: OnConflict,
) -> Result<()> {
    let exists = session.snapshot().table(name).is_some();
    let version = session.engine.next_memory_version();
    if !exists || on_conflict == OnConflict::Replace {
        session.engine.storage.put_memory(name, version, schema, batches)?;
    }
    create(session, name, TableDefinition::Memory { schema: schema.clone(), version }, on_conflict)
}

fn create_view(
    session: &Session,
    sql: &str,
    name: &str,
    columns: Option<Vec<String>>,
    query_sql: String,
    query: &Query,
    on_conflict: OnConflict,
) -> Result<()> {
    let planned = query::plan(session, sql, query)?;
    let mut schema = planned.fragment.root.schema.clone();
    let mut view_sql = query_sql;
    if let Some(names) = &columns {
        if names.len() != schema.fields().len() {
            return Err(Error::new(
                ErrorCode::InvalidParameter,
                format!("the view names {} columns, its query gives {}", names.len(), schema.fields().len()),
            ));
        }
        let fields = schema.fields().iter().zip(names).map(|(f, n)| f.as_ref().clone().with_name(n));
        schema = Arc::new(Schema::new(fields.collect::<Vec<_>>()));
        let quoted: Vec<String> = names.iter().map(|n| format!("\"{}\"", n.replace('"', "\"\""))).collect();
        view_sql = format!(
            "SELECT * FROM ({view_sql}) AS \"{}\" ({})",
            name.replace('"', "\"\""),
            quoted.join(", ")
        );
    }
    create(
        session,
        name,
        TableDefinition::View { sql: view_sql, columns, schema, uses: planned.uses },
        on_conflict,
    )
}

fn insert(session: &Session, sql: &str, table: &str, columns: &[String], query: &Query) -> Result<Answer> {
    let tables = session.tables();
    let known = tables
        .table(table)?
        .ok_or_else(|| Error::new(ErrorCode::UndefinedTable, format!("there is no table \"{table}\"")))?;
    let snapshot = session.snapshot();
    let Some(TableDefinition::Memory { schema, .. }) = snapshot.table(table).map(AsRef::as_ref) else {
        return Err(Error::unsupported(format!(
            "INSERT into \"{}\", which is not a table in memory",
            known.name
        ))
        .with_hint("create it with CREATE TABLE, or write files with COPY … TO"));
    };
    let (given, batches) = query::collect(session, sql, query)?;
    let targets = insert_targets(schema, columns, given.fields().len())?;
    let added: Vec<RecordBatch> =
        batches.iter().map(|batch| arrange(schema, &targets, batch)).collect::<Result<_>>()?;
    let rows: usize = added.iter().map(RecordBatch::num_rows).sum();
    let mut all = query::select_all(session, table)?;
    all.extend(added);
    create_memory(session, table, schema, all, OnConflict::Replace)?;
    Ok(Answer::Done(format!("INSERT {rows}")))
}

/// For each column of the table, the query's column that goes there.
fn insert_targets(schema: &Schema, columns: &[String], given: usize) -> Result<Vec<Option<usize>>> {
    let wanted = if columns.is_empty() { schema.fields().len() } else { columns.len() };
    if wanted != given {
        return Err(Error::new(
            ErrorCode::DatatypeMismatch,
            format!("INSERT has {wanted} target columns, but its query gives {given}"),
        ));
    }
    if columns.is_empty() {
        return Ok((0..given).map(Some).collect());
    }
    if let Some(unknown) = columns.iter().find(|name| schema.index_of(name).is_err()) {
        return Err(Error::new(ErrorCode::UndefinedColumn, format!("the table has no column \"{unknown}\"")));
    }
    Ok(schema.fields().iter().map(|field| columns.iter().position(|name| name == field.name())).collect())
}

fn arrange(schema: &SchemaRef, targets: &[Option<usize>], batch: &RecordBatch) -> Result<RecordBatch> {
    let options = CastOptions { safe: false, ..CastOptions::default() };
    let columns: Vec<ArrayRef> = schema
        .fields()
        .iter()
        .zip(targets)
        .map(|(field, target)| {
            let column = match target {
                Some(index) => cast_with_options(batch.column(*index), field.data_type(), &options)?,
                None => new_null_array(field.data_type(), batch.num_rows()),
            };
            if !field.is_nullable() && column.null_count() > 0 {
                return Err(Error::new(
                    ErrorCode::InvalidParameter,
                    format!("NULL for column \"{}\", which is NOT NULL", field.name()),
                ));
            }
            Ok(column)
        })
        .collect::<Result<_>>()?;
    Ok(RecordBatch::try_new(schema.clone(), columns)?)
}
