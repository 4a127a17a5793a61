//! The changes of one transaction, and the snapshot that they make.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use nyala_catalog::Snapshot;
use nyala_frontend::IsolationLevel;
use nyala_schema::command::{Command, Entry, TableRead};
use nyala_schema::id::TableId;
use nyala_schema::managed::{ColumnSketch, ManagedTable, Requirement, TableChange, TableOperation};
use nyala_schema::table::{TableDefinition, TableName};
use nyala_schema::{Error, ErrorCode, Result};

use super::net;
use super::uncommitted::UncommittedFiles;
use crate::modules::InUse;

/// Nothing of it is seen outside before COMMIT.
pub struct Transaction {
    pub isolation: IsolationLevel,
    /// What it started from; with READ COMMITTED what its last statement did.
    base: Arc<Snapshot>,
    /// `base` with all steps.
    staged: Arc<Snapshot>,
    steps: Vec<Step>,
    /// Tables that must be as in `base` at COMMIT, because the commands name what came in the transaction.
    pinned: BTreeSet<TableName>,
    /// Tables whose definition the transaction has changed, or that it made.
    redefined: BTreeSet<TableId>,
    /// The names that SERIALIZABLE has read.
    reads: Arc<Mutex<BTreeSet<TableName>>>,
    files: Arc<UncommittedFiles>,
    failed: Arc<AtomicBool>,
    _in_use: InUse,
}

enum Step {
    Command(Command),
    /// All changes of the rows of one table that was there before: told from the two snapshots.
    Change(TableChanges),
}

struct TableChanges {
    /// Which it keeps: a rename would have made a command of this.
    name: TableName,
    id: TableId,
    operation: TableOperation,
    requirement: Requirement,
    sketches: Vec<ColumnSketch>,
}

impl Transaction {
    pub fn new(isolation: IsolationLevel, base: Arc<Snapshot>, in_use: InUse) -> Self {
        Self {
            isolation,
            staged: Arc::clone(&base),
            base,
            steps: Vec::new(),
            pinned: BTreeSet::new(),
            redefined: BTreeSet::new(),
            reads: Arc::default(),
            files: Arc::default(),
            failed: Arc::default(),
            _in_use: in_use,
        }
    }

    /// What its next statement sees.
    pub fn snapshot(&self) -> &Arc<Snapshot> {
        &self.staged
    }

    pub fn has_changes(&self) -> bool {
        !self.steps.is_empty()
    }

    pub fn files(&self) -> &Arc<UncommittedFiles> {
        &self.files
    }

    /// Set when a statement fails, also one whose rows are still being read.
    pub fn failed(&self) -> &Arc<AtomicBool> {
        &self.failed
    }

    pub fn has_failed(&self) -> bool {
        self.failed.load(Ordering::Relaxed)
    }

    /// Where the tables that are read are to be noted.
    pub fn reads(&self) -> Option<Arc<Mutex<BTreeSet<TableName>>>> {
        (self.isolation == IsolationLevel::Serializable).then(|| Arc::clone(&self.reads))
    }

    /// Starts from `newest` for the next statement, as READ COMMITTED does.
    ///
    /// # Errors
    /// `SerializationFailure` when its changes do not go onto what others have committed.
    pub fn move_to(&mut self, newest: Arc<Snapshot>) -> Result<()> {
        if Arc::ptr_eq(&newest, &self.base) {
            return Ok(());
        }
        let moved = self.pinned.iter().find(|name| newest.read_version(name) != self.base.read_version(name));
        if let Some(name) = moved {
            return Err(changed(name));
        }
        self.staged = replay(&newest, &self.commands()?)?;
        self.base = newest;
        Ok(())
    }

    /// Applies a command to what the transaction sees.
    ///
    /// # Errors
    /// Those of applying it; nothing has changed then.
    pub fn stage(&mut self, command: Command) -> Result<Arc<Snapshot>> {
        let staged = apply(&self.staged, &command)?;
        match command {
            Command::ChangeTable(change) if !self.redefined.contains(&change.id) => self.add_change(change),
            command => {
                self.fix_changes(&command)?;
                // The ids of files may be others now.
                self.staged = replay(&self.base, &self.commands()?)?;
                let staged = apply(&self.staged, &command)?;
                self.note_redefined(&staged, &command);
                self.steps.push(Step::Command(command));
                self.staged = Arc::new(staged);
                return Ok(Arc::clone(&self.staged));
            }
        }
        self.staged = Arc::new(staged);
        Ok(Arc::clone(&self.staged))
    }

    fn add_change(&mut self, change: TableChange) {
        let known = self.steps.iter_mut().find_map(|step| match step {
            Step::Change(known) if known.id == change.id => Some(known),
            _ => None,
        });
        match known {
            Some(known) => {
                if known.operation != change.operation {
                    known.operation = TableOperation::Merge;
                }
                known.requirement = stronger(known.requirement, change.requirement);
                known.sketches.extend(change.sketches);
            }
            None => self.steps.push(Step::Change(TableChanges {
                name: change.table,
                id: change.id,
                operation: change.operation,
                requirement: change.requirement,
                sketches: change.sketches,
            })),
        }
    }

    /// Changes of tables that a command redefines are made commands before it, so that the two are applied in order.
    fn fix_changes(&mut self, command: &Command) -> Result<()> {
        let (base, staged) = (Arc::clone(&self.base), Arc::clone(&self.staged));
        let names = names_of(command);
        for step in &mut self.steps {
            let Step::Change(changes) = step else { continue };
            if names.as_ref().is_none_or(|names| names.contains(&changes.name)) {
                let change = changes.command(&base, &staged)?;
                self.redefined.insert(changes.id);
                self.pinned.insert(change.table.clone());
                *step = Step::Command(Command::ChangeTable(change));
            }
        }
        Ok(())
    }

    fn note_redefined(&mut self, after: &Snapshot, command: &Command) {
        if matches!(command, Command::ChangeTable(_)) {
            return;
        }
        for name in names_of(command).unwrap_or_default() {
            for snapshot in [self.staged.as_ref(), after] {
                if let Some(table) = managed(snapshot, &name) {
                    self.redefined.insert(table.id);
                    self.pinned.insert(name.clone());
                }
            }
        }
    }

    /// All steps as commands on `base`.
    fn commands(&self) -> Result<Vec<Command>> {
        let command = |step: &Step| match step {
            Step::Command(command) => Ok(command.clone()),
            Step::Change(changes) => Ok(Command::ChangeTable(changes.command(&self.base, &self.staged)?)),
        };
        self.steps.iter().map(command).collect()
    }

    /// What COMMIT gives to the catalog; `None` when nothing was changed.
    ///
    /// # Errors
    /// Our own mistakes.
    pub fn finish(&self) -> Result<Option<Command>> {
        let mut commands = self.commands()?;
        let read = self.reads.lock().unwrap_or_else(PoisonError::into_inner);
        let names: BTreeSet<&TableName> = self.pinned.iter().chain(read.iter()).collect();
        let version = |name: &&TableName| self.base.read_version(name);
        let reads = names.into_iter().map(|name| TableRead { name: name.clone(), version: version(&name) });
        let reads: Vec<TableRead> = reads.collect();
        Ok(match (commands.len(), reads.is_empty()) {
            (0, _) => None,
            (1, true) => commands.pop(),
            _ => Some(Command::Transaction { reads, commands }),
        })
    }
}

impl TableChanges {
    fn command(&self, base: &Snapshot, staged: &Snapshot) -> Result<TableChange> {
        let gone = || Error::internal(format!("table \"{}\" is not in its transaction any more", self.name));
        let before = managed(base, &self.name).ok_or_else(gone)?;
        let now = managed(staged, &self.name).ok_or_else(gone)?;
        let net = net::between(before, now);
        Ok(TableChange {
            table: self.name.clone(),
            id: self.id,
            base: before.version,
            operation: self.operation,
            // What came and went again leaves no file to speak of.
            sketches: if net.add.is_empty() { Vec::new() } else { self.sketches.clone() },
            add: net.add,
            remove: net.remove,
            delete: net.delete,
            requirement: self.requirement,
        })
    }
}

fn stronger(one: Requirement, other: Requirement) -> Requirement {
    let strength = |requirement: Requirement| match requirement {
        Requirement::Nothing => 0,
        Requirement::Files => 1,
        Requirement::Version => 2,
    };
    if strength(one) >= strength(other) { one } else { other }
}

/// The tables and views that a command defines; `None` when it may be any.
fn names_of(command: &Command) -> Option<Vec<TableName>> {
    Some(match command {
        Command::CreateTable { name, .. }
        | Command::DropTable { name, .. }
        | Command::AlterTable { name, .. }
        | Command::RollbackTable { name, .. }
        | Command::SetSummary { name, .. } => vec![name.clone()],
        Command::RenameTable { from, to } => vec![from.clone(), to.clone()],
        Command::ChangeTable(change) => vec![change.table.clone()],
        Command::Undrop { name, renamed, .. } => vec![renamed.as_ref().unwrap_or(name).clone()],
        Command::CreateFunction { .. }
        | Command::AddFunctionVersion { .. }
        | Command::SetFunctionVersion { .. }
        | Command::DropFunction { .. }
        | Command::CreateModule { .. }
        | Command::DropModule { .. }
        | Command::CreateOperator { .. }
        | Command::DropOperator { .. }
        | Command::CreateSchema { .. }
        | Command::Comment { .. } => vec![],
        Command::DropSchema { .. }
        | Command::RollbackCatalog { .. }
        | Command::Install { .. }
        | Command::Expire { .. }
        | Command::Transaction { .. } => return None,
    })
}

fn managed<'a>(snapshot: &'a Snapshot, name: &str) -> Option<&'a ManagedTable> {
    match snapshot.table(name)?.as_ref() {
        TableDefinition::Managed(table) => Some(table),
        _ => None,
    }
}

fn replay(base: &Arc<Snapshot>, commands: &[Command]) -> Result<Arc<Snapshot>> {
    let mut staged = Arc::clone(base);
    for command in commands {
        staged = Arc::new(apply(&staged, command)?);
    }
    Ok(staged)
}

fn apply(snapshot: &Snapshot, command: &Command) -> Result<Snapshot> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let at_ms = i64::try_from(now.as_millis()).unwrap_or(i64::MAX);
    nyala_catalog::apply(snapshot, &Entry { at_ms, command: command.clone() })
}

fn changed(table: &str) -> Error {
    Error::new(ErrorCode::SerializationFailure, format!("another commit has changed \"{table}\""))
        .with_hint("roll back and run the transaction again")
}
