//! Everything of a node behind its transport: a program has it on sockets, disks and threads, a simulation on what it makes of
//! them.

use std::sync::{Arc, Mutex, Weak};
use std::time::Duration;

use nyala_catalog::catalog::Clock;
use nyala_catalog::raft::ReplicaStore;
use nyala_catalog::{Blobs, Replicated, Waiter};
use nyala_cluster::{Cluster, ClusterParts, Identity};
use nyala_coordinator::{Coordinator, CoordinatorParts, Leadership};
use nyala_exchange::{Exchange, Transport};
use nyala_executor::Executor;
use nyala_schema::{Error, ErrorCode, Result};
use nyala_storage::managed::Warehouse;
use rand::SeedableRng;
use rand::rngs::StdRng;
use tokio::runtime::Handle;
use tokio::time::timeout;

use crate::config::NodeConfig;
use crate::engine::{Engine, Ground};
use crate::handler::{NodeHandler, Receivers};
use crate::network::Network;
use crate::serve::ClientService;
use crate::settings::{cluster_settings, coordinator_settings, engine_config, exchange_config, node_name};
use crate::shared_warehouse;
use crate::writing::Writing;

/// The folder of tables in the data folder of a node that shares it with nobody.
const WAREHOUSE_FOLDER: &str = "warehouse";
/// The part of a drain's time that statements may take to end by themselves.
const STATEMENTS_SHARE: f64 = 0.9;
/// How long what a node is in the middle of may take to end when it stops.
pub const STOP_LIMIT: Duration = Duration::from_secs(5);

/// What a node stands on.
pub struct Foundation {
    /// Opened before the transport, which tells others of it.
    pub identity: Identity,
    pub transport: Arc<dyn Transport>,
    pub store: Arc<dyn ReplicaStore>,
    pub blobs: Arc<dyn Blobs>,
    pub clock: Box<Clock>,
    /// Drives what waits.
    pub runtime: Handle,
    /// `None` for a real one.
    pub simulated: Option<Simulated>,
}

/// One thread does everything, in an order that follows from a seed.
pub struct Simulated {
    pub seed: u64,
    /// How sessions wait.
    pub waiter: Arc<dyn Waiter>,
}

/// A node without its transport.
pub struct Parts {
    pub engine: Arc<Engine>,
    pub cluster: Arc<Cluster>,
    pub coordinator: Arc<Coordinator>,
    pub exchange: Arc<Exchange>,
    pub executor: Arc<Executor>,
    pub(crate) network: Arc<Network>,
}

impl Parts {
    /// Joins the cluster or makes one, and takes part in it when this returns. Reads and writes small files on the way.
    ///
    /// # Errors
    /// `Store` for a data folder that is damaged; `Connection` when no node of the cluster answers, or refuses this one;
    /// `InvalidParameter` for a configuration that does not go together.
    pub async fn start(
        config: &NodeConfig,
        foundation: Foundation,
        handler: &Arc<NodeHandler>,
    ) -> Result<Self> {
        let Foundation { identity, transport, store, blobs, clock, runtime, simulated } = foundation;
        let (id, incarnation) = (identity.id, identity.incarnation);
        let seed = simulated.as_ref().map(|it| it.seed);
        let waiter = simulated.map_or_else(|| Arc::new(runtime.clone()) as Arc<dyn Waiter>, |it| it.waiter);
        let warehouse = open_warehouse(config)?.owned_by(&id.to_string());
        let address = transport.local().address.clone();
        let makes = config.join.first().is_none_or(|first| *first == address);
        let shared = shared_warehouse::id(&warehouse, makes && identity.cluster.is_none()).await?;
        tracing::info!(node = %id, %address, warehouse = %shared, "the node starts");
        let cluster = Cluster::start(ClusterParts {
            identity,
            transport: transport.clone(),
            store,
            blobs,
            clock,
            settings: cluster_settings(config, &address, &shared, seed.is_some())?,
            seed,
        });
        let cluster = cluster.await?;
        handler.set_cluster(cluster.clone());
        let engine = engine_on(config, &address, &cluster, warehouse, waiter.clone(), seed.is_some())?;
        let exchange = Exchange::new(transport.clone(), exchange_config(config));
        let leader = Arc::downgrade(&cluster);
        let coordinator = Coordinator::start(CoordinatorParts {
            transport: transport.clone(),
            members: cluster.members(),
            exchange: exchange.clone(),
            executor: engine.executor.clone(),
            runtime: runtime.clone(),
            incarnation,
            leader: Arc::new(move || {
                let (node, term) = leader.upgrade()?.leader_of_term()?;
                Some(Leadership { node, term })
            }),
            settings: coordinator_settings(config, seed),
        });
        let network = Arc::new(Network {
            transport,
            members: cluster.members(),
            cluster: cluster.clone(),
            exchange: exchange.clone(),
            coordinator: coordinator.clone(),
            runtime: runtime.clone(),
            waiter,
            random: seed.map(|seed| Mutex::new(StdRng::seed_from_u64(seed))),
        });
        engine.set_network(network.clone());
        let clients = ClientService::new(engine.clone(), cluster.clone(), runtime);
        handler.open(Receivers {
            clients,
            exchange: exchange.clone(),
            coordinator: coordinator.clone(),
            engine: engine.clone(),
        });
        let executor = engine.executor.clone();
        let parts = Self { engine, cluster, coordinator, exchange, executor, network };
        match parts.join(config).await {
            Ok(()) => Ok(parts),
            Err(error) => {
                parts.stop(handler).await;
                Err(error)
            }
        }
    }

    /// Waits until the node is in, then removes what an earlier run of it left unfinished.
    async fn join(&self, config: &NodeConfig) -> Result<()> {
        let ready = timeout(config.join_limit, self.cluster.ready()).await;
        ready.unwrap_or_else(|_| {
            let why = self.cluster.status().waits_for.unwrap_or_else(|| "the catalog has not come".into());
            let limit = config.join_limit.as_secs();
            let message = format!("the node is not in the cluster after {limit} s: {why}");
            Err(Error::new(ErrorCode::Connection, message)
                .with_hint("see that the addresses in --join are those of nodes that run, and that a majority of the catalog is up"))
        })?;
        let newest = self.cluster.read_latest().await?;
        self.engine.writing.collect(self.engine.warehouse(), &newest)?;
        let (coordinator, engine) = (Arc::downgrade(&self.coordinator), Arc::downgrade(&self.engine));
        self.cluster.when_drained(Box::new(move |limit| {
            Box::pin(finish(coordinator.clone(), engine.clone(), limit))
        }));
        Ok(())
    }

    /// Ends it: what runs fails.
    pub async fn stop(&self, handler: &NodeHandler) {
        self.kill_statements();
        handler.close();
        if timeout(STOP_LIMIT, self.cluster.stop()).await.is_err() {
            tracing::warn!("the node's place in the cluster did not end in time");
        }
    }

    pub fn kill_statements(&self) {
        self.engine.statements.kill_all();
    }

    pub fn statements_running(&self) -> u64 {
        self.engine.statements.counts().running
    }
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

/// With the catalog that the cluster replicates.
fn engine_on(
    config: &NodeConfig,
    address: &str,
    cluster: &Cluster,
    warehouse: Warehouse,
    waiter: Arc<dyn Waiter>,
    is_driven: bool,
) -> Result<Arc<Engine>> {
    let catalog = Replicated::new(cluster.replica().clone(), waiter);
    let writing = Writing::of_node(&config.data, &warehouse);
    let ground = Ground {
        place: format!("node {}", node_name(config, address)),
        catalog: Arc::new(catalog.clone()),
        blobs: Box::new(catalog),
        warehouse,
        writing,
        is_driven,
    };
    Engine::on(ground, engine_config(config))
}

fn open_warehouse(config: &NodeConfig) -> Result<Warehouse> {
    match &config.warehouse {
        Some(location) => Warehouse::open(location),
        None => Warehouse::open(&config.data.join(WAREHOUSE_FOLDER).to_string_lossy()),
    }
}
