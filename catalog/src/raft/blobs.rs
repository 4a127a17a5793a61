//! The bytes of modules, on every replica. A command that names them is committed after a majority has them; who lacks
//! them gets them from another one.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use nyala_schema::guest::ModuleHash;
use nyala_schema::{Error, ErrorCode, Result};
use tokio::time::{Instant, timeout};

use super::message::{Hash, Request, Response};
use super::network::Peer;
use super::octets::Octets;
use super::replica::Replica;
use super::types::{Refusal, decode, encode};
use crate::blob::{Blobs, hash};

pub struct ReplicaBlobs {
    local: Arc<dyn Blobs>,
    /// When bytes came: a command may be about to name them.
    arrived: Mutex<BTreeMap<ModuleHash, Instant>>,
    grace: Duration,
    started: Instant,
}

impl ReplicaBlobs {
    pub fn new(local: Arc<dyn Blobs>, grace: Duration) -> Self {
        Self { local, arrived: Mutex::default(), grace, started: Instant::now() }
    }

    /// Before they are written, so that none is collected in between.
    fn put(&self, bytes: &[u8]) -> Result<ModuleHash> {
        let mut arrived = self.arrived.lock().unwrap_or_else(PoisonError::into_inner);
        arrived.insert(hash(bytes), Instant::now());
        drop(arrived);
        self.local.put(bytes)
    }

    pub(super) fn serve_get(&self, hash: Hash) -> Response {
        match self.local.get(ModuleHash(hash.0)) {
            Ok(bytes) => Response::Blob(bytes.map(Octets)),
            Err(error) => Response::Failed(Refusal::from(&error)),
        }
    }

    pub(super) fn serve_put(&self, bytes: &[u8]) -> Response {
        match self.put(bytes) {
            Ok(_) => Response::BlobKept,
            Err(error) => Response::Failed(Refusal::from(&error)),
        }
    }
}

impl Replica {
    /// Keeps bytes on a majority of the voters, so that a command may name them.
    ///
    /// # Errors
    /// `Store` when they cannot be kept here; `Connection` when a majority could not be reached.
    pub async fn put_blob(&self, bytes: &[u8]) -> Result<ModuleHash> {
        let hash = self.blobs().put(bytes)?;
        let voters = self.status().voters;
        let request = encode(&Request::PutBlob(Octets(bytes.to_vec())))?;
        let mut keepers = usize::from(voters.contains(&self.id()));
        for peer in self.peers().iter().filter(|peer| voters.contains(&peer.id)) {
            if keepers > voters.len() / 2 {
                break;
            }
            if matches!(self.ask(peer, &request).await, Some(Response::BlobKept)) {
                keepers += 1;
            }
        }
        if keepers > voters.len() / 2 {
            return Ok(hash);
        }
        Err(Error::new(
            ErrorCode::Connection,
            format!("only {keepers} of {} replicas have the module", voters.len()),
        )
        .with_hint(
            "a majority of the replicas must be up and reach each other; then run the statement again",
        ))
    }

    /// The bytes of that hash, from here or from another replica; `None` when no replica that answers has them. What
    /// comes from elsewhere is checked, and kept here.
    ///
    /// # Errors
    /// `Store` when they cannot be kept here.
    pub async fn blob(&self, wanted: ModuleHash) -> Result<Option<Vec<u8>>> {
        // Damaged bytes are got again.
        if let Ok(Some(bytes)) = self.blobs().local.get(wanted) {
            return Ok(Some(bytes));
        }
        let request = encode(&Request::GetBlob(wanted.into()))?;
        for peer in self.peers() {
            if let Some(Response::Blob(Some(bytes))) = self.ask(&peer, &request).await
                && hash(&bytes.0) == wanted
            {
                self.blobs().put(&bytes.0)?;
                return Ok(Some(bytes.0));
            }
        }
        Ok(None)
    }

    /// Gets what this replica's snapshot names and it does not have; what is still missing then.
    ///
    /// # Errors
    /// As [`blob`](Self::blob).
    pub async fn fetch_blobs(&self) -> Result<Vec<ModuleHash>> {
        let mut missing = Vec::new();
        for hash in self.snapshot().modules_in_use() {
            if self.blob(hash).await?.is_none() {
                missing.push(hash);
            }
        }
        Ok(missing)
    }

    /// Gets missing bytes whenever the catalog has changed, for as long as it is polled. What no replica had is
    /// asked for again at the next change.
    pub async fn follow_blobs(&self) {
        loop {
            let version = self.snapshot().version;
            match self.fetch_blobs().await {
                Ok(missing) if missing.is_empty() => {}
                Ok(missing) => tracing::warn!(?missing, "no replica that answers has these modules"),
                Err(error) => tracing::warn!(%error, "modules of other replicas could not be kept"),
            }
            self.progress().when(|applied| applied.snapshot.version > version).await;
        }
    }

    /// Gives up bytes that neither this replica's snapshot names, nor a command may be about to. `others` are those that
    /// queries still run.
    ///
    /// # Errors
    /// `Store` when something could not be removed.
    pub fn collect_blobs(&self, others: impl IntoIterator<Item = ModuleHash>) -> Result<()> {
        let blobs = self.blobs();
        // What came before the start may have come just before it.
        if blobs.started.elapsed() < blobs.grace {
            return Ok(());
        }
        let mut in_use = self.snapshot().modules_in_use();
        in_use.extend(others);
        let mut arrived = blobs.arrived.lock().unwrap_or_else(PoisonError::into_inner);
        arrived.retain(|_, at| at.elapsed() < blobs.grace);
        in_use.extend(arrived.keys());
        // Under the lock, so that nothing comes in between.
        blobs.local.retain(&in_use)
    }

    async fn ask(&self, peer: &Peer, request: &[u8]) -> Option<Response> {
        let answer = timeout(self.settings().attempt, self.network().call(peer, request.to_vec())).await;
        decode(&answer.ok()?.ok()?).ok()
    }
}
