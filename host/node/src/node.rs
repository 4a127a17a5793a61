//! A node of a cluster: an engine, with what ties it to the others.

use std::sync::Arc;
use std::time::Duration;

use nyala_schema::cluster::Peer;
use nyala_schema::{Error, Result};

use crate::config::NodeConfig;
use crate::engine::Engine;
use crate::session::Session;

/// Dropping it stops it.
pub struct Node {
    engine: Arc<Engine>,
    local: Peer,
}

impl Node {
    /// Opens the data folder, joins the cluster or makes one, and takes part in it when this returns. Not to be called on a
    /// thread of an async runtime.
    ///
    /// # Errors
    /// `Store` for a data folder that is damaged, or another process's; `Connection` when no node of the cluster answers, or
    /// refuses this one; `InvalidParameter` for a configuration that does not go together.
    pub fn start(config: NodeConfig) -> Result<Self> {
        let _ = config;
        Err(Error::unsupported("nodes"))
    }

    pub fn engine(&self) -> &Arc<Engine> {
        &self.engine
    }

    pub fn session(&self) -> Session {
        self.engine.session()
    }

    /// Where it is reached, `host:port`.
    pub fn address(&self) -> &str {
        &self.local.address
    }

    pub fn peer(&self) -> &Peer {
        &self.local
    }

    /// Takes no new work, waits until what runs has ended, and leaves the cluster. What has not ended by then is cancelled.
    ///
    /// # Errors
    /// `Connection` when no majority of the catalog could be told.
    pub fn drain(&self, limit: Duration) -> Result<()> {
        let _ = limit;
        Err(Error::unsupported("nodes"))
    }

    /// Ends it at once: what runs fails. All threads, connections and files are free when this returns.
    pub fn stop(self) {}
}
