//! One catalog snapshot and the files behind it, as the compiler asks for them.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use arrow::array::ArrayRef;
use arrow::compute::cast;
use arrow::datatypes::{DataType, Field, Schema};
use nyala_executor::Scans;
use nyala_pipeline::Guests;
use nyala_pipeline::guest::{Supervised, as_called};
use nyala_schema::function::{FunctionDefinition, OperatorDefinition};
use nyala_schema::guest::GuestFunction;
use nyala_schema::lookup::{AsOf, FunctionLookup, ResolvedTable, TableContent, TableLookup};
use nyala_schema::managed::ManagedTable;
use nyala_schema::option::Options;
use nyala_schema::scan::{ManagedScan, ScanColumn, ScanSource, TableScan};
use nyala_schema::statistics::{ColumnStatistics, TableStatistics};
use nyala_schema::table::{ExternalTable, MAIN_SCHEMA, TableDefinition, TableName};
use nyala_schema::{Error, Result};
use nyala_storage::{Scanner, Storage, managed};

use crate::engine::Engine;
use crate::folding::Folding;
use crate::work::Sight;
use crate::{faults, information, qualify, search_path};

/// The tables that one statement sees. Files are listed once, however often a query names them.
pub struct Tables {
    sight: Sight,
    engine: Arc<Engine>,
    user: String,
    /// The catalog's name of the table whose rows are told apart by two more columns.
    identified: Option<TableName>,
    resolved: Mutex<HashMap<String, Option<Arc<ResolvedTable>>>>,
}

/// The columns by which rows of a table are told apart: the id of the file, and the position there.
pub const ROW_IDENTITY: [&str; 2] = ["$file", "$row"];

impl Tables {
    pub fn new(engine: &Arc<Engine>, sight: Sight, user: &str) -> Self {
        let (engine, user) = (Arc::clone(engine), user.to_owned());
        Self { sight, engine, user, identified: None, resolved: Mutex::default() }
    }

    /// As they are, but the managed table of that name, as the catalog has it, has the columns of [`ROW_IDENTITY`] behind its
    /// own.
    #[must_use]
    pub fn identifying(mut self, name: &str) -> Self {
        self.identified = Some(name.to_owned());
        self
    }

    fn resolve(&self, name: &str) -> Result<Option<Arc<ResolvedTable>>> {
        let snapshot = &self.sight.snapshot;
        let Some(known) = search_path::find(snapshot, &self.sight.schema, name) else {
            self.note_read(name);
            if let Some(made) = self.information(name)? {
                return Ok(Some(made));
            }
            return if is_location(name) { self.resolve_files(name).map(Some) } else { Ok(None) };
        };
        let Some(definition) = snapshot.table(&known) else { return Ok(None) };
        let content = match definition.as_ref() {
            TableDefinition::View { sql, .. } => TableContent::View { sql: self.view_text(sql)? },
            TableDefinition::Managed(table) => {
                self.note_read(&known);
                return Ok(Some(self.managed(name, &known, table)?));
            }
            TableDefinition::External(table) => {
                let files = self.resolve_external(table)?;
                TableContent::Data { source: files.source, statistics: Arc::new(files.statistics) }
            }
        };
        let schema = definition.schema();
        Ok(Some(Arc::new(ResolvedTable { name: name.to_owned(), schema, content })))
    }

    fn managed(&self, name: &str, known: &str, table: &ManagedTable) -> Result<Arc<ResolvedTable>> {
        let row_identity = self.identified.as_deref() == Some(known);
        let shape = &table.shape;
        let mut fields: Vec<Field> =
            shape.schema().fields().iter().map(|field| field.as_ref().clone()).collect();
        let mut statistics =
            TableStatistics::of_summary(shape, &table.summary, &|sketch| managed::distinct_of(sketch).ok());
        if row_identity {
            fields.extend(ROW_IDENTITY.map(|name| Field::new(name, DataType::Int64, false)));
            statistics.columns.extend(ROW_IDENTITY.map(|_| ColumnStatistics::default()));
        }
        let columns = shape.columns.iter();
        let source = ScanSource::Managed(ManagedScan {
            table: table.id,
            columns: columns.map(|c| ScanColumn { id: c.id, initial: c.initial.clone() }).collect(),
            files: table.files.clone(),
            row_identity,
        });
        let content = TableContent::Data { source, statistics: Arc::new(statistics) };
        Ok(Arc::new(ResolvedTable { name: name.to_owned(), schema: Arc::new(Schema::new(fields)), content }))
    }

    fn information(&self, name: &str) -> Result<Option<Arc<ResolvedTable>>> {
        let builtin_functions = || self.engine.frontend().function_names();
        let snapshot = &self.sight.snapshot;
        information::table(
            name,
            &information::rows::Source {
                snapshot,
                builtin_functions: &builtin_functions,
                engine: &self.engine,
            },
        )
    }

    /// Names without a schema in the text of a view are tables of `main`, whatever the schema of who uses it.
    fn view_text(&self, sql: &str) -> Result<String> {
        let (snapshot, schema) = (&self.sight.snapshot, self.sight.schema.as_str());
        if schema == MAIN_SCHEMA {
            return Ok(sql.to_owned());
        }
        let is_main =
            |name: &str| snapshot.tables.contains_key(name).then(|| format!("{MAIN_SCHEMA}.{name}"));
        qualify::relations(sql, is_main)
    }

    /// What is not there counts as well: another transaction may make it.
    fn note_read(&self, name: &str) {
        if let Some(reads) = &self.sight.reads {
            reads.lock().unwrap_or_else(PoisonError::into_inner).insert(name.to_owned());
        }
    }

    fn resolve_external(&self, table: &ExternalTable) -> Result<nyala_storage::ResolvedFiles> {
        let own = table.schema.fields().len() - table.partition_columns;
        let partition_by: Vec<String> =
            table.schema.fields()[own..].iter().map(|field| field.name().clone()).collect();
        let declared = Schema::new(table.schema.fields().to_vec());
        self.engine.storage.resolve(
            &table.location,
            Some(table.format.clone()),
            Some(&declared),
            &partition_by,
        )
    }

    fn resolve_files(&self, location: &str) -> Result<Arc<ResolvedTable>> {
        let files = self.engine.storage.resolve(location, None, None, &[])?;
        Ok(Arc::new(ResolvedTable {
            name: location.to_owned(),
            schema: files.schema,
            content: TableContent::Data { source: files.source, statistics: Arc::new(files.statistics) },
        }))
    }
}

/// Whether a table name that the catalog does not have can mean files: `data/x`, `x.parquet`, `*.csv`, or a file or folder
/// here. A name such as `schema.table` does not.
fn is_location(name: &str) -> bool {
    let path = std::path::Path::new(name);
    name.contains(['/', '*', '?'])
        || nyala_storage::format::of_path(name).is_some()
        || path.is_dir()
        || name.contains('.') && path.exists()
}

impl TableLookup for Tables {
    fn version(&self) -> u64 {
        self.sight.snapshot.version
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

    fn table_at(&self, name: &str, at: &AsOf) -> Result<Option<Arc<ResolvedTable>>> {
        let snapshot = &self.sight.snapshot;
        let Some(known) = search_path::find(snapshot, &self.sight.schema, name) else { return Ok(None) };
        match snapshot.table(&known).map(AsRef::as_ref) {
            Some(TableDefinition::Managed(table)) => {
                self.note_read(&known);
                let then = nyala_catalog::table_at(table, at)?;
                self.managed(name, &known, &then).map(Some)
            }
            Some(other) => {
                let error = Error::unsupported(format!("\"{name}\" is {} and has no versions", other.kind()));
                Err(error
                    .with_hint("SET catalog_version shows everything as it was in a version of the catalog"))
            }
            None => Ok(None),
        }
    }

    fn table_names(&self) -> Vec<String> {
        // Where there is nothing yet, what Nyala makes itself would hide that.
        if self.sight.snapshot.tables.is_empty() {
            return Vec::new();
        }
        search_path::names(&self.sight.snapshot, &self.sight.schema).collect()
    }

    fn current_schema(&self) -> &str {
        &self.sight.schema
    }

    fn current_user(&self) -> &str {
        &self.user
    }
}

impl FunctionLookup for Tables {
    fn functions(&self, name: &str) -> Vec<Arc<FunctionDefinition>> {
        self.sight.snapshot.functions.get(name).cloned().unwrap_or_default()
    }

    fn operator(&self, name: &str) -> Option<Arc<OperatorDefinition>> {
        self.sight.snapshot.operators.get(name).cloned()
    }

    fn function_names(&self) -> Vec<String> {
        self.sight.snapshot.functions.keys().chain(self.sight.snapshot.operators.keys()).cloned().collect()
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
        let scalar = self.engine.sandbox.scalar(&Arc::new(called))?;
        let _supervised = Supervised::enter(Arc::new(Folding::start()));
        let result = scalar.call(&arguments, rows)?;
        Ok(cast(&result, &function.returns)?)
    }
}

/// The executor's way to the storage.
pub struct StorageScans {
    pub storage: Storage,
    pub allow_faults: bool,
}

impl Scans for StorageScans {
    fn open(&self, scan: &TableScan, options: &Options) -> Result<Box<dyn Scanner>> {
        let storage = if options.column_cache { &self.storage } else { &self.storage.without_column_cache() };
        let scanner = storage.open(scan)?;
        if self.allow_faults { faults::scanner(scanner, options) } else { Ok(scanner) }
    }
}
