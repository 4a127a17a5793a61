//! A node of a cluster: an engine, with what ties it to the others.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use nyala_catalog::FileBlobs;
use nyala_catalog::catalog::system_clock;
use nyala_catalog::raft::SledReplicaStore;
use nyala_cluster::{Cluster, Identity};
use nyala_exchange::Transport;
use nyala_rpc::{RpcConfig, RpcTransport};
use nyala_schema::cluster::Peer;
use nyala_schema::{Error, Result};
use rand::SeedableRng;
use rand::rngs::StdRng;
use tokio::runtime::{Builder, Runtime};

use crate::config::{NodeConfig, TlsFiles};
use crate::engine::Engine;
use crate::handler::NodeHandler;
use crate::parts::{Foundation, Parts, STOP_LIMIT};
use crate::session::Session;
use crate::settings::{protocol, stretch};

/// Threads that drive what waits, and those for what blocks: writing logs to disks, and sessions of clients.
const RUNTIME_THREADS: usize = 2;
pub const BLOCKING_THREADS_MAX: usize = 24;

/// Dropping it stops it.
pub struct Node {
    parts: Parts,
    handler: Arc<NodeHandler>,
    transport: Arc<RpcTransport>,
    runtime: Mutex<Option<Runtime>>,
}

impl Node {
    /// Opens the data folder, joins the cluster or makes one, and takes part in it when this returns. Not to be called on a
    /// thread of an async runtime.
    ///
    /// # Errors
    /// `Store` for a data folder that is damaged, or another process's; `Connection` when no node of the cluster answers, or
    /// refuses this one; `InvalidParameter` for a configuration that does not go together.
    pub fn start(config: NodeConfig) -> Result<Self> {
        let runtime = Builder::new_multi_thread()
            .worker_threads(RUNTIME_THREADS)
            .max_blocking_threads(BLOCKING_THREADS_MAX)
            .thread_name("nyala-node")
            .enable_all()
            .build()
            .map_err(|error| Error::internal(format!("no runtime for a node: {error}")))?;
        let identity = Identity::open(Some(&config.data), &config.cluster, &mut StdRng::from_entropy())?;
        let handler = NodeHandler::new();
        let transport = RpcTransport::start(rpc_config(&config, &identity, &runtime)?, handler.clone())?;
        match Self::on(&config, identity, &handler, &transport, &runtime) {
            Ok(parts) => Ok(Self { parts, handler, transport, runtime: Mutex::new(Some(runtime)) }),
            Err(error) => {
                handler.close();
                transport.shutdown();
                runtime.shutdown_timeout(STOP_LIMIT);
                Err(error)
            }
        }
    }

    fn on(
        config: &NodeConfig,
        identity: Identity,
        handler: &Arc<NodeHandler>,
        transport: &Arc<RpcTransport>,
        runtime: &Runtime,
    ) -> Result<Parts> {
        let foundation = Foundation {
            identity,
            transport: transport.clone(),
            store: Arc::new(SledReplicaStore::open(&config.data)?),
            blobs: Arc::new(FileBlobs::open(&config.data)?),
            clock: system_clock(),
            runtime: runtime.handle().clone(),
            simulated: None,
        };
        let parts = runtime.block_on(Parts::start(config, foundation, handler))?;
        if let Some(id) = parts.cluster.status().cluster {
            transport.set_cluster_id(u128::from(id.id));
        }
        Ok(parts)
    }

    pub fn engine(&self) -> &Arc<Engine> {
        &self.parts.engine
    }

    pub fn session(&self) -> Session {
        self.parts.engine.session()
    }

    /// Where it is reached, `host:port`.
    pub fn address(&self) -> &str {
        &self.peer().address
    }

    pub fn peer(&self) -> &Peer {
        self.transport.local()
    }

    pub fn cluster(&self) -> &Arc<Cluster> {
        &self.parts.cluster
    }

    /// Where what waits is driven.
    pub fn runtime(&self) -> &tokio::runtime::Handle {
        &self.parts.network.runtime
    }

    /// Takes no new work, waits until what runs has ended, and hands over what it leads. What has not ended by then is
    /// cancelled. The node can be stopped then, and started again.
    ///
    /// # Errors
    /// `Connection` when the lead of the catalog could not be handed over.
    pub fn drain(&self, limit: Duration) -> Result<()> {
        self.runtime().block_on(self.cluster().drain(limit))
    }

    /// Ends it at once: what runs fails. All threads, connections and files are free when this returns, but for those of
    /// sessions that are still held.
    pub fn stop(self) {}
}

impl Drop for Node {
    fn drop(&mut self) {
        let Some(runtime) = self.runtime.lock().unwrap_or_else(PoisonError::into_inner).take() else {
            return;
        };
        runtime.block_on(self.parts.stop(&self.handler));
        self.transport.shutdown();
        runtime.shutdown_timeout(STOP_LIMIT);
    }
}

fn rpc_config(config: &NodeConfig, identity: &Identity, runtime: &Runtime) -> Result<RpcConfig> {
    let mut rpc = RpcConfig::local(&config.cluster, identity.id);
    rpc.listen = config.listen.to_string();
    rpc.address.clone_from(&config.advertise);
    rpc.incarnation = identity.incarnation;
    rpc.cluster_id = identity.cluster.as_ref().map(|cluster| u128::from(cluster.id));
    rpc.tls = config.tls.as_ref().map(TlsFiles::read).transpose()?;
    rpc.insecure = config.allow_insecure;
    rpc.protocol = protocol(config)?;
    rpc.runtime = Some(runtime.handle().clone());
    let limits = &mut rpc.limits;
    stretch(config, [&mut limits.heartbeat_every, &mut limits.heartbeat_limit, &mut limits.hello_limit]);
    Ok(rpc)
}
