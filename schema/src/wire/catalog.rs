//! Catalog commands and snapshots.

use super::arrow_data::{decode_schema, encode_schema};
use super::generated::catalog_capnp::{self as wire, command, snapshot, table_definition};
use super::scan::{decode_format, encode_format};
use super::{count, enum_pairs, read, to_bytes};
use crate::command::{Command, DropKind, OnConflict};
use crate::error::Result;
use crate::table::{ExternalTable, TableDefinition, TableName};

enum_pairs!(conflict_to_wire, conflict_from_wire, OnConflict, wire::OnConflict, Fail, Keep, Replace);
enum_pairs!(drop_to_wire, drop_from_wire, DropKind, wire::DropKind, Table, View);

/// # Errors
/// When a schema cannot be written as Arrow IPC.
pub fn encode_command(value: &Command) -> Result<Vec<u8>> {
    let mut message = capnp::message::Builder::new_default();
    let builder: command::Builder<'_> = message.init_root();
    match value {
        Command::CreateTable { name, definition, on_conflict } => {
            let mut create = builder.init_create_table();
            create.set_name(name);
            create.set_on_conflict(conflict_to_wire(*on_conflict));
            encode_definition(definition, create.init_definition())?;
        }
        Command::DropTable { name, if_exists, kind } => {
            let mut drop = builder.init_drop_table();
            drop.set_name(name);
            drop.set_if_exists(*if_exists);
            drop.set_kind(drop_to_wire(*kind));
        }
        other => return Err(crate::Error::unsupported(format!("{other:?} has no wire form yet"))),
    }
    Ok(to_bytes(&message))
}

/// # Errors
/// When the bytes are not a command of a version that we know.
pub fn decode_command(bytes: &[u8]) -> Result<Command> {
    read(bytes, |message| {
        let reader: command::Reader<'_> = message.get_root()?;
        Ok(match reader.which()? {
            command::CreateTable(create) => Command::CreateTable {
                name: create.get_name()?.to_string()?,
                definition: decode_definition(create.get_definition()?)?,
                on_conflict: conflict_from_wire(create.get_on_conflict()?),
            },
            command::DropTable(drop) => Command::DropTable {
                name: drop.get_name()?.to_string()?,
                if_exists: drop.get_if_exists(),
                kind: drop_from_wire(drop.get_kind()?),
            },
        })
    })
}

/// # Errors
/// When a schema cannot be written as Arrow IPC.
pub fn encode_snapshot<'a>(
    version: u64,
    tables: impl ExactSizeIterator<Item = (&'a TableName, &'a TableDefinition)>,
) -> Result<Vec<u8>> {
    let mut message = capnp::message::Builder::new_default();
    let mut builder: snapshot::Builder<'_> = message.init_root();
    builder.set_version(version);
    let mut list = builder.init_tables(count(tables.len()));
    for (index, (name, definition)) in tables.enumerate() {
        let mut table = list.reborrow().get(count(index));
        table.set_name(name);
        encode_definition(definition, table.init_definition())?;
    }
    Ok(to_bytes(&message))
}

/// Version and tables.
///
/// # Errors
/// When the bytes are not a snapshot of a version that we know.
pub fn decode_snapshot(bytes: &[u8]) -> Result<(u64, Vec<(TableName, TableDefinition)>)> {
    read(bytes, |message| {
        let reader: snapshot::Reader<'_> = message.get_root()?;
        let table = |t: wire::named_table::Reader<'_>| {
            Ok((t.get_name()?.to_string()?, decode_definition(t.get_definition()?)?))
        };
        Ok((reader.get_version(), reader.get_tables()?.iter().map(table).collect::<Result<_>>()?))
    })
}

fn encode_definition(value: &TableDefinition, mut builder: table_definition::Builder<'_>) -> Result<()> {
    builder.set_schema(&encode_schema(value.schema())?);
    match value {
        TableDefinition::External(table) => {
            let mut external = builder.init_external();
            encode_format(&table.format, external.reborrow().init_format());
            external.set_location(&table.location);
            external.set_partition_columns(count(table.partition_columns));
        }
        TableDefinition::Memory { version, .. } => builder.set_memory(*version),
        TableDefinition::View { sql, columns, uses, .. } => {
            let mut view = builder.init_view();
            view.set_sql(sql);
            view.set_has_columns(columns.is_some());
            let names = columns.as_deref().unwrap_or_default();
            encode_texts(names, view.reborrow().init_columns(count(names.len())));
            encode_texts(uses, view.init_uses(count(uses.len())));
        }
    }
    Ok(())
}

fn decode_definition(reader: table_definition::Reader<'_>) -> Result<TableDefinition> {
    let schema = decode_schema(reader.get_schema()?)?;
    Ok(match reader.which()? {
        table_definition::External(external) => TableDefinition::External(ExternalTable {
            schema,
            format: decode_format(external.get_format()?)?,
            location: external.get_location()?.to_string()?,
            partition_columns: external.get_partition_columns() as usize,
        }),
        table_definition::Memory(version) => TableDefinition::Memory { schema, version },
        table_definition::View(view) => {
            let names = decode_texts(view.get_columns()?)?;
            TableDefinition::View {
                schema,
                sql: view.get_sql()?.to_string()?,
                columns: view.get_has_columns().then_some(names),
                uses: decode_texts(view.get_uses()?)?,
            }
        }
    })
}

fn encode_texts(texts: &[String], mut list: capnp::text_list::Builder<'_>) {
    for (index, text) in texts.iter().enumerate() {
        list.set(count(index), text);
    }
}

fn decode_texts(list: capnp::text_list::Reader<'_>) -> Result<Vec<String>> {
    list.iter().map(|text| Ok(text?.to_string()?)).collect()
}
