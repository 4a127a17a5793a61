//! The catalog at one version.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use nyala_schema::Result;
use nyala_schema::command::Overload;
use nyala_schema::function::{
    FunctionBody, FunctionDefinition, FunctionName, ModuleDefinition, OperatorDefinition,
};
use nyala_schema::guest::ModuleHash;
use nyala_schema::table::{TableDefinition, TableName};
use nyala_schema::wire::{self, SnapshotContent};

/// Everything that exists at `version`. Immutable: shared by pointer between all queries that see it.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Snapshot {
    /// Commands applied since the beginning.
    pub version: u64,
    pub tables: BTreeMap<TableName, Arc<TableDefinition>>,
    /// The overloads of each name, never none.
    pub functions: BTreeMap<FunctionName, Vec<Arc<FunctionDefinition>>>,
    pub operators: BTreeMap<String, Arc<OperatorDefinition>>,
    pub modules: BTreeMap<String, Arc<ModuleDefinition>>,
}

impl Snapshot {
    pub fn table(&self, name: &str) -> Option<&Arc<TableDefinition>> {
        self.tables.get(name)
    }

    /// The one overload that is meant.
    ///
    /// # Errors
    /// `UndefinedFunction` with what was probably meant; `AmbiguousFunction` when only the types could tell.
    pub fn overload(&self, overload: &Overload) -> Result<&Arc<FunctionDefinition>> {
        crate::apply::function::existing(self, overload)
    }

    /// The modules whose bytes are needed: those named by any kept version of anything. Queries that still run may
    /// need others.
    pub fn modules_in_use(&self) -> BTreeSet<ModuleHash> {
        let versions = self.functions.values().flatten().flat_map(|function| &function.versions);
        let functions = versions.filter_map(|version| match &version.body {
            FunctionBody::Guest { module, .. } => Some(*module),
            FunctionBody::Sql { .. } => None,
        });
        let operators = self.operators.values().map(|definition| definition.operator.code.module);
        let modules = self.modules.values().map(|module| module.hash);
        functions.chain(operators).chain(modules).collect()
    }

    /// # Errors
    /// When a schema has no wire form.
    pub fn encode(&self) -> Result<Vec<u8>> {
        wire::encode_snapshot(&SnapshotContent {
            version: self.version,
            tables: self.tables.iter().map(|(name, table)| (name.clone(), Arc::clone(table))).collect(),
            functions: self.functions.values().flatten().cloned().collect(),
            operators: self.operators.values().cloned().collect(),
            modules: self.modules.values().cloned().collect(),
        })
    }

    /// # Errors
    /// When the bytes are not a snapshot.
    pub fn decode(bytes: &[u8]) -> Result<Self> {
        let content = wire::decode_snapshot(bytes)?;
        let mut functions = BTreeMap::<FunctionName, Vec<_>>::new();
        for function in content.functions {
            functions.entry(function.name.clone()).or_default().push(function);
        }
        Ok(Self {
            version: content.version,
            tables: content.tables.into_iter().collect(),
            functions,
            operators: content.operators.into_iter().map(|o| (o.name.clone(), o)).collect(),
            modules: content.modules.into_iter().map(|m| (m.name.clone(), m)).collect(),
        })
    }
}
