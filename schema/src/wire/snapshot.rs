//! Snapshots of the catalog as one value. Of managed tables only the headers are in it.

use std::sync::Arc;

use super::definition::{decode_definition, encode_definition, put_functions, put_operators};
use super::function::{decode_function, decode_module, decode_operator_definition, encode_module};
use super::generated::catalog_capnp::{self as wire, snapshot};
use super::{count, read, to_bytes};
use crate::error::Result;
use crate::function::{FunctionDefinition, ModuleDefinition, OperatorDefinition};
use crate::table::{TableDefinition, TableName};

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
/// When a value has no wire form.
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
    put_functions(functions, builder.reborrow().init_functions(count(functions.len())))?;
    let operators = &content.operators;
    put_operators(operators, builder.reborrow().init_operators(count(operators.len())))?;
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
