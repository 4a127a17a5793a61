//! A node of a cluster: an engine, with what ties it to the others.

use std::ops::Range;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use nyala_catalog::catalog::system_clock;
use nyala_catalog::raft::{Settings as ReplicaSettings, SledReplicaStore};
use nyala_catalog::{FileBlobs, Replicated};
use nyala_cluster::{Cluster, ClusterParts, ClusterSettings, GossipSettings, Identity};
use nyala_coordinator::{AdmissionSettings, Coordinator, CoordinatorParts, CoordinatorSettings, Pool};
use nyala_exchange::{Exchange, ExchangeConfig, Transport};
use nyala_rpc::{RpcConfig, RpcTransport};
use nyala_schema::cluster::{Peer, ProtocolVersions};
use nyala_schema::option::DEFAULT_POOL;
use nyala_schema::{Error, ErrorCode, Result};
use nyala_storage::managed::Warehouse;
use rand::SeedableRng;
use rand::rngs::StdRng;
use tokio::runtime::{Builder, Runtime};
use tokio::time::timeout;

use crate::config::{NodeConfig, PoolConfig, TlsFiles};
use crate::engine::{Config, Engine, Ground};
use crate::handler::{NodeHandler, Receivers};
use crate::machine;
use crate::network::Network;
use crate::serve::ClientService;
use crate::session::Session;
use crate::shared_warehouse;
use crate::writing::Writing;

/// Threads that drive what waits, and those for what blocks: writing logs to disks, and sessions of clients.
const RUNTIME_THREADS: usize = 2;
pub const BLOCKING_THREADS_MAX: usize = 24;
/// The folder of tables in the data folder of a node that shares it with nobody.
const WAREHOUSE_FOLDER: &str = "warehouse";
/// The part of a drain's time that statements may take to end by themselves.
const STATEMENTS_SHARE: f64 = 0.9;
/// Queries that a node coordinates at once, for each of its worker threads: enough to keep them busy while some wait.
const RUNNING_PER_THREAD: usize = 2;
/// How long the threads of a node that stops may take.
const STOP_LIMIT: Duration = Duration::from_secs(5);

/// Dropping it stops it.
pub struct Node {
    engine: Arc<Engine>,
    network: Arc<Network>,
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
        let node = Self::on(&config, identity, &handler, &transport, &runtime);
        match node {
            Ok((engine, network)) => {
                Ok(Self { engine, network, handler, transport, runtime: Mutex::new(Some(runtime)) })
            }
            Err(error) => {
                handler.close();
                transport.shutdown();
                runtime.shutdown_timeout(STOP_LIMIT);
                Err(error)
            }
        }
    }

    /// Everything behind the transport.
    fn on(
        config: &NodeConfig,
        identity: Identity,
        handler: &Arc<NodeHandler>,
        transport: &Arc<RpcTransport>,
        runtime: &Runtime,
    ) -> Result<(Arc<Engine>, Arc<Network>)> {
        let (id, incarnation) = (identity.id, identity.incarnation);
        let warehouse = open_warehouse(config)?.owned_by(&id.to_string());
        let address = &transport.local().address;
        let makes = config.join.first().is_none_or(|first| first == address);
        let shared =
            runtime.block_on(shared_warehouse::id(&warehouse, makes && identity.cluster.is_none()))?;
        tracing::info!(node = %id, %address, warehouse = %shared, "the node starts");
        let dynamic: Arc<dyn Transport> = transport.clone();
        let cluster = runtime.block_on(Cluster::start(ClusterParts {
            identity,
            transport: dynamic.clone(),
            store: Arc::new(SledReplicaStore::open(&config.data)?),
            blobs: Arc::new(FileBlobs::open(&config.data)?),
            clock: system_clock(),
            settings: cluster_settings(config, address, &shared)?,
            seed: None,
        }))?;
        handler.set_cluster(cluster.clone());
        let catalog = Replicated::new(cluster.replica().clone(), runtime.handle().clone());
        let engine = Engine::on(
            Ground {
                place: format!("node {}", name(config, address)),
                catalog: Arc::new(catalog.clone()),
                blobs: Box::new(catalog),
                writing: Writing::of_node(&config.data, &warehouse),
                warehouse,
            },
            engine_config(config),
        )?;
        let exchange = {
            let _inside = runtime.enter();
            let mut settings = ExchangeConfig::default();
            stretch(config, [&mut settings.early_wait]);
            Exchange::new(dynamic.clone(), settings)
        };
        let leader = Arc::downgrade(&cluster);
        let coordinator = Coordinator::start(CoordinatorParts {
            transport: dynamic.clone(),
            members: cluster.members(),
            exchange: exchange.clone(),
            executor: engine.executor.clone(),
            runtime: runtime.handle().clone(),
            incarnation,
            leader: Arc::new(move || leader.upgrade()?.leader()),
            settings: coordinator_settings(config),
        });
        let network = Arc::new(Network {
            transport: dynamic,
            members: cluster.members(),
            cluster: cluster.clone(),
            exchange: exchange.clone(),
            coordinator: coordinator.clone(),
            runtime: runtime.handle().clone(),
        });
        engine.set_network(network.clone());
        let clients = ClientService::new(engine.clone(), cluster, runtime.handle().clone());
        handler.open(Receivers { clients, exchange, coordinator, engine: engine.clone() });
        join(config, &network, &engine, transport, runtime)?;
        Ok((engine, network))
    }

    pub fn engine(&self) -> &Arc<Engine> {
        &self.engine
    }

    pub fn session(&self) -> Session {
        self.engine.session()
    }

    /// Where it is reached, `host:port`.
    pub fn address(&self) -> &str {
        &self.peer().address
    }

    pub fn peer(&self) -> &Peer {
        self.transport.local()
    }

    pub fn cluster(&self) -> &Arc<Cluster> {
        &self.network.cluster
    }

    /// Where what waits is driven.
    pub fn runtime(&self) -> &tokio::runtime::Handle {
        &self.network.runtime
    }

    /// Takes no new work, waits until what runs has ended, and hands over what it leads. What has not ended by then is
    /// cancelled. The node can be stopped then, and started again.
    ///
    /// # Errors
    /// `Connection` when the lead of the catalog could not be handed over.
    pub fn drain(&self, limit: Duration) -> Result<()> {
        self.network.runtime.block_on(self.network.cluster.drain(limit))
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
        self.engine.statements.kill_all();
        self.handler.close();
        let stopped = runtime.block_on(async { timeout(STOP_LIMIT, self.network.cluster.stop()).await });
        if stopped.is_err() {
            tracing::warn!("the node's place in the cluster did not end in time");
        }
        self.transport.shutdown();
        runtime.shutdown_timeout(STOP_LIMIT);
    }
}

/// Waits until the node is in, then removes what an earlier run of it left unfinished, and follows the catalog.
fn join(
    config: &NodeConfig,
    network: &Arc<Network>,
    engine: &Arc<Engine>,
    transport: &RpcTransport,
    runtime: &Runtime,
) -> Result<()> {
    let cluster = &network.cluster;
    let ready = runtime.block_on(async { timeout(config.join_limit, cluster.ready()).await });
    ready.unwrap_or_else(|_| {
        let why = cluster.status().waits_for.unwrap_or_else(|| "the catalog has not come".into());
        let message = format!("the node is not in the cluster after {} s: {why}", config.join_limit.as_secs());
        Err(Error::new(ErrorCode::Connection, message)
            .with_hint("see that the addresses in --join are those of nodes that run, and that a majority of the catalog is up"))
    })?;
    if let Some(id) = cluster.status().cluster {
        transport.set_cluster_id(u128::from(id.id));
    }
    let newest = engine.catalog.newest()?;
    engine.writing.collect(engine.warehouse(), &newest)?;
    let replica = cluster.replica().clone();
    runtime.spawn(async move { replica.follow_blobs().await });
    let (coordinator, engine) = (Arc::downgrade(&network.coordinator), Arc::downgrade(engine));
    cluster.when_drained(Box::new(move |limit| Box::pin(finish(coordinator.clone(), engine.clone(), limit))));
    Ok(())
}

/// Lets what runs on a node end, and ends what has not by then.
async fn finish(coordinator: Weak<Coordinator>, engine: Weak<Engine>, limit: Duration) {
    let (Some(coordinator), Some(engine)) = (coordinator.upgrade(), engine.upgrade()) else { return };
    let statements = async {
        // Who is ended needs a moment too.
        if timeout(limit.mul_f64(STATEMENTS_SHARE), engine.statements.when_idle()).await.is_err() {
            engine.statements.kill_all();
        }
    };
    tokio::join!(coordinator.drain(limit), statements);
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

fn stretch<const N: usize>(config: &NodeConfig, times: [&mut Duration; N]) {
    times.into_iter().for_each(|time| *time *= config.slack.max(1));
}

/// What the node says that it speaks.
fn protocol(config: &NodeConfig) -> Result<ProtocolVersions> {
    match config.claim_protocol {
        None => Ok(nyala_rpc::PROTOCOL),
        Some(max) if config.allow_faults && max > 0 => {
            Ok(ProtocolVersions { min: max.saturating_sub(1).max(1), max })
        }
        Some(max) => {
            let message = format!("the node cannot claim to speak version {max} of the protocol");
            Err(Error::new(ErrorCode::InvalidParameter, message)
                .with_hint("that is for tests: a version from 1, together with --allow-faults"))
        }
    }
}

fn open_warehouse(config: &NodeConfig) -> Result<Warehouse> {
    match &config.warehouse {
        Some(location) => Warehouse::open(location),
        None => Warehouse::open(&config.data.join(WAREHOUSE_FOLDER).to_string_lossy()),
    }
}

fn name<'a>(config: &'a NodeConfig, address: &'a str) -> &'a str {
    config.name.as_deref().unwrap_or(address)
}

fn cluster_settings(config: &NodeConfig, address: &str, warehouse: &str) -> Result<ClusterSettings> {
    let (mut gossip, mut replica) = (GossipSettings::default(), ReplicaSettings::default());
    stretch(
        config,
        [&mut gossip.interval, &mut gossip.suspect_after, &mut gossip.down_after, &mut gossip.limit],
    );
    let Range { start, end } = &mut replica.election;
    stretch(config, [&mut replica.heartbeat, start, end, &mut replica.attempt, &mut replica.patience]);
    Ok(ClusterSettings {
        name: name(config, address).to_owned(),
        cluster_name: config.cluster.clone(),
        join: config.join.clone(),
        roles: config.roles,
        cores: u32::try_from(config.threads).unwrap_or(u32::MAX),
        memory_bytes: config.memory_bytes,
        http: config.http.map(|http| http.to_string()),
        machine: machine::own(),
        protocol: protocol(config)?,
        warehouse: Some(warehouse.to_owned()),
        gossip,
        replica,
        ..ClusterSettings::default()
    })
}

fn engine_config(config: &NodeConfig) -> Config {
    let mut options = config.options.clone();
    options.threads = config.threads;
    Config {
        data: Some(config.data.clone()),
        compiler: config.compiler.clone(),
        options,
        memory_bytes: Some(config.memory_bytes),
        allow_faults: config.allow_faults,
        ..Config::default()
    }
}

fn coordinator_settings(config: &NodeConfig) -> CoordinatorSettings {
    let mut pools: Vec<Pool> = config.pools.iter().map(|(name, pool)| pool_of(name, pool)).collect();
    // The first is for those who name none.
    pools.sort_by_key(|pool| pool.name != DEFAULT_POOL);
    if pools.first().is_none_or(|pool| pool.name != DEFAULT_POOL) {
        pools.insert(0, pool_of(DEFAULT_POOL, &PoolConfig::default()));
    }
    let mut settings = CoordinatorSettings {
        admission: AdmissionSettings { pools, ..AdmissionSettings::default() },
        seed: rand::random(),
        running_at_once: RUNNING_PER_THREAD * config.threads.max(1),
        ..CoordinatorSettings::default()
    };
    let admission = &mut settings.admission;
    stretch(config, [&mut admission.lease, &mut admission.settle, &mut admission.patience]);
    stretch(
        config,
        [
            &mut settings.call_deadline,
            &mut settings.report_interval,
            &mut settings.report_silence_max,
            &mut settings.coordinator_grace,
        ],
    );
    settings
}

fn pool_of(name: &str, pool: &PoolConfig) -> Pool {
    Pool {
        name: name.to_owned(),
        slots: pool.slots,
        memory_bytes: pool.memory_bytes,
        queue_length: pool.queue,
        queue_timeout: pool.queue_timeout,
        per_user: pool.slots_per_user,
        priority: pool.priority,
    }
}
