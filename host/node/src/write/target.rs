//! The table that a statement writes.

use std::sync::Arc;

use arrow::array::ArrayRef;
use nyala_schema::function::{FunctionDefinition, OperatorDefinition};
use nyala_schema::guest::GuestFunction;
use nyala_schema::lookup::{AsOf, FunctionLookup, ResolvedTable, TableContent, TableLookup, World};
use nyala_schema::managed::{FileList, ManagedTable};
use nyala_schema::scan::{ManagedScan, ScanColumn, ScanSource};
use nyala_schema::statistics::{ColumnStatistics, TableStatistics};
use nyala_schema::table::{TableDefinition, TableName};
use nyala_schema::{Error, Result};

use crate::search_path;
use crate::session::Session;

/// A managed table as one snapshot of the catalog has it.
#[derive(Clone)]
pub struct Target {
    pub name: TableName,
    definition: Arc<TableDefinition>,
}

impl Target {
    /// As the statement that runs sees it.
    ///
    /// # Errors
    /// `UndefinedTable`; `Unsupported` for what is no managed table.
    pub fn find(session: &Session, name: &str) -> Result<Self> {
        let snapshot = session.snapshot();
        let known = session.existing_name(name);
        match snapshot.table(&known) {
            Some(definition) => Self::of(known, definition),
            None => Err(search_path::undefined_table(&snapshot, &session.schema(), name)),
        }
    }

    /// # Errors
    /// `Unsupported` for what is no managed table.
    pub fn of(name: TableName, definition: &Arc<TableDefinition>) -> Result<Self> {
        if let TableDefinition::Managed(_) = definition.as_ref() {
            return Ok(Self { name, definition: Arc::clone(definition) });
        }
        let kind = definition.kind();
        let error =
            Error::unsupported(format!("\"{name}\" is no table whose rows can be changed: it is {kind}"));
        Err(error.with_hint("CREATE TABLE … AS SELECT * FROM it makes a table that can be changed"))
    }

    pub fn table(&self) -> &ManagedTable {
        match self.definition.as_ref() {
            TableDefinition::Managed(table) => table,
            other => unreachable!("find() lets no table of kind {} through", other.kind()),
        }
    }

    /// Some files of the table as a query reads them under the name `alias`.
    pub fn resolved(&self, alias: &str, files: FileList) -> Arc<ResolvedTable> {
        let table = self.table();
        let columns = table.shape.columns.iter();
        let rows: u64 = files.iter().map(|file| file.live_rows()).sum();
        let statistics = TableStatistics {
            rows: Some(rows as f64),
            bytes: None,
            columns: vec![ColumnStatistics::default(); table.shape.columns.len()],
        };
        let scan = ManagedScan {
            table: table.id,
            columns: columns.map(|it| ScanColumn { id: it.id, initial: it.initial.clone() }).collect(),
            files,
            row_identity: false,
        };
        Arc::new(ResolvedTable {
            name: alias.to_owned(),
            schema: table.shape.schema(),
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

    fn current_schema(&self) -> &str {
        self.world.current_schema()
    }

    fn current_user(&self) -> &str {
        self.world.current_user()
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
