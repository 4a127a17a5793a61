//! One catalog snapshot and the files behind it, as the compiler asks for them.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use arrow::array::ArrayRef;
use arrow::compute::cast;
use arrow::datatypes::Schema;
use nyala_catalog::Snapshot;
use nyala_executor::Scans;
use nyala_pipeline::Guests;
use nyala_pipeline::guest::{Supervised, as_called};
use nyala_schema::Result;
use nyala_schema::function::{FunctionDefinition, OperatorDefinition};
use nyala_schema::guest::GuestFunction;
use nyala_schema::lookup::{FunctionLookup, ResolvedTable, TableContent, TableLookup};
use nyala_schema::option::Options;
use nyala_schema::scan::{ScanSource, TableScan};
use nyala_schema::table::{ExternalTable, TableDefinition};
use nyala_storage::{Scanner, Storage};

use crate::engine::Engine;
use crate::folding::Folding;
use crate::modules::InUse;

/// The tables that one statement sees. Files are listed once, however often a query names them.
pub struct Tables {
    /// Taken before the snapshot, so that the code that it names stays.
    _in_use: InUse,
    snapshot: Arc<Snapshot>,
    storage: Storage,
    guests: Arc<dyn Guests>,
    resolved: Mutex<HashMap<String, Option<Arc<ResolvedTable>>>>,
}

impl Tables {
    pub fn new(engine: &Engine) -> Self {
        let in_use = engine.use_modules();
        Self {
            _in_use: in_use,
            snapshot: engine.catalog.snapshot(),
            storage: engine.storage.clone(),
            guests: engine.sandbox.clone(),
            resolved: Mutex::default(),
        }
    }

    fn resolve(&self, name: &str) -> Result<Option<Arc<ResolvedTable>>> {
        let Some(definition) = self.snapshot.table(name) else {
            return if is_location(name) { self.resolve_files(name).map(Some) } else { Ok(None) };
        };
        let content = match definition.as_ref() {
            TableDefinition::View { sql, .. } => TableContent::View { sql: sql.clone() },
            TableDefinition::Memory { version, .. } => TableContent::Data {
                source: ScanSource::Memory { table: name.to_owned(), version: *version },
                statistics: Arc::new(self.storage.memory_statistics(name).unwrap_or_default()),
            },
            TableDefinition::Managed(_) => {
                return Err(nyala_schema::Error::unsupported("managed tables are not read yet"));
            }
            TableDefinition::External(table) => {
                let files = self.resolve_external(table)?;
                TableContent::Data { source: files.source, statistics: Arc::new(files.statistics) }
            }
        };
        let schema = definition.schema();
        Ok(Some(Arc::new(ResolvedTable { name: name.to_owned(), schema, content })))
    }

    fn resolve_external(&self, table: &ExternalTable) -> Result<nyala_storage::ResolvedFiles> {
        let own = table.schema.fields().len() - table.partition_columns;
        let partition_by: Vec<String> =
            table.schema.fields()[own..].iter().map(|field| field.name().clone()).collect();
        let declared = Schema::new(table.schema.fields().to_vec());
        self.storage.resolve(&table.location, Some(table.format.clone()), Some(&declared), &partition_by)
    }

    fn resolve_files(&self, location: &str) -> Result<Arc<ResolvedTable>> {
        let files = self.storage.resolve(location, None, None, &[])?;
        Ok(Arc::new(ResolvedTable {
            name: location.to_owned(),
            schema: files.schema,
            content: TableContent::Data { source: files.source, statistics: Arc::new(files.statistics) },
        }))
    }
}

/// Whether a table name that the catalog does not have can mean files: `data/x`, `x.parquet`, `*.csv`, or a folder here.
fn is_location(name: &str) -> bool {
    name.contains(['/', '*', '?', '.']) || std::path::Path::new(name).is_dir()
}

impl TableLookup for Tables {
    fn version(&self) -> u64 {
        self.snapshot.version
    }

    fn table(&self, name: &str) -> Result<Option<Arc<ResolvedTable>>> {
        let mut resolved = self.resolved.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = resolved.get(name) {
            return Ok(known.clone());
        }
        let table = self.resolve(name)?;
        resolved.insert(name.to_owned(), table.clone());
        Ok(table)
    }

    fn table_names(&self) -> Vec<String> {
        self.snapshot.tables.keys().cloned().collect()
    }
}

impl FunctionLookup for Tables {
    fn functions(&self, name: &str) -> Vec<Arc<FunctionDefinition>> {
        self.snapshot.functions.get(name).cloned().unwrap_or_default()
    }

    fn operator(&self, name: &str) -> Option<Arc<OperatorDefinition>> {
        self.snapshot.operators.get(name).cloned()
    }

    fn function_names(&self) -> Vec<String> {
        self.snapshot.functions.keys().chain(self.snapshot.operators.keys()).cloned().collect()
    }

    fn evaluate(
        &self,
        function: &Arc<GuestFunction>,
        arguments: &[ArrayRef],
        rows: usize,
    ) -> Result<ArrayRef> {
        let called = as_called(function);
        let given = arguments.iter().zip(&called.arguments);
        let arguments: Vec<ArrayRef> =
            given.map(|(array, data_type)| cast(array, data_type)).collect::<Result<_, _>>()?;
        let scalar = self.guests.scalar(&Arc::new(called))?;
        let _supervised = Supervised::enter(Arc::new(Folding::start()));
        let result = scalar.call(&arguments, rows)?;
        Ok(cast(&result, &function.returns)?)
    }
}

/// The executor's way to the storage.
pub struct StorageScans(pub Storage);

impl Scans for StorageScans {
    fn open(&self, scan: &TableScan, options: &Options) -> Result<Box<dyn Scanner>> {
        if options.column_cache { self.0.open(scan) } else { self.0.without_column_cache().open(scan) }
    }
}
