//! The catalog at one version.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use imbl::OrdMap;
use nyala_schema::command::{CommentTarget, ObjectKind};
use nyala_schema::function::{
    FunctionBody, FunctionDefinition, FunctionName, ModuleDefinition, OperatorDefinition,
};
use nyala_schema::guest::ModuleHash;
use nyala_schema::id::TableId;
use nyala_schema::managed::ManagedTable;
use nyala_schema::table::{MAIN_SCHEMA, TableDefinition, TableName};
use nyala_schema::{Error, ErrorCode, Result};

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

    /// The managed table of that name.
    pub fn managed(&self, name: &str) -> Option<&ManagedTable> {
        self.tables.get(name)?.managed()
    }

    pub fn has(&self, kind: ObjectKind, name: &str) -> bool {
        match kind {
            ObjectKind::Schema => self.schemas.contains_key(name),
            ObjectKind::Table => self.tables.contains_key(name),
            ObjectKind::Function => self.functions.contains_key(name),
            ObjectKind::Operator => self.operators.contains_key(name),
            ObjectKind::Module => self.modules.contains_key(name),
        }
    }

    /// Whether nothing is there but the schema that is always there.
    pub fn is_empty(&self) -> bool {
        self.schemas.len() <= 1
            && self.tables.is_empty()
            && self.functions.is_empty()
            && self.operators.is_empty()
            && self.modules.is_empty()
    }

    /// Whether another one may be put in its place.
    ///
    /// # Errors
    /// `InvalidParameter` when there is something in it, or it is of a later version.
    pub(crate) fn must_give_way(&self, to: &Self) -> Result<()> {
        if self.is_empty() && to.version > self.version {
            return Ok(());
        }
        let message = format!("a catalog of version {} is in use", self.version);
        Err(Error::new(ErrorCode::InvalidParameter, message)
            .with_hint("a catalog is restored into a fresh --data folder, or a fresh cluster"))
    }

    /// All names of a kind, in order.
    pub fn names(&self, kind: ObjectKind) -> Vec<String> {
        match kind {
            ObjectKind::Schema => self.schemas.keys().cloned().collect(),
            ObjectKind::Table => self.tables.keys().cloned().collect(),
            ObjectKind::Function => self.functions.keys().cloned().collect(),
            ObjectKind::Operator => self.operators.keys().cloned().collect(),
            ObjectKind::Module => self.modules.keys().cloned().collect(),
        }
    }

    /// What a transaction notes of a table that it reads: the version of a managed table, the version of the catalog in
    /// which anything else got its definition, 0 for what is not there.
    pub fn read_version(&self, name: &str) -> u64 {
        match self.managed(name) {
            Some(table) => table.version,
            None => self.since.get(&(ObjectKind::Table, name.to_owned())).copied().unwrap_or(0),
        }
    }

    /// The modules whose bytes are needed: those named by any kept version of anything, also of what was dropped and is
    /// kept. Queries that still run may need others.
    pub fn modules_in_use(&self) -> BTreeSet<ModuleHash> {
        let mut in_use = BTreeSet::new();
        self.functions.values().for_each(|overloads| modules_of(overloads, &mut in_use));
        in_use.extend(self.operators.values().map(|definition| definition.operator.code.module));
        in_use.extend(self.modules.values().map(|module| module.hash));
        for retired in self.retired.values() {
            match &retired.object {
                Object::Functions(overloads) => modules_of(overloads, &mut in_use),
                Object::Operator(definition) => {
                    in_use.insert(definition.operator.code.module);
                }
                Object::Module(module) => {
                    in_use.insert(module.hash);
                }
                Object::Schema | Object::Table(_) => {}
            }
        }
        in_use
    }

    /// The paths that any kept version of any kept table names, by table: what else is in the warehouse is not needed.
    pub fn warehouse_files(&self) -> BTreeMap<TableId, BTreeSet<Arc<str>>> {
        let mut found = BTreeMap::<_, BTreeSet<_>>::new();
        let live = self.tables.values().filter_map(|definition| definition.managed());
        let retired = self.retired.values().filter_map(|retired| retired.object.managed());
        for table in live.chain(retired) {
            let files = table.files.iter().chain(table.retired.values());
            found.entry(table.id).or_default().extend(files.flat_map(|file| file.paths()).cloned());
        }
        found
    }
}

impl Object {
    pub fn managed(&self) -> Option<&ManagedTable> {
        match self {
            Self::Table(definition) => definition.managed(),
            Self::Schema | Self::Functions(_) | Self::Operator(_) | Self::Module(_) => None,
        }
    }
}

fn modules_of(overloads: &[Arc<FunctionDefinition>], in_use: &mut BTreeSet<ModuleHash>) {
    let versions = overloads.iter().flat_map(|function| &function.versions);
    in_use.extend(versions.filter_map(|version| match &version.body {
        FunctionBody::Guest { module, .. } => Some(*module),
        FunctionBody::Sql { .. } => None,
    }));
}
