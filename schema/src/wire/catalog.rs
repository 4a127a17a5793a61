//! Catalog commands and snapshots.

use std::borrow::Borrow;
use std::sync::Arc;

use super::arrow_data::{decode_schema, encode_schema};
use super::function::{
    decode_function, decode_module, decode_operator_definition, decode_overload, decode_version,
    encode_function, encode_module, encode_operator_definition, encode_overload, encode_version,
};
use super::generated::catalog_capnp::{self as wire, command, entry, snapshot, table_definition};
use super::scan::{decode_format, encode_format};
use super::{count, enum_pairs, read, to_bytes};
use crate::command::{Command, DropKind, Entry, OnConflict};
use crate::error::{Error, Result};
use crate::function::{FunctionDefinition, ModuleDefinition, OperatorDefinition};
use crate::table::{ExternalTable, TableDefinition, TableName};

enum_pairs!(conflict_to_wire, conflict_from_wire, OnConflict, wire::OnConflict, Fail, Keep, Replace);
enum_pairs!(drop_to_wire, drop_from_wire, DropKind, wire::DropKind, Table, View);

/// # Errors
/// When a schema cannot be written as Arrow IPC.
pub fn encode_entry(value: &Entry) -> Result<Vec<u8>> {
    let mut message = capnp::message::Builder::new_default();
    let mut builder: entry::Builder<'_> = message.init_root();
    builder.set_at_ms(value.at_ms);
    encode(&value.command, builder.init_command())?;
    Ok(to_bytes(&message))
}

/// # Errors
/// When the bytes are not an entry of a version that we know.
pub fn decode_entry(bytes: &[u8]) -> Result<Entry> {
    read(bytes, |message| {
        let reader: entry::Reader<'_> = message.get_root()?;
        Ok(Entry { at_ms: reader.get_at_ms(), command: decode(reader.get_command()?)? })
    })
}

fn encode(value: &Command, builder: command::Builder<'_>) -> Result<()> {
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
        Command::CreateFunction { definition, on_conflict } => {
            let mut create = builder.init_create_function();
            create.set_on_conflict(conflict_to_wire(*on_conflict));
            encode_function(definition, create.init_definition())?;
        }
        Command::AddFunctionVersion { overload, version } => {
            let mut add = builder.init_add_function_version();
            encode_overload(overload, add.reborrow().init_overload())?;
            encode_version(version, add.init_version());
        }
        Command::SetFunctionVersion { overload, number } => {
            let mut set = builder.init_set_function_version();
            set.set_number(*number);
            encode_overload(overload, set.init_overload())?;
        }
        Command::DropFunction { overload, if_exists } => {
            let mut drop = builder.init_drop_function();
            drop.set_if_exists(*if_exists);
            encode_overload(overload, drop.init_overload())?;
        }
        Command::CreateModule { definition, functions, operators, on_conflict } => {
            let mut create = builder.init_create_module();
            create.set_on_conflict(conflict_to_wire(*on_conflict));
            encode_module(definition, create.reborrow().init_definition());
            encode_functions(functions, create.reborrow().init_functions(count(functions.len())))?;
            encode_operators(operators, create.init_operators(count(operators.len())))?;
        }
        Command::DropModule { name, if_exists } => {
            let mut drop = builder.init_drop_module();
            drop.set_name(name);
            drop.set_if_exists(*if_exists);
        }
        Command::CreateOperator { definition, on_conflict } => {
            let mut create = builder.init_create_operator();
            create.set_on_conflict(conflict_to_wire(*on_conflict));
            encode_operator_definition(definition, create.init_definition())?;
        }
        Command::DropOperator { name, if_exists } => {
            let mut drop = builder.init_drop_operator();
            drop.set_name(name);
            drop.set_if_exists(*if_exists);
        }
        other => return Err(Error::unsupported(format!("{other:?} has no wire form yet"))),
    }
    Ok(())
}

fn decode(reader: command::Reader<'_>) -> Result<Command> {
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
        command::CreateFunction(create) => Command::CreateFunction {
            definition: decode_function(create.get_definition()?)?,
            on_conflict: conflict_from_wire(create.get_on_conflict()?),
        },
        command::AddFunctionVersion(add) => Command::AddFunctionVersion {
            overload: decode_overload(add.get_overload()?)?,
            version: decode_version(add.get_version()?)?,
        },
        command::SetFunctionVersion(set) => Command::SetFunctionVersion {
            overload: decode_overload(set.get_overload()?)?,
            number: set.get_number(),
        },
        command::DropFunction(drop) => Command::DropFunction {
            overload: decode_overload(drop.get_overload()?)?,
            if_exists: drop.get_if_exists(),
        },
        command::CreateModule(create) => Command::CreateModule {
            definition: decode_module(create.get_definition()?)?,
            functions: create.get_functions()?.iter().map(decode_function).collect::<Result<_>>()?,
            operators: create
                .get_operators()?
                .iter()
                .map(decode_operator_definition)
                .collect::<Result<_>>()?,
            on_conflict: conflict_from_wire(create.get_on_conflict()?),
        },
        command::DropModule(drop) => {
            Command::DropModule { name: drop.get_name()?.to_string()?, if_exists: drop.get_if_exists() }
        }
        command::CreateOperator(create) => Command::CreateOperator {
            definition: decode_operator_definition(create.get_definition()?)?,
            on_conflict: conflict_from_wire(create.get_on_conflict()?),
        },
        command::DropOperator(drop) => {
            Command::DropOperator { name: drop.get_name()?.to_string()?, if_exists: drop.get_if_exists() }
        }
    })
}

/// Everything that a snapshot of the catalog holds.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct SnapshotContent {
    /// Commands applied since the beginning.
    pub version: u64,
    pub tables: Vec<(TableName, Arc<TableDefinition>)>,
    /// The overloads of a name follow each other.
    pub functions: Vec<Arc<FunctionDefinition>>,
    pub operators: Vec<Arc<OperatorDefinition>>,
    pub modules: Vec<Arc<ModuleDefinition>>,
}

/// # Errors
/// When a schema cannot be written as Arrow IPC.
pub fn encode_snapshot(content: &SnapshotContent) -> Result<Vec<u8>> {
    let mut message = capnp::message::Builder::new_default();
    let mut builder: snapshot::Builder<'_> = message.init_root();
    builder.set_version(content.version);
    let mut tables = builder.reborrow().init_tables(count(content.tables.len()));
    for (index, (name, definition)) in content.tables.iter().enumerate() {
        let mut table = tables.reborrow().get(count(index));
        table.set_name(name);
        encode_definition(definition, table.init_definition())?;
    }
    let functions = &content.functions;
    encode_functions(functions, builder.reborrow().init_functions(count(functions.len())))?;
    let operators = &content.operators;
    encode_operators(operators, builder.reborrow().init_operators(count(operators.len())))?;
    let mut modules = builder.init_modules(count(content.modules.len()));
    for (index, definition) in content.modules.iter().enumerate() {
        encode_module(definition, modules.reborrow().get(count(index)));
    }
    Ok(to_bytes(&message))
}

/// Also of a catalog that was written before there were functions.
///
/// # Errors
/// When the bytes are not a snapshot of a version that we know.
pub fn decode_snapshot(bytes: &[u8]) -> Result<SnapshotContent> {
    read(bytes, |message| {
        let reader: snapshot::Reader<'_> = message.get_root()?;
        let table = |t: wire::named_table::Reader<'_>| {
            Ok((t.get_name()?.to_string()?, Arc::new(decode_definition(t.get_definition()?)?)))
        };
        let function = |f| decode_function(f).map(Arc::new);
        let operator = |o| decode_operator_definition(o).map(Arc::new);
        let module = |m| decode_module(m).map(Arc::new);
        Ok(SnapshotContent {
            version: reader.get_version(),
            tables: reader.get_tables()?.iter().map(table).collect::<Result<_>>()?,
            functions: reader.get_functions()?.iter().map(function).collect::<Result<_>>()?,
            operators: reader.get_operators()?.iter().map(operator).collect::<Result<_>>()?,
            modules: reader.get_modules()?.iter().map(module).collect::<Result<_>>()?,
        })
    })
}

fn encode_functions<F: Borrow<FunctionDefinition>>(
    functions: &[F],
    mut list: capnp::struct_list::Builder<'_, wire::function_definition::Owned>,
) -> Result<()> {
    for (index, function) in functions.iter().enumerate() {
        encode_function(function.borrow(), list.reborrow().get(count(index)))?;
    }
    Ok(())
}

fn encode_operators<O: Borrow<OperatorDefinition>>(
    operators: &[O],
    mut list: capnp::struct_list::Builder<'_, wire::operator_definition::Owned>,
) -> Result<()> {
    for (index, operator) in operators.iter().enumerate() {
        encode_operator_definition(operator.borrow(), list.reborrow().get(count(index)))?;
    }
    Ok(())
}

fn encode_definition(value: &TableDefinition, mut builder: table_definition::Builder<'_>) -> Result<()> {
    builder.set_schema(&encode_schema(&value.schema())?);
    match value {
        TableDefinition::External(table) => {
            let mut external = builder.init_external();
            encode_format(&table.format, external.reborrow().init_format());
            external.set_location(&table.location);
            external.set_partition_columns(count(table.partition_columns));
        }
        TableDefinition::Managed(_) => {
            return Err(Error::unsupported("managed tables have no wire form yet"));
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

pub(super) fn encode_texts(texts: &[String], mut list: capnp::text_list::Builder<'_>) {
    for (index, text) in texts.iter().enumerate() {
        list.set(count(index), text);
    }
}

pub(super) fn decode_texts(list: capnp::text_list::Reader<'_>) -> Result<Vec<String>> {
    list.iter().map(|text| Ok(text?.to_string()?)).collect()
}
