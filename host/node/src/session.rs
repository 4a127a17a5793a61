//! One user's conversation with the engine: options, and one statement at a time.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use nyala_catalog::Outcome;
use nyala_frontend::{FunctionKind, PointInTime, Statement};
use nyala_schema::cluster::QueryId;
use nyala_schema::lookup::AsOf;
use nyala_schema::option::{OPTIONS, Options};
use nyala_schema::{Error, ErrorCode, Result};
use sqlparser::ast::{Expr, Value};

use crate::answer::{Answer, Progress};
use crate::commit::CommitNames;
use crate::engine::Engine;
use crate::running::Control;
use crate::statements::{self, Statement as Run};
use crate::tables::Tables;
use crate::watched::Watched;
use crate::work::{TRAVEL_OPTIONS, Work};
use crate::{
    backup, copy, definition, explain, faults, function, history, query, search_path, show, transaction,
    write,
};

pub struct Session {
    pub(crate) engine: Arc<Engine>,
    pub(crate) options: Options,
    pub(crate) work: Mutex<Work>,
    user: String,
    cancel: CancelHandle,
}

/// Cancels what a session runs, from any thread.
#[derive(Clone, Default)]
pub struct CancelHandle(Arc<Mutex<Option<Arc<Run>>>>);

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
        let user = String::new();
        Self { engine, options, work: Mutex::default(), user, cancel: CancelHandle::default() }
    }

    /// Who it is for: limits of pools count by user, and SHOW QUERIES shows it.
    #[must_use]
    pub fn for_user(mut self, user: impl Into<String>) -> Self {
        self.user = user.into();
        self
    }

    pub fn user(&self) -> &str {
        &self.user
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
    /// With code, message and, where known, position in `sql` and a hint. Inside of a transaction only ROLLBACK goes on
    /// after one.
    pub fn execute(&mut self, sql: &str) -> Result<Answer> {
        self.execute_as(sql, statements::new_id(), 0)
    }

    /// As [`execute`](Self::execute), under a name that the client made: a UUID of the seventh version. Run again under the
    /// same name, with the next `attempt`, once [`outcome`](Self::outcome) has said that it was not done.
    ///
    /// # Errors
    /// As [`execute`](Self::execute).
    pub fn execute_as(&mut self, sql: &str, id: QueryId, attempt: u32) -> Result<Answer> {
        let run = self.engine.statements.begin((id, attempt), sql, &self.user, &self.options.pool);
        *self.cancel.current() = Some(Arc::clone(&run));
        self.start_commits(CommitNames::new(id, attempt));
        let watched = Watched::new(&self.engine, run);
        let answer = nyala_frontend::parse(sql).and_then(|statement| {
            faults::before(self)?;
            self.start_statement(&statement)?;
            self.run(sql, statement)
        });
        self.finish_statement(answer.is_err());
        let answer = answer.map_err(|error| nyala_frontend::located(error, sql));
        watched.answer(answer)
    }

    /// What became of what a statement was to commit, on whatever node it ran. Asking ends it: what has not been committed
    /// by then never will be.
    ///
    /// # Errors
    /// `Connection` when no majority of the catalog could be asked; `Unsupported` for an engine that is no node.
    pub fn outcome(&self, id: QueryId, attempt: u32) -> Result<Outcome> {
        CommitNames::new(id, attempt).outcome(&*self.engine.catalog)
    }

    /// Waits until this node has a version of the catalog, which the session has seen on another.
    ///
    /// # Errors
    /// `Connection` when it does not come in time.
    pub fn wait_for_version(&self, version: u64, limit: Duration) -> Result<()> {
        self.engine.catalog.wait_for(version, limit).map(|_| ())
    }

    /// The newest version of the catalog that the session may have seen.
    pub fn last_version(&self) -> u64 {
        self.engine.newest().version
    }

    fn run(&mut self, sql: &str, statement: Statement) -> Result<Answer> {
        match statement {
            Statement::Query(query) => query::run(self, sql, &query),
            Statement::Explain { format, analyze, statement } => {
                explain::run(self, sql, format, analyze, &statement)
            }
            Statement::CreateExternalTable { .. }
            | Statement::CreateTable { .. }
            | Statement::CreateView { .. }
            | Statement::Drop { .. }
            | Statement::CreateSchema { .. }
            | Statement::DropSchema { .. }
            | Statement::Use { .. }
            | Statement::AlterTable { .. }
            | Statement::Comment { .. } => definition::run(self, sql, statement),
            Statement::RollbackTable { .. }
            | Statement::RollbackCatalog { .. }
            | Statement::Undrop { .. }
            | Statement::Checkpoint => history::run(self, sql, &statement),
            Statement::Backup { to } => backup::run(self, &to),
            Statement::Restore { from, at } => backup::restore::run(self, sql, &from, at.as_ref()),
            Statement::Begin { .. }
            | Statement::Commit
            | Statement::Rollback
            | Statement::SetIsolation { .. } => transaction::statements::run(self, &statement),
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
            Statement::CreateTableAs { .. }
            | Statement::Insert(_)
            | Statement::Update(_)
            | Statement::Delete(_)
            | Statement::Merge(_)
            | Statement::Truncate { .. }
            | Statement::CopyFrom { .. }
            | Statement::Optimize { .. }
            | Statement::Vacuum { .. }
            | Statement::Analyze { .. } => write::run(self, sql, &statement),
            Statement::KillQuery { id } => show::kill(self, id),
            Statement::Set { name, value } => self.set_option(&name, &value),
            Statement::Reset { name } => self.reset(name.as_deref()),
        }
    }

    fn set_option(&mut self, name: &str, value: &str) -> Result<Answer> {
        match travel_option(name) {
            Some(option) => {
                let at = self.travel_target(option, value)?;
                self.travel(option, value, &at)?;
            }
            None => self.set(name, value)?,
        }
        Ok(Answer::Done("SET".into()))
    }

    /// The point in history that the value of a travel option names.
    fn travel_target(&self, option: &str, value: &str) -> Result<AsOf> {
        if option == "catalog_timestamp" {
            let text = Value::SingleQuotedString(value.to_owned());
            return self.as_of("", &PointInTime::Time(Box::new(Expr::value(text))));
        }
        value.parse().map(AsOf::Version).map_err(|_| {
            Error::new(ErrorCode::InvalidParameter, format!("{option} cannot be '{value}'"))
                .with_hint("it takes a number; SHOW HISTORY lists the versions")
        })
    }

    /// The point in history that a statement names.
    ///
    /// # Errors
    /// `InvalidDatetime`, `InvalidParameter`
    pub(crate) fn as_of(&self, sql: &str, at: &PointInTime) -> Result<AsOf> {
        self.engine.frontend().as_of(sql, at, &self.options)
    }

    fn reset(&mut self, name: Option<&str>) -> Result<Answer> {
        match name {
            None => {
                self.options = self.engine.defaults.clone();
                self.come_back();
            }
            Some(name) if travel_option(name).is_some() => self.come_back(),
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
        if name.eq_ignore_ascii_case(faults::OPTION) {
            faults::check(&self.engine, value)?;
        }
        self.options.set(name, value)
    }

    pub fn cancel_handle(&self) -> CancelHandle {
        self.cancel.clone()
    }

    /// Names for completion and for `\d`.
    pub fn names(&self) -> Names {
        let (snapshot, schema) = (self.snapshot(), self.schema());
        let columns = snapshot.tables.iter().flat_map(|(table, definition)| {
            let names =
                definition.schema().fields().iter().map(|field| field.name().clone()).collect::<Vec<_>>();
            names.into_iter().map(move |column| (table.clone(), column))
        });
        let functions = self.engine.frontend().function_names();
        Names {
            tables: search_path::names(&snapshot, &schema).collect(),
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

    /// The tables that the statement sees.
    pub(crate) fn tables(&self) -> Tables {
        Tables::new(&self.engine, self.sight(), &self.user)
    }

    pub(crate) fn watch(&self, running: Arc<dyn Control>) {
        if let Some(run) = self.running() {
            run.watch(running);
        }
    }

    /// The statement that runs, or ran last.
    pub(crate) fn running(&self) -> Option<Arc<Run>> {
        self.cancel.current().clone()
    }

    /// # Errors
    /// `Cancelled` when that was asked for since the statement began.
    pub(crate) fn check_cancelled(&self) -> Result<()> {
        self.running().map_or(Ok(()), |run| run.check_cancelled())
    }
}

fn travel_option(name: &str) -> Option<&'static str> {
    TRAVEL_OPTIONS.iter().map(|(option, _)| *option).find(|option| option.eq_ignore_ascii_case(name))
}

impl CancelHandle {
    /// Does nothing when nothing runs.
    pub fn cancel(&self) {
        if let Some(run) = &*self.current() {
            run.cancel();
        }
    }

    /// How far the query is that runs; `None` when none does.
    pub fn progress(&self) -> Option<Progress> {
        self.current().as_ref()?.progress()
    }

    fn current(&self) -> MutexGuard<'_, Option<Arc<Run>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
