//! The catalog as an engine uses it: that of one process, or this node's replica of a cluster's.

use std::sync::Arc;
use std::time::Duration;

use nyala_schema::command::Command;
use nyala_schema::{Error, ErrorCode, Result};

use crate::catalog::Catalog;
use crate::snapshot::Snapshot;

pub use crate::raft::Outcome;
/// Names one commit of one statement, over all tries at it.
pub use crate::raft::ProposalId as CommitId;

/// Every call may block: not for the threads of an async runtime.
pub trait CatalogHandle: Send + Sync {
    /// The newest that is known here.
    fn snapshot(&self) -> Arc<Snapshot>;

    /// One that has all that was committed before the call, on any node.
    ///
    /// # Errors
    /// `Connection` when no majority could be asked.
    fn newest(&self) -> Result<Arc<Snapshot>>;

    /// Applies a command and keeps it; when this returns it is durable, and visible here.
    ///
    /// # Errors
    /// Those of [`apply`](crate::apply()): nothing has changed then. `Connection`: nothing was done. `CommitUnknown`: it may
    /// have been done. `Store` and `DiskFull`, also then.
    fn commit(&self, command: &Command) -> Result<Arc<Snapshot>>;

    /// As [`commit`](Self::commit), under a name by which its [`outcome`](Self::outcome) can be asked for on any node.
    ///
    /// # Errors
    /// As [`commit`](Self::commit).
    fn commit_as(&self, id: CommitId, command: &Command) -> Result<Arc<Snapshot>>;

    /// What became of a commit of that name. Asking ends it: what has not been done by then never will be.
    ///
    /// # Errors
    /// `Connection` when no majority could be asked; `Unsupported` where nobody remembers.
    fn outcome(&self, id: CommitId) -> Result<Outcome>;

    /// A snapshot of at least this version, as soon as it is here.
    ///
    /// # Errors
    /// `Connection` when it does not come in time.
    fn wait_for(&self, version: u64, limit: Duration) -> Result<Arc<Snapshot>>;

    /// Keeps all of the newest snapshot that is known here, apart from the changes that led to it, and says which version it is. Of a
    /// cluster, on this node.
    ///
    /// # Errors
    /// Those of the store.
    fn checkpoint(&self) -> Result<u64>;

    /// Puts a snapshot, with all its history, in the place of an empty catalog.
    ///
    /// # Errors
    /// `InvalidParameter` when there is something in the catalog, or it has had more versions; those of the store.
    fn install(&self, snapshot: Snapshot) -> Result<Arc<Snapshot>>;
}

impl CatalogHandle for Catalog {
    fn snapshot(&self) -> Arc<Snapshot> {
        Self::snapshot(self)
    }

    fn newest(&self) -> Result<Arc<Snapshot>> {
        Ok(Self::snapshot(self))
    }

    fn commit(&self, command: &Command) -> Result<Arc<Snapshot>> {
        Self::commit(self, command)
    }

    /// Who asks in the same process gets its answer: no name is needed.
    fn commit_as(&self, _: CommitId, command: &Command) -> Result<Arc<Snapshot>> {
        Self::commit(self, command)
    }

    fn outcome(&self, _: CommitId) -> Result<Outcome> {
        Err(Error::unsupported("outcomes of statements are kept by clusters only"))
    }

    fn wait_for(&self, version: u64, _: Duration) -> Result<Arc<Snapshot>> {
        let snapshot = Self::snapshot(self);
        if snapshot.version >= version { Ok(snapshot) } else { Err(not_here(version, snapshot.version)) }
    }

    fn checkpoint(&self) -> Result<u64> {
        Self::checkpoint(self)
    }

    fn install(&self, snapshot: Snapshot) -> Result<Arc<Snapshot>> {
        Self::install(self, snapshot)
    }
}

pub(crate) fn not_here(wanted: u64, version: u64) -> Error {
    let message = format!("version {wanted} of the catalog has not come here: it is at version {version}");
    Error::new(ErrorCode::Connection, message).with_hint("another node may have it; or try again")
}
