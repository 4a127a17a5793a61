//! The catalog at one version.

use std::collections::BTreeMap;
use std::sync::Arc;

use nyala_schema::function::{FunctionDefinition, FunctionName, ModuleDefinition, OperatorDefinition};
use nyala_schema::table::{TableDefinition, TableName};
use nyala_schema::{Result, wire};

/// Everything that exists at `version`. Immutable: shared by pointer between all queries that see it.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Snapshot {
    /// Commands applied since the beginning.
    pub version: u64,
    pub tables: BTreeMap<TableName, Arc<TableDefinition>>,
    /// The overloads of each name.
    pub functions: BTreeMap<FunctionName, Vec<Arc<FunctionDefinition>>>,
    pub operators: BTreeMap<String, Arc<OperatorDefinition>>,
    pub modules: BTreeMap<String, Arc<ModuleDefinition>>,
}

impl Snapshot {
    pub fn table(&self, name: &str) -> Option<&Arc<TableDefinition>> {
        self.tables.get(name)
    }

    /// # Errors
    /// When a schema has no wire form.
    pub fn encode(&self) -> Result<Vec<u8>> {
        let tables = self.tables.iter().map(|(name, definition)| (name, definition.as_ref()));
        wire::encode_snapshot(self.version, tables.collect::<Vec<_>>().into_iter())
    }

    /// # Errors
    /// When the bytes are not a snapshot.
    pub fn decode(bytes: &[u8]) -> Result<Self> {
        let (version, tables) = wire::decode_snapshot(bytes)?;
        let tables = tables.into_iter().map(|(name, definition)| (name, Arc::new(definition))).collect();
        Ok(Self { version, tables, ..Self::default() })
    }
}
