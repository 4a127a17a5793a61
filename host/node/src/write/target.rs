//! The table that a statement writes.

use std::sync::Arc;

use arrow::array::ArrayRef;
use arrow::datatypes::{DataType, Field, Schema};
use nyala_catalog::Snapshot;
use nyala_schema::function::{FunctionDefinition, OperatorDefinition};
use nyala_schema::guest::GuestFunction;
use nyala_schema::lookup::{
    AsOf, FunctionLookup, ResolvedTable, TableContent, TableLookup, World,
};
use nyala_schema::managed::{FileList, ManagedTable};
use nyala_schema::scan::{ManagedScan, ScanColumn, ScanSource};
use nyala_schema::statistics::{ColumnStatistics, TableStatistics};
use nyala_schema::table::{TableDefinition, TableName};
use nyala_schema::{Error, ErrorCode, Result};

/// A managed table as one snapshot of the catalog has it.
#[derive(Clone)]
pub struct Target {
    pub name: TableName,
    definition: Arc<TableDefinition>,
}

/// Where a row is, in queries over a table that is to be changed.
pub const FILE_COLUMN: &str = "$file";
pub const ROW_COLUMN: &str = "$row";

impl Target {
    /// # Errors
    /// `UndefinedTable`; `Unsupported` for what is no managed table.
    pub fn find(snapshot: &Snapshot, name: &str) -> Result<Self> {
        let definition = snapshot.table(name).ok_or_else(|| {
            Error::new(ErrorCode::UndefinedTable, format!("there is no table \"{name}\""))
                .with_hint("SHOW TABLES lists them")
        })?;
        let target = Self { name: name.to_owned(), definition: Arc::clone(definition) };
        match definition.as_ref() {
            TableDefinition::Managed(_) => Ok(target),
            other => {
                let error = Error::unsupported(format!(
                    "\"{name}\" is not a table whose rows can be changed, but of kind {}",
                    other.kind()
                ));
                Err(error.with_hint("CREATE TABLE … AS SELECT * FROM it makes one that can"))
            }
        }
    }

    pub fn table(&self) -> &ManagedTable {
        match self.definition.as_ref() {
            TableDefinition::Managed(table) => table,
            other => unreachable!("find() lets no table of kind {} through", other.kind()),
        }
    }

    /// Some files of the table as a query reads them under the name `alias`, with or without the places of rows.
    pub fn resolved(&self, alias: &str, files: FileList, row_identity: bool) -> Arc<ResolvedTable> {
        let table = self.table();
        let columns = &table.shape.columns;
        let mut fields: Vec<Field> =
            table.shape.schema().fields().iter().map(|field| field.as_ref().clone()).collect();
        if row_identity {
            fields.push(Field::new(FILE_COLUMN, DataType::Int64, false));
            fields.push(Field::new(ROW_COLUMN, DataType::Int64, false));
        }
        let rows: u64 = files.iter().map(|file| file.live_rows()).sum();
        let statistics = TableStatistics {
            rows: Some(rows as f64),
            bytes: None,
            columns: vec![ColumnStatistics::default(); fields.len()],
        };
        let columns = columns.iter().map(|it| ScanColumn { id: it.id, initial: it.initial.clone() });
        let scan = ManagedScan { table: table.id, columns: columns.collect(), files, row_identity };
        Arc::new(ResolvedTable {
            name: alias.to_owned(),
            schema: Arc::new(Schema::new(fields)),
            content: TableContent::Data {
                source: ScanSource::Managed(scan),
                statistics: Arc::new(statistics),
            },
        })
    }
}

/// A world in which one name means a table that is given.
pub struct WithTable<'a> {
    pub world: &'a dyn World,
    pub table: Arc<ResolvedTable>,
}

impl TableLookup for WithTable<'_> {
    fn version(&self) -> u64 {
        self.world.version()
    }

    fn table(&self, name: &str) -> Result<Option<Arc<ResolvedTable>>> {
        if name == self.table.name { Ok(Some(Arc::clone(&self.table))) } else { self.world.table(name) }
    }

    fn table_at(&self, name: &str, at: &AsOf) -> Result<Option<Arc<ResolvedTable>>> {
        self.world.table_at(name, at)
    }

    fn table_names(&self) -> Vec<String> {
        self.world.table_names()
    }
}

impl FunctionLookup for WithTable<'_> {
    fn functions(&self, name: &str) -> Vec<Arc<FunctionDefinition>> {
        self.world.functions(name)
    }

    fn operator(&self, name: &str) -> Option<Arc<OperatorDefinition>> {
        self.world.operator(name)
    }

    fn function_names(&self) -> Vec<String> {
        self.world.function_names()
    }

    fn evaluate(
        &self,
        function: &Arc<GuestFunction>,
        arguments: &[ArrayRef],
        rows: usize,
    ) -> Result<ArrayRef> {
        self.world.evaluate(function, arguments, rows)
    }
}
