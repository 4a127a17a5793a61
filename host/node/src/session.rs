//! One user's conversation with the engine: options, and one statement at a time.

use std::sync::{Arc, Mutex, PoisonError};

use nyala_catalog::Snapshot;
use nyala_frontend::{FunctionKind, Statement};
use nyala_schema::Result;
use nyala_schema::command::Command;
use nyala_schema::option::{OPTIONS, Options};

use crate::answer::Answer;
use crate::engine::Engine;
use crate::tables::Tables;
use crate::{copy, definition, explain, function, query, show};

pub struct Session {
    pub(crate) engine: Arc<Engine>,
    pub(crate) options: Options,
    cancel: CancelHandle,
}

/// Cancels what a session runs, from any thread.
#[derive(Clone, Default)]
pub struct CancelHandle {
    running: Arc<Mutex<Option<nyala_executor::CancelHandle>>>,
}

/// What completion offers.
#[derive(Debug, Clone, Default)]
pub struct Names {
    pub tables: Vec<String>,
    /// Pairs of table and column.
    pub columns: Vec<(String, String)>,
    pub functions: Vec<String>,
    pub keywords: Vec<String>,
}

impl Session {
    pub(crate) fn new(engine: Arc<Engine>) -> Self {
        let options = engine.defaults.clone();
        Self { engine, options, cancel: CancelHandle::default() }
    }

    /// Cuts a script into statements by its semicolons (those in quotes, comments and dollar quotes do not count).
    /// Each comes with the line (from 1) where it starts. The last may be incomplete.
    pub fn split(script: &str) -> Vec<(u32, String)> {
        nyala_frontend::split(script)
    }

    /// Whether `text` ends a statement: what an interactive shell asks before it runs a line.
    pub fn is_complete(text: &str) -> bool {
        nyala_frontend::is_complete(text)
    }

    /// Runs one statement.
    ///
    /// # Errors
    /// With code, message and, where known, position in `sql` and a hint.
    pub fn execute(&mut self, sql: &str) -> Result<Answer> {
        let statement = nyala_frontend::parse(sql)?;
        match statement {
            Statement::Query(query) => query::run(self, sql, &query),
            Statement::Explain { format, analyze, statement } => {
                explain::run(self, sql, format, analyze, &statement)
            }
            Statement::CreateExternalTable { .. }
            | Statement::CreateTable { .. }
            | Statement::CreateTableAs { .. }
            | Statement::CreateView { .. }
            | Statement::Insert(_)
            | Statement::Drop { .. } => definition::run(self, sql, statement),
            Statement::CreateFunction { .. }
            | Statement::CreateOperator { .. }
            | Statement::CreateModule { .. }
            | Statement::AlterFunction { .. }
            | Statement::DropFunction { .. }
            | Statement::DropModule { .. }
            | Statement::DropOperator { .. } => function::run(self, statement),
            Statement::ExplainFunction { overload } => function::explain(self, &overload),
            Statement::Copy { source, path, format, options } => {
                copy::run(self, sql, source, &path, format, &options)
            }
            Statement::Describe(target) => show::describe(self, sql, &target),
            Statement::Show(target) => show::run(self, &target),
            Statement::Update(_)
            | Statement::Delete(_)
            | Statement::Merge(_)
            | Statement::Truncate { .. }
            | Statement::CopyFrom { .. }
            | Statement::CreateSchema { .. }
            | Statement::DropSchema { .. }
            | Statement::Use { .. }
            | Statement::AlterTable { .. }
            | Statement::Comment { .. }
            | Statement::Begin { .. }
            | Statement::Commit
            | Statement::Rollback
            | Statement::SetIsolation { .. }
            | Statement::RollbackTable { .. }
            | Statement::RollbackCatalog { .. }
            | Statement::Undrop { .. }
            | Statement::Optimize { .. }
            | Statement::Vacuum { .. }
            | Statement::Analyze { .. }
            | Statement::Backup { .. }
            | Statement::Restore { .. }
            | Statement::Checkpoint => Err(nyala_schema::Error::unsupported("this statement is not run yet")),
            Statement::Set { name, value } => {
                self.options.set(&name, &value)?;
                Ok(Answer::Done("SET".into()))
            }
            Statement::Reset { name } => self.reset(name.as_deref()),
        }
    }

    fn reset(&mut self, name: Option<&str>) -> Result<Answer> {
        match name {
            None => self.options = self.engine.defaults.clone(),
            Some(name) => {
                let value = self.engine.defaults.get(name)?;
                self.options.set(name, &value)?;
            }
        }
        Ok(Answer::Done("RESET".into()))
    }

    pub fn options(&self) -> &Options {
        &self.options
    }

    /// # Errors
    /// Unknown option or value.
    pub fn set(&mut self, name: &str, value: &str) -> Result<()> {
        self.options.set(name, value)
    }

    pub fn cancel_handle(&self) -> CancelHandle {
        self.cancel.clone()
    }

    /// Names for completion and for `\d`.
    pub fn names(&self) -> Names {
        let snapshot = self.snapshot();
        let columns = snapshot.tables.iter().flat_map(|(table, definition)| {
            let names =
                definition.schema().fields().iter().map(|field| field.name().clone()).collect::<Vec<_>>();
            names.into_iter().map(move |column| (table.clone(), column))
        });
        let functions = self.engine.frontend().function_names();
        Names {
            tables: snapshot.tables.keys().cloned().collect(),
            columns: columns.collect(),
            functions: functions
                .into_iter()
                .filter(|function| !matches!(function.kind, FunctionKind::Table))
                .map(|function| function.name)
                .chain(snapshot.functions.keys().chain(snapshot.operators.keys()).cloned())
                .collect(),
            keywords: OPTIONS.iter().map(|option| option.name.to_owned()).collect(),
        }
    }

    /// The catalog that a statement starting now sees: inside a transaction with what the transaction has changed.
    pub(crate) fn snapshot(&self) -> Arc<Snapshot> {
        self.engine.catalog.snapshot()
    }

    /// Makes a change: at once, or with the transaction that runs. Gives the snapshot that has it.
    ///
    /// # Errors
    /// Those of applying it, and of the store.
    pub(crate) fn commit(&self, command: &Command) -> Result<Arc<Snapshot>> {
        self.engine.catalog.commit(command)
    }

    /// The tables that a statement starting now sees.
    pub(crate) fn tables(&self) -> Tables {
        Tables::new(&self.engine)
    }

    pub(crate) fn watch(&self, running: nyala_executor::CancelHandle) {
        *self.cancel.running.lock().unwrap_or_else(PoisonError::into_inner) = Some(running);
    }
}

impl CancelHandle {
    /// Does nothing when nothing runs.
    pub fn cancel(&self) {
        if let Some(running) = &*self.running.lock().unwrap_or_else(PoisonError::into_inner) {
            running.cancel();
        }
    }
}
