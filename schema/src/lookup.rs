//! The questions that the compiler asks the world.

use std::sync::Arc;

use arrow::array::ArrayRef;
use arrow::datatypes::SchemaRef;

use crate::error::{Error, Result};
use crate::function::{FunctionDefinition, OperatorDefinition};
use crate::guest::GuestFunction;
use crate::scan::ScanSource;
use crate::statistics::TableStatistics;
use crate::table::MAIN_SCHEMA;

/// A table as a query sees it, resolved once per query.
#[derive(Debug, Clone)]
pub struct ResolvedTable {
    pub name: String,
    pub schema: SchemaRef,
    pub content: TableContent,
}

#[derive(Debug, Clone)]
pub enum TableContent {
    Data { source: ScanSource, statistics: Arc<TableStatistics> },
    View { sql: String },
}

/// A point in the history of a table or of the catalog.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AsOf {
    Version(u64),
    /// What was newest then; milliseconds since 1970.
    Time(i64),
}

/// One catalog snapshot and the files it leads to.
pub trait TableLookup: Send + Sync {
    /// The version of the snapshot.
    fn version(&self) -> u64;

    /// The table, view, or file pattern (`data/*.parquet`) of that name; `None` when there is none.
    ///
    /// # Errors
    /// When the name leads to files that cannot be read.
    fn table(&self, name: &str) -> Result<Option<Arc<ResolvedTable>>>;

    /// As [`table`](Self::table), but as it was.
    ///
    /// # Errors
    /// `UndefinedVersion` when that is not kept; `Unsupported` for what has no versions.
    fn table_at(&self, name: &str, _at: &AsOf) -> Result<Option<Arc<ResolvedTable>>> {
        Err(Error::unsupported(format!("\"{name}\" has no versions")))
    }

    /// All names, for near-misses and completion.
    fn table_names(&self) -> Vec<String>;

    /// Where names without a schema are looked up first.
    fn current_schema(&self) -> &str {
        MAIN_SCHEMA
    }

    /// Who asks; empty when nobody in particular does.
    fn current_user(&self) -> &str {
        ""
    }
}

/// The user-defined functions and operators of the same snapshot.
pub trait FunctionLookup: Send + Sync {
    /// All overloads of a name, of any kind.
    fn functions(&self, name: &str) -> Vec<Arc<FunctionDefinition>>;

    fn operator(&self, name: &str) -> Option<Arc<OperatorDefinition>>;

    /// All names of functions and operators, for near-misses and completion.
    fn function_names(&self) -> Vec<String>;

    /// Runs a scalar function now: planning folds calls of immutable functions over constants.
    ///
    /// # Errors
    /// Those of the function.
    fn evaluate(
        &self,
        function: &Arc<GuestFunction>,
        arguments: &[ArrayRef],
        rows: usize,
    ) -> Result<ArrayRef>;
}

/// Everything that the compiler may ask.
pub trait World: TableLookup + FunctionLookup {}

impl<W: TableLookup + FunctionLookup> World for W {}
