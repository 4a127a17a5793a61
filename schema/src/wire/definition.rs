//! What the catalog says of one thing: values that it keeps one by one.

use std::borrow::Borrow;
use std::sync::Arc;

use super::arrow_data::{decode_schema, encode_schema};
use super::function::{self, decode_function, encode_function};
use super::generated::catalog_capnp::{self as wire, retired, table_definition};
use super::scan::{decode_format, encode_format};
use super::{count, managed, read, to_bytes};
use crate::error::Result;
use crate::function::{FunctionDefinition, ModuleDefinition, OperatorDefinition};
use crate::table::{ExternalTable, TableDefinition};

/// A table or view. Of a managed table this is what it is called a header for: its files, retired files and versions are
/// not in it, see [`encode_files`](super::encode_files) and [`encode_versions`](super::encode_versions).
///
/// # Errors
/// When a value in it has no wire form.
pub fn encode_table(value: &TableDefinition) -> Result<Vec<u8>> {
    let mut message = capnp::message::Builder::new_default();
    encode_definition(value, message.init_root())?;
    Ok(to_bytes(&message))
}

/// # Errors
/// When the bytes are not a table of a version that we know.
pub fn decode_table(bytes: &[u8]) -> Result<TableDefinition> {
    read(bytes, |message| decode_definition(message.get_root()?))
}

/// All overloads of a name.
///
/// # Errors
/// When a part of it has no wire form.
pub fn encode_functions(value: &[Arc<FunctionDefinition>]) -> Result<Vec<u8>> {
    let mut message = capnp::message::Builder::new_default();
    let builder: wire::functions::Builder<'_> = message.init_root();
    put_functions(value, builder.init_overloads(count(value.len())))?;
    Ok(to_bytes(&message))
}

/// # Errors
/// When the bytes are not functions of a version that we know.
pub fn decode_functions(bytes: &[u8]) -> Result<Vec<Arc<FunctionDefinition>>> {
    read(bytes, |message| {
        let reader: wire::functions::Reader<'_> = message.get_root()?;
        reader.get_overloads()?.iter().map(|f| decode_function(f).map(Arc::new)).collect()
    })
}

/// # Errors
/// When a part of it has no wire form.
pub fn encode_operator(value: &OperatorDefinition) -> Result<Vec<u8>> {
    let mut message = capnp::message::Builder::new_default();
    function::encode_operator_definition(value, message.init_root())?;
    Ok(to_bytes(&message))
}

/// # Errors
/// When the bytes are not an operator of a version that we know.
pub fn decode_operator(bytes: &[u8]) -> Result<OperatorDefinition> {
    read(bytes, |message| function::decode_operator_definition(message.get_root()?))
}

/// # Errors
/// When a part of it has no wire form.
pub fn encode_module(value: &ModuleDefinition) -> Result<Vec<u8>> {
    let mut message = capnp::message::Builder::new_default();
    function::encode_module(value, message.init_root());
    Ok(to_bytes(&message))
}

/// # Errors
/// When the bytes are not a module of a version that we know.
pub fn decode_module(bytes: &[u8]) -> Result<ModuleDefinition> {
    read(bytes, |message| function::decode_module(message.get_root()?))
}

/// A definition that is no more.
#[derive(Debug, Clone, PartialEq)]
pub struct RetiredContent {
    /// The version in which it came.
    pub since: u64,
    /// When it went, milliseconds since 1970.
    pub at_ms: i64,
    /// Nothing took its place.
    pub is_dropped: bool,
    pub object: RetiredObject,
}

#[derive(Debug, Clone, PartialEq)]
pub enum RetiredObject {
    Schema,
    /// Of a managed table the header, as in [`encode_table`].
    Table(Arc<TableDefinition>),
    /// All overloads of one name.
    Functions(Vec<Arc<FunctionDefinition>>),
    Operator(Arc<OperatorDefinition>),
    Module(Arc<ModuleDefinition>),
}

/// # Errors
/// When a value in it has no wire form.
pub fn encode_retired(value: &RetiredContent) -> Result<Vec<u8>> {
    let mut message = capnp::message::Builder::new_default();
    let mut builder: retired::Builder<'_> = message.init_root();
    builder.set_since(value.since);
    builder.set_at_ms(value.at_ms);
    builder.set_is_dropped(value.is_dropped);
    let mut object = builder.init_object();
    match &value.object {
        RetiredObject::Schema => object.set_schema(()),
        RetiredObject::Table(table) => encode_definition(table, object.init_table())?,
        RetiredObject::Functions(functions) => {
            put_functions(functions, object.init_functions(count(functions.len())))?;
        }
        RetiredObject::Operator(operator) => {
            function::encode_operator_definition(operator, object.init_operator())?;
        }
        RetiredObject::Module(module) => function::encode_module(module, object.init_module()),
    }
    Ok(to_bytes(&message))
}

/// # Errors
/// When the bytes are not what `encode_retired` made, of a version that we know.
pub fn decode_retired(bytes: &[u8]) -> Result<RetiredContent> {
    read(bytes, |message| {
        let reader: retired::Reader<'_> = message.get_root()?;
        let object = match reader.get_object().which()? {
            retired::object::Schema(()) => RetiredObject::Schema,
            retired::object::Table(table) => RetiredObject::Table(Arc::new(decode_definition(table?)?)),
            retired::object::Functions(functions) => {
                let functions = functions?.iter().map(|f| decode_function(f).map(Arc::new));
                RetiredObject::Functions(functions.collect::<Result<_>>()?)
            }
            retired::object::Operator(operator) => {
                RetiredObject::Operator(Arc::new(function::decode_operator_definition(operator?)?))
            }
            retired::object::Module(module) => {
                RetiredObject::Module(Arc::new(function::decode_module(module?)?))
            }
        };
        Ok(RetiredContent {
            since: reader.get_since(),
            at_ms: reader.get_at_ms(),
            is_dropped: reader.get_is_dropped(),
            object,
        })
    })
}

pub(super) fn put_functions<F: Borrow<FunctionDefinition>>(
    functions: &[F],
    mut list: capnp::struct_list::Builder<'_, wire::function_definition::Owned>,
) -> Result<()> {
    for (index, function) in functions.iter().enumerate() {
        encode_function(function.borrow(), list.reborrow().get(count(index)))?;
    }
    Ok(())
}

pub(super) fn put_operators<O: Borrow<OperatorDefinition>>(
    operators: &[O],
    mut list: capnp::struct_list::Builder<'_, wire::operator_definition::Owned>,
) -> Result<()> {
    for (index, operator) in operators.iter().enumerate() {
        function::encode_operator_definition(operator.borrow(), list.reborrow().get(count(index)))?;
    }
    Ok(())
}

pub(super) fn encode_definition(
    value: &TableDefinition,
    mut builder: table_definition::Builder<'_>,
) -> Result<()> {
    match value {
        TableDefinition::Managed(_) => {}
        TableDefinition::External(ExternalTable { schema, .. }) | TableDefinition::View { schema, .. } => {
            builder.set_schema(&encode_schema(schema))
        }
    }
    match value {
        TableDefinition::External(table) => {
            let mut external = builder.init_external();
            encode_format(&table.format, external.reborrow().init_format());
            external.set_location(&table.location);
            external.set_partition_columns(count(table.partition_columns));
        }
        TableDefinition::Managed(table) => managed::encode_table(table, builder.init_managed())?,
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

pub(super) fn decode_definition(reader: table_definition::Reader<'_>) -> Result<TableDefinition> {
    if let table_definition::Managed(table) = reader.which()? {
        return Ok(TableDefinition::Managed(managed::decode_table(table?)?));
    }
    let schema = decode_schema(reader.get_schema()?)?;
    Ok(match reader.which()? {
        table_definition::Managed(table) => TableDefinition::Managed(managed::decode_table(table?)?),
        table_definition::External(external) => TableDefinition::External(ExternalTable {
            schema,
            format: decode_format(external.get_format()?)?,
            location: external.get_location()?.to_string()?,
            partition_columns: external.get_partition_columns() as usize,
        }),
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
