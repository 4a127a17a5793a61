//! What a session is in the middle of: its schema, its transaction, the time it looks at.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use nyala_catalog::Snapshot;
use nyala_frontend::{IsolationLevel, Statement};
use nyala_schema::cluster::QueryId;
use nyala_schema::command::Command;
use nyala_schema::lookup::AsOf;
use nyala_schema::option::CatalogReads;
use nyala_schema::table::{MAIN_SCHEMA, TableName};
use nyala_schema::{Error, ErrorCode, Result};

use crate::commit::CommitNames;
use crate::faults;
use crate::modules::InUse;
use crate::session::Session;
use crate::transaction::{Transaction, Uncommitted, UncommittedFiles};
use crate::writing::WritingTable;

pub struct Work {
    /// Where names without a schema are looked up first.
    schema: String,
    /// Of transactions that do not say.
    isolation: IsolationLevel,
    /// Set while the session looks at the catalog as it was.
    travel: Option<Travel>,
    /// What the statement sees that runs.
    seen: Option<Arc<Snapshot>>,
    transaction: Option<Transaction>,
    /// Under which the statement that runs commits.
    commits: CommitNames,
}

/// What a prompt shows of a session's transaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TransactionState {
    None,
    Open,
    /// Only ROLLBACK goes on.
    Failed,
}

struct Travel {
    /// The option that was set, and its value.
    option: &'static str,
    value: String,
    snapshot: Arc<Snapshot>,
}

/// What a statement sees, and what keeps that there. Held until its last row has been read.
#[derive(Clone)]
pub struct Sight {
    pub snapshot: Arc<Snapshot>,
    pub schema: String,
    /// Where SERIALIZABLE notes what was read.
    pub reads: Option<Arc<Mutex<BTreeSet<TableName>>>>,
    /// Taken before the snapshot, so that the code that it names stays.
    _modules: InUse,
    _files: Option<Arc<UncommittedFiles>>,
    failed: Option<Arc<AtomicBool>>,
}

impl Sight {
    /// A statement of the transaction went wrong after its rows began to come.
    pub fn fail(&self) {
        if let Some(failed) = &self.failed {
            failed.store(true, Ordering::Relaxed);
        }
    }
}

impl Default for Work {
    fn default() -> Self {
        Self {
            schema: MAIN_SCHEMA.to_owned(),
            isolation: IsolationLevel::Snapshot,
            travel: None,
            seen: None,
            transaction: None,
            commits: CommitNames::new(QueryId(0), 0),
        }
    }
}

/// The options by which the catalog is seen as it was.
pub const TRAVEL_OPTIONS: [(&str, &str); 2] = [
    ("catalog_version", "the version of the catalog that is seen; RESET to see the newest"),
    ("catalog_timestamp", "the time at which the catalog is seen; RESET to see the newest"),
];

impl Session {
    fn work(&self) -> MutexGuard<'_, Work> {
        self.work.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The schema in which names without one are looked up first, and created.
    pub fn schema(&self) -> String {
        self.work().schema.clone()
    }

    pub(crate) fn set_schema(&self, schema: &str) {
        schema.clone_into(&mut self.work().schema);
    }

    pub fn transaction_state(&self) -> TransactionState {
        match &self.work().transaction {
            None => TransactionState::None,
            Some(transaction) if transaction.has_failed() => TransactionState::Failed,
            Some(_) => TransactionState::Open,
        }
    }

    pub(crate) fn in_transaction(&self) -> bool {
        self.transaction_state() != TransactionState::None
    }

    /// Whether the open transaction has changed something.
    pub fn has_changes(&self) -> bool {
        self.work().transaction.as_ref().is_some_and(Transaction::has_changes)
    }

    /// The statement that begins commits under these names.
    pub(crate) fn start_commits(&self, names: CommitNames) {
        self.work().commits = names;
    }

    /// To be called before each statement, with [`finish_statement`](Self::finish_statement) after it.
    ///
    /// # Errors
    /// `FailedTransaction`, `ActiveTransaction`; `SerializationFailure` of READ COMMITTED.
    pub(crate) fn start_statement(&self, statement: &Statement) -> Result<()> {
        if self.transaction_state() == TransactionState::Failed && !matches!(statement, Statement::Rollback) {
            return Err(Error::new(
                ErrorCode::FailedTransaction,
                "a statement of this transaction failed, so it cannot go on",
            )
            .with_hint("ROLLBACK, then run the transaction again"));
        }
        crate::transaction::statements::refuse_inside(self, statement)?;
        if matches!(statement, Statement::Rollback | Statement::Commit) { Ok(()) } else { self.see_newest() }
    }

    pub(crate) fn finish_statement(&self, failed: bool) {
        let mut work = self.work();
        work.seen = None;
        if let (true, Some(transaction)) = (failed, &work.transaction) {
            transaction.failed().store(true, Ordering::Relaxed);
        }
    }

    /// The statement that runs sees the newest that it may.
    ///
    /// # Errors
    /// `SerializationFailure` of READ COMMITTED; `Connection` of a session that asks for the latest.
    pub(crate) fn see_newest(&self) -> Result<()> {
        if self.options.catalog_reads == CatalogReads::Latest {
            // From here on this node has it, and so do its snapshots.
            self.engine.catalog.newest()?;
        }
        let mut work = self.work();
        let work = &mut *work;
        work.seen = Some(match (&work.travel, &mut work.transaction) {
            (Some(travel), _) => Arc::clone(&travel.snapshot),
            (None, Some(transaction)) => {
                if transaction.isolation == IsolationLevel::ReadCommitted {
                    transaction.move_to(self.engine.newest())?;
                }
                Arc::clone(transaction.snapshot())
            }
            (None, None) => self.engine.newest(),
        });
        Ok(())
    }

    /// The catalog that the statement sees: inside a transaction with what the transaction has changed.
    pub(crate) fn snapshot(&self) -> Arc<Snapshot> {
        let work = self.work();
        match (&work.seen, &work.travel, &work.transaction) {
            (Some(seen), ..) => Arc::clone(seen),
            (None, Some(travel), _) => Arc::clone(&travel.snapshot),
            (None, None, Some(transaction)) => Arc::clone(transaction.snapshot()),
            (None, None, None) => self.engine.newest(),
        }
    }

    /// What the statement sees, to be held as long as it reads.
    pub(crate) fn sight(&self) -> Sight {
        let modules = self.engine.use_modules();
        let snapshot = self.snapshot();
        let work = self.work();
        let transaction = work.transaction.as_ref();
        Sight {
            snapshot,
            schema: work.schema.clone(),
            reads: transaction.and_then(Transaction::reads),
            _modules: modules,
            _files: transaction.map(|transaction| Arc::clone(transaction.files())),
            failed: transaction.map(|transaction| Arc::clone(transaction.failed())),
        }
    }

    /// Makes a change: at once, or with the transaction that runs. Gives the snapshot that has it.
    ///
    /// # Errors
    /// Those of applying it, and of the store; `ReadOnly` for a session that looks at the past.
    pub(crate) fn commit(&self, command: &Command) -> Result<Arc<Snapshot>> {
        self.commit_files(command, Vec::new())
    }

    /// As [`commit`](Self::commit), of a command that names new files. They go again unless it is committed; the marks say
    /// that their tables are being written.
    ///
    /// # Errors
    /// As [`commit`](Self::commit).
    pub(crate) fn commit_files(
        &self,
        command: &Command,
        files: Vec<(Box<dyn Uncommitted>, WritingTable)>,
    ) -> Result<Arc<Snapshot>> {
        let mut work = self.work();
        if let Some(travel) = &work.travel {
            return Err(looks_back(travel));
        }
        let snapshot = match &mut work.transaction {
            Some(transaction) => {
                let staged = transaction.stage(command.clone())?;
                transaction.files().add(files);
                staged
            }
            None => {
                let pending = UncommittedFiles::default();
                pending.add(files);
                let committed = self.engine.catalog.commit_as(work.commits.next(), command);
                let snapshot = self.settle(&pending, committed)?;
                faults::after_commit(self)?;
                snapshot
            }
        };
        self.engine.snapshots.add(&snapshot);
        work.seen = Some(Arc::clone(&snapshot));
        Ok(snapshot)
    }

    /// Keeps the files of a commit that is there, or may be.
    fn settle(&self, files: &UncommittedFiles, committed: Result<Arc<Snapshot>>) -> Result<Arc<Snapshot>> {
        match &committed {
            Ok(_) => files.keep(),
            // The store may have it: what no version names is found at the next start.
            Err(error)
                if matches!(
                    error.code(),
                    ErrorCode::Store | ErrorCode::DiskFull | ErrorCode::CommitUnknown
                ) =>
            {
                files.keep();
                self.engine.writing.leave_marks();
            }
            Err(_) => {}
        }
        committed
    }

    /// Makes several changes as one.
    ///
    /// # Errors
    /// As [`commit`](Self::commit); nothing has changed then, or the transaction has failed.
    pub(crate) fn commit_all(&self, commands: Vec<Command>) -> Result<Arc<Snapshot>> {
        self.commit_all_files(commands, Vec::new())
    }

    /// As [`commit_all`](Self::commit_all), of commands that name new files.
    ///
    /// # Errors
    /// As [`commit_all`](Self::commit_all).
    pub(crate) fn commit_all_files(
        &self,
        mut commands: Vec<Command>,
        files: Vec<(Box<dyn Uncommitted>, WritingTable)>,
    ) -> Result<Arc<Snapshot>> {
        if !self.in_transaction() && commands.len() != 1 {
            return self.commit_files(&Command::Transaction { reads: vec![], commands }, files);
        }
        let last = commands.pop();
        for command in &commands {
            self.commit(command)?;
        }
        last.map_or_else(|| Ok(self.snapshot()), |command| self.commit_files(&command, files))
    }

    pub(crate) fn begin(&self, isolation: Option<IsolationLevel>) -> Result<()> {
        let modules = self.engine.use_modules();
        let base = self.engine.newest();
        let mut work = self.work();
        if let Some(travel) = &work.travel {
            return Err(looks_back(travel));
        }
        if work.transaction.is_some() {
            return Err(Error::new(ErrorCode::ActiveTransaction, "a transaction is open already")
                .with_hint("COMMIT or ROLLBACK it first"));
        }
        let isolation = isolation.unwrap_or(work.isolation);
        work.transaction = Some(Transaction::new(isolation, base, modules));
        Ok(())
    }

    /// COMMIT: the transaction is over, whatever this gives.
    ///
    /// # Errors
    /// `NoActiveTransaction`, `SerializationFailure`, those of the commands on what others have changed.
    pub(crate) fn end(&self) -> Result<()> {
        let mut work = self.work();
        let transaction = work.transaction.take().ok_or_else(none_open)?;
        let Some(command) = transaction.finish()? else { return Ok(()) };
        let committed = self.engine.catalog.commit_as(work.commits.next(), &command);
        self.settle(transaction.files(), committed).map_err(|error| {
            let again = "nothing was committed: run the transaction again";
            match (error.code(), error.hint()) {
                (ErrorCode::SerializationFailure, _) => error.with_hint(again),
                (ErrorCode::Store | ErrorCode::DiskFull | ErrorCode::CommitUnknown, _) | (_, Some(_)) => {
                    error
                }
                (_, None) => error.with_hint("nothing was committed: others have changed what it builds on"),
            }
        })?;
        faults::after_commit(self)
    }

    pub(crate) fn roll_back(&self) -> Result<()> {
        self.work().transaction.take().map(drop).ok_or_else(none_open)
    }

    pub(crate) fn set_isolation(&self, level: IsolationLevel, for_session: bool) -> Result<()> {
        let mut work = self.work();
        match (&mut work.transaction, for_session) {
            (_, true) => work.isolation = level,
            (Some(transaction), false) if transaction.has_changes() => {
                return Err(Error::new(
                    ErrorCode::ActiveTransaction,
                    "the transaction has changed something already",
                )
                .with_hint("set its isolation level first, or with BEGIN ISOLATION LEVEL …"));
            }
            (Some(transaction), false) => transaction.isolation = level,
            (None, false) => {
                return Err(none_open().with_hint(
                    "say it after BEGIN, or SET SESSION CHARACTERISTICS AS TRANSACTION ISOLATION LEVEL … for all",
                ));
            }
        }
        Ok(())
    }

    /// Of the open transaction, or of the next.
    pub(crate) fn isolation(&self) -> IsolationLevel {
        let work = self.work();
        work.transaction.as_ref().map_or(work.isolation, |transaction| transaction.isolation)
    }

    /// Looks at the catalog as it was from now on.
    ///
    /// # Errors
    /// `UndefinedVersion`, `ActiveTransaction`.
    pub(crate) fn travel(&self, option: &'static str, value: &str, at: &AsOf) -> Result<()> {
        if self.in_transaction() {
            return Err(Error::new(
                ErrorCode::ActiveTransaction,
                format!("{option} is set inside of a transaction"),
            )
            .with_hint("COMMIT or ROLLBACK first"));
        }
        let newest = self.engine.newest();
        let snapshot = Arc::new(newest.at(at)?);
        self.engine.snapshots.add(&snapshot);
        let mut work = self.work();
        work.seen = None;
        work.travel = Some(Travel { option, value: value.to_owned(), snapshot });
        Ok(())
    }

    pub(crate) fn come_back(&self) {
        let mut work = self.work();
        work.travel = None;
        work.seen = None;
    }

    /// The value of an option of [`TRAVEL_OPTIONS`].
    pub(crate) fn travels_to(&self, option: &str) -> String {
        match &self.work().travel {
            Some(travel) if travel.option == option => travel.value.clone(),
            _ => "newest".to_owned(),
        }
    }
}

fn looks_back(travel: &Travel) -> Error {
    let (option, value) = (travel.option, &travel.value);
    Error::new(ErrorCode::ReadOnly, format!("{option} is {value}: the past cannot be changed"))
        .with_hint(format!("RESET {option} first"))
}

fn none_open() -> Error {
    Error::new(ErrorCode::NoActiveTransaction, "no transaction is open").with_hint("BEGIN starts one")
}
