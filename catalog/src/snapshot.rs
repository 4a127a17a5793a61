//! The catalog at one version.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use imbl::OrdMap;
use nyala_schema::Result;
use nyala_schema::command::{CommentTarget, ObjectKind, Overload};
use nyala_schema::function::{
    FunctionBody, FunctionDefinition, FunctionName, ModuleDefinition, OperatorDefinition,
};
use nyala_schema::guest::ModuleHash;
use nyala_schema::table::{MAIN_SCHEMA, TableDefinition, TableName};
use nyala_schema::wire::{self, SnapshotContent};

/// Everything that exists at `version`, and what is kept of what existed before. Immutable: shared by pointer between all
/// queries that see it; a copy shares what it has in common with its original.
#[derive(Debug, Clone, PartialEq)]
pub struct Snapshot {
    /// Entries applied since the beginning.
    pub version: u64,
    /// When the last of them was accepted, milliseconds since 1970; never less than before.
    pub at_ms: i64,
    pub schemas: OrdMap<String, ()>,
    pub tables: OrdMap<TableName, Arc<TableDefinition>>,
    /// The overloads of each name, never none.
    pub functions: OrdMap<FunctionName, Vec<Arc<FunctionDefinition>>>,
    pub operators: OrdMap<String, Arc<OperatorDefinition>>,
    pub modules: OrdMap<String, Arc<ModuleDefinition>>,
    pub comments: OrdMap<CommentTarget, Arc<str>>,
    /// The version in which each thing got its present definition.
    pub since: OrdMap<(ObjectKind, String), u64>,
    /// Definitions that were replaced or dropped, by the version in which they went.
    pub retired: OrdMap<(u64, ObjectKind, String), Arc<Retired>>,
    /// What each kept version did.
    pub journal: OrdMap<u64, Arc<JournalEntry>>,
}

/// A definition that is no more.
#[derive(Debug, Clone, PartialEq)]
pub struct Retired {
    /// The version in which it came.
    pub since: u64,
    /// When it went, milliseconds since 1970.
    pub at_ms: i64,
    /// Nothing took its place.
    pub is_dropped: bool,
    pub object: Object,
}

#[derive(Debug, Clone, PartialEq)]
pub enum Object {
    Schema,
    Table(Arc<TableDefinition>),
    /// All overloads of one name.
    Functions(Vec<Arc<FunctionDefinition>>),
    Operator(Arc<OperatorDefinition>),
    Module(Arc<ModuleDefinition>),
}

/// One line of the catalog's history.
#[derive(Debug, Clone, PartialEq)]
pub struct JournalEntry {
    /// Milliseconds since 1970.
    pub at_ms: i64,
    /// What was done, e.g. `CREATE TABLE t`.
    pub what: String,
}

impl Default for Snapshot {
    /// Empty but for the schema that is always there.
    fn default() -> Self {
        Self {
            version: 0,
            at_ms: 0,
            schemas: OrdMap::unit(MAIN_SCHEMA.to_owned(), ()),
            tables: OrdMap::new(),
            functions: OrdMap::new(),
            operators: OrdMap::new(),
            modules: OrdMap::new(),
            comments: OrdMap::new(),
            since: OrdMap::new(),
            retired: OrdMap::new(),
            journal: OrdMap::new(),
        }
    }
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
        let versions = self
            .functions
            .values()
            .flat_map(|overloads| overloads.iter())
            .flat_map(|function| &function.versions);
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
            functions: self.functions.values().flat_map(|overloads| overloads.iter()).cloned().collect(),
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
            functions: functions.into_iter().collect(),
            operators: content.operators.into_iter().map(|o| (o.name.clone(), o)).collect(),
            modules: content.modules.into_iter().map(|m| (m.name.clone(), m)).collect(),
            ..Self::default()
        })
    }
}
