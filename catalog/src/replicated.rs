//! A replica as an engine uses it, from threads that may block.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use nyala_schema::command::Command;
use nyala_schema::guest::ModuleHash;
use nyala_schema::{ErrorCode, Result};
use tokio::time::timeout;

use crate::blob::Blobs;
use crate::handle::{CatalogHandle, CommitId, Outcome, not_here};
use crate::raft::Replica;
use crate::snapshot::Snapshot;
use crate::waiter::Waiter;

/// The catalog of a node, and its modules.
#[derive(Clone)]
pub struct Replicated {
    replica: Replica,
    waiter: Arc<dyn Waiter>,
}

impl Replicated {
    pub fn new(replica: Replica, waiter: Arc<dyn Waiter>) -> Self {
        Self { replica, waiter }
    }

    fn wait<T: Send>(&self, task: impl Future<Output = T> + Send) -> T {
        self.waiter.wait(task)
    }
}

impl CatalogHandle for Replicated {
    fn snapshot(&self) -> Arc<Snapshot> {
        self.replica.snapshot()
    }

    fn newest(&self) -> Result<Arc<Snapshot>> {
        self.wait(self.replica.linearizable_snapshot())
    }

    fn commit(&self, command: &Command) -> Result<Arc<Snapshot>> {
        self.wait(self.replica.commit(command))
    }

    fn commit_as(&self, id: CommitId, command: &Command) -> Result<Arc<Snapshot>> {
        self.wait(self.replica.commit_as(id, command))
    }

    fn outcome(&self, id: CommitId) -> Result<Outcome> {
        self.wait(self.replica.outcome(id))
    }

    fn wait_for(&self, version: u64, limit: Duration) -> Result<Arc<Snapshot>> {
        let known = self.replica.snapshot();
        if known.version >= version {
            return Ok(known);
        }
        let came = self.wait(async { timeout(limit, self.replica.when_version(version)).await });
        came.map_err(|_| not_here(version, self.replica.snapshot().version))
    }

    fn checkpoint(&self) -> Result<u64> {
        self.wait(self.replica.checkpoint())
    }

    /// As one change, so that all replicas have it at the same place among all others.
    fn install(&self, snapshot: Snapshot) -> Result<Arc<Snapshot>> {
        let snapshot = snapshot.encode()?.into();
        self.commit(&Command::Install { snapshot }).map_err(|error| match error.code() {
            ErrorCode::TooComplex => error
                .with_hint("restore into an embedded engine: nyala --data DIR; COPY takes tables from there"),
            _ => error,
        })
    }
}

impl Blobs for Replicated {
    fn put(&self, bytes: &[u8]) -> Result<ModuleHash> {
        self.wait(self.replica.put_blob(bytes))
    }

    /// From here, or from another replica.
    fn get(&self, hash: ModuleHash) -> Result<Option<Vec<u8>>> {
        self.wait(self.replica.blob(hash))
    }

    /// Others may have put what a command is about to name: it stays for a while.
    fn retain(&self, in_use: &BTreeSet<ModuleHash>) -> Result<()> {
        self.replica.collect_blobs(in_use.iter().copied())
    }
}
