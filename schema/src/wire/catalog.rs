//! Commands of the catalog, as they are logged and replicated.

use bytes::Bytes;

use super::change::{decode_alteration, decode_change, encode_alteration, encode_change};
use super::definition::{decode_definition, encode_definition, put_functions, put_operators};
use super::function::{
    decode_function, decode_module, decode_operator_definition, decode_overload, decode_version,
    encode_function, encode_module, encode_operator_definition, encode_overload, encode_version,
};
use super::generated::catalog_capnp::{self as wire, command, comment_target, entry};
use super::managed::{decode_table_id, encode_table_id};
use super::{count, enum_pairs, malformed, optional_text, read, summary, to_bytes};
use crate::command::{Command, CommentTarget, DropKind, Entry, ObjectKind, OnConflict, TableRead};
use crate::error::{Error, Result};
use crate::id::{ColumnId, TableId};
use crate::managed::ColumnSummary;
use crate::table::TableDefinition;

/// Transactions within transactions are not made; a message that nests them deeper is damaged.
const TRANSACTION_DEPTH_MAX: usize = 16;

enum_pairs!(conflict_to_wire, conflict_from_wire, OnConflict, wire::OnConflict, Fail, Keep, Replace);
enum_pairs!(drop_to_wire, drop_from_wire, DropKind, wire::DropKind, Table, View);
enum_pairs!(
    object_to_wire,
    object_from_wire,
    ObjectKind,
    wire::ObjectKind,
    Schema,
    Table,
    Function,
    Operator,
    Module
);

/// # Errors
/// When a value in it has no wire form; `TooComplex` for rows that are too many for one message.
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
        let command = decode(reader.get_command()?, TRANSACTION_DEPTH_MAX)?;
        Ok(Entry { at_ms: reader.get_at_ms(), command })
    })
}

/// Sets the fields of a group that are named alike.
macro_rules! group {
    ($group:expr, $($set:ident($value:expr)),+ $(,)?) => {{
        let mut group = $group;
        $(group.$set($value);)+
    }};
}

fn encode(value: &Command, builder: command::Builder<'_>) -> Result<()> {
    match value {
        Command::CreateTable { name, definition, on_conflict } => {
            return encode_create_table(name, definition, *on_conflict, builder);
        }
        Command::CreateFunction { .. }
        | Command::AddFunctionVersion { .. }
        | Command::SetFunctionVersion { .. }
        | Command::DropFunction { .. }
        | Command::CreateModule { .. }
        | Command::DropModule { .. }
        | Command::CreateOperator { .. }
        | Command::DropOperator { .. } => return encode_code(value, builder),
        Command::AlterTable { name, alteration, requires } => {
            let mut alter = builder.init_alter_table();
            alter.set_name(name);
            alter.set_has_requires(requires.is_some());
            alter.set_requires(requires.unwrap_or_default());
            return encode_alteration(alteration, alter.init_alteration());
        }
        Command::ChangeTable(change) => return encode_change(change, builder.init_change_table()),
        Command::Transaction { reads, commands } => return encode_transaction(reads, commands, builder),
        Command::SetSummary { name, id, columns, rows } => {
            encode_set_summary(name, *id, columns, *rows, builder);
        }
        Command::DropTable { name, if_exists, kind } => {
            let drop = builder.init_drop_table();
            group!(drop, set_name(name), set_if_exists(*if_exists), set_kind(drop_to_wire(*kind)));
        }
        Command::CreateSchema { name, if_not_exists } => {
            group!(builder.init_create_schema(), set_name(name), set_if_not_exists(*if_not_exists));
        }
        Command::DropSchema { name, if_exists, cascade } => {
            let drop = builder.init_drop_schema();
            group!(drop, set_name(name), set_if_exists(*if_exists), set_cascade(*cascade));
        }
        Command::RenameTable { from, to } => group!(builder.init_rename_table(), set_from(from), set_to(to)),
        Command::Comment { target, text } => encode_comment(target, text.as_deref(), builder),
        Command::RollbackTable { name, to } => {
            group!(builder.init_rollback_table(), set_name(name), set_to(*to));
        }
        Command::RollbackCatalog { to } => set_rollback_catalog(builder, *to),
        Command::Undrop { kind, name, renamed } => {
            let mut undrop = builder.init_undrop();
            renamed.iter().for_each(|renamed| undrop.set_renamed(renamed));
            group!(undrop, set_kind(object_to_wire(*kind)), set_name(name));
        }
        Command::Install { snapshot } => set_install(builder, snapshot),
        Command::Expire { table, before_ms } => {
            let mut expire = builder.init_expire();
            table.iter().for_each(|table| expire.set_table(table));
            expire.set_before_ms(*before_ms);
        }
    }
    Ok(())
}

fn encode_create_table(
    name: &str,
    definition: &TableDefinition,
    on_conflict: OnConflict,
    builder: command::Builder<'_>,
) -> Result<()> {
    if matches!(definition, TableDefinition::Managed(table) if !table.files.is_empty()) {
        return Err(Error::internal(format!("the table {name} is created with files")));
    }
    let mut create = builder.init_create_table();
    create.set_name(name);
    create.set_on_conflict(conflict_to_wire(on_conflict));
    encode_definition(definition, create.init_definition())
}

/// Commands on functions, operators and modules.
fn encode_code(value: &Command, builder: command::Builder<'_>) -> Result<()> {
    match value {
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
            put_functions(functions, create.reborrow().init_functions(count(functions.len())))?;
            put_operators(operators, create.init_operators(count(operators.len())))?;
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
        other => return Err(Error::internal(format!("{other:?} is no command on code"))),
    }
    Ok(())
}

fn set_install(mut builder: command::Builder<'_>, snapshot: &[u8]) {
    builder.set_install(snapshot);
}

fn set_rollback_catalog(mut builder: command::Builder<'_>, to: u64) {
    builder.set_rollback_catalog(to);
}

fn encode_set_summary(
    name: &str,
    id: TableId,
    columns: &[(ColumnId, ColumnSummary)],
    rows: u64,
    builder: command::Builder<'_>,
) {
    let mut set = builder.init_set_summary();
    set.set_name(name);
    encode_table_id(id, set.reborrow().init_id());
    set.set_rows(rows);
    let pairs = columns.iter().map(|(id, column)| (id, column));
    summary::encode_columns(pairs, set.init_columns(count(columns.len())));
}

fn encode_comment(target: &CommentTarget, text: Option<&str>, builder: command::Builder<'_>) {
    let mut comment = builder.init_comment();
    text.iter().for_each(|text| comment.set_text(text));
    let builder = comment.init_target();
    match target {
        CommentTarget::Object(kind, name) => {
            group!(builder.init_object(), set_kind(object_to_wire(*kind)), set_name(name));
        }
        CommentTarget::Column(table, name) => {
            group!(builder.init_column(), set_table(table), set_name(name));
        }
    }
}

fn encode_transaction(
    reads: &[TableRead],
    commands: &[Command],
    builder: command::Builder<'_>,
) -> Result<()> {
    let mut transaction = builder.init_transaction();
    let mut list = transaction.reborrow().init_reads(count(reads.len()));
    for (index, read) in reads.iter().enumerate() {
        group!(list.reborrow().get(count(index)), set_name(&read.name), set_version(read.version));
    }
    let mut list = transaction.init_commands(count(commands.len()));
    for (index, command) in commands.iter().enumerate() {
        encode(command, list.reborrow().get(count(index)))?;
    }
    Ok(())
}

fn decode(reader: command::Reader<'_>, depth: usize) -> Result<Command> {
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
        command::CreateFunction(_)
        | command::AddFunctionVersion(_)
        | command::SetFunctionVersion(_)
        | command::DropFunction(_)
        | command::CreateModule(_)
        | command::DropModule(_)
        | command::CreateOperator(_)
        | command::DropOperator(_) => decode_code(reader)?,
        command::CreateSchema(create) => Command::CreateSchema {
            name: create.get_name()?.to_string()?,
            if_not_exists: create.get_if_not_exists(),
        },
        command::DropSchema(drop) => Command::DropSchema {
            name: drop.get_name()?.to_string()?,
            if_exists: drop.get_if_exists(),
            cascade: drop.get_cascade(),
        },
        command::RenameTable(rename) => {
            Command::RenameTable { from: rename.get_from()?.to_string()?, to: rename.get_to()?.to_string()? }
        }
        command::AlterTable(alter) => Command::AlterTable {
            name: alter.get_name()?.to_string()?,
            alteration: decode_alteration(alter.get_alteration()?)?,
            requires: alter.get_has_requires().then(|| alter.get_requires()),
        },
        command::ChangeTable(change) => Command::ChangeTable(decode_change(change?)?),
        command::Comment(comment) => Command::Comment {
            target: decode_comment_target(comment.get_target()?)?,
            text: optional_text(comment.has_text(), || comment.get_text())?,
        },
        command::RollbackTable(rollback) => {
            Command::RollbackTable { name: rollback.get_name()?.to_string()?, to: rollback.get_to() }
        }
        command::RollbackCatalog(to) => Command::RollbackCatalog { to },
        command::Undrop(undrop) => Command::Undrop {
            kind: object_from_wire(undrop.get_kind()?),
            name: undrop.get_name()?.to_string()?,
            renamed: optional_text(undrop.has_renamed(), || undrop.get_renamed())?,
        },
        command::SetSummary(set) => decode_set_summary(set)?,
        command::Expire(expire) => Command::Expire {
            table: optional_text(expire.has_table(), || expire.get_table())?,
            before_ms: expire.get_before_ms(),
        },
        command::Install(snapshot) => Command::Install { snapshot: Bytes::copy_from_slice(snapshot?) },
        command::Transaction(transaction) => decode_transaction(transaction, depth)?,
    })
}

fn decode_set_summary(set: command::set_summary::Reader<'_>) -> Result<Command> {
    Ok(Command::SetSummary {
        name: set.get_name()?.to_string()?,
        id: decode_table_id(set.get_id()?),
        columns: summary::decode_columns(set.get_columns()?)?,
        rows: set.get_rows(),
    })
}

fn decode_comment_target(reader: comment_target::Reader<'_>) -> Result<CommentTarget> {
    Ok(match reader.which()? {
        comment_target::Object(object) => {
            CommentTarget::Object(object_from_wire(object.get_kind()?), object.get_name()?.to_string()?)
        }
        comment_target::Column(column) => {
            CommentTarget::Column(column.get_table()?.to_string()?, column.get_name()?.to_string()?)
        }
    })
}

fn decode_transaction(transaction: command::transaction::Reader<'_>, depth: usize) -> Result<Command> {
    let depth = depth.checked_sub(1).ok_or_else(|| malformed("transactions that nest too deep"))?;
    let read = |read: wire::table_read::Reader<'_>| {
        Ok(TableRead { name: read.get_name()?.to_string()?, version: read.get_version() })
    };
    let commands = transaction.get_commands()?.iter().map(|command| decode(command, depth));
    Ok(Command::Transaction {
        reads: transaction.get_reads()?.iter().map(read).collect::<Result<_>>()?,
        commands: commands.collect::<Result<_>>()?,
    })
}

/// Commands on functions, operators and modules.
fn decode_code(reader: command::Reader<'_>) -> Result<Command> {
    Ok(match reader.which()? {
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
        _ => return Err(malformed("a command that is none on code")),
    })
}
