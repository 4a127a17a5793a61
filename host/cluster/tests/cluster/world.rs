//! Machines with disks, and the nodes that run on them.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

use arrow::datatypes::{DataType, Field, Schema};
use async_trait::async_trait;
use bytes::Bytes;
use nyala_catalog::MemoryBlobs;
use nyala_catalog::raft::MemoryReplicaStore;
use nyala_cluster::{Cluster, ClusterParts, ClusterSettings, Identity};
use nyala_exchange::memory::{MemoryNetwork, Weather};
use nyala_exchange::{Caller, Handler, Receipt, Service, StreamPart};
use nyala_schema::cluster::{NodeId, NodeState, Peer, StreamId};
use nyala_schema::command::{Command, OnConflict};
use nyala_schema::table::TableDefinition;
use nyala_schema::{Error, ErrorCode, Result};
use rand::SeedableRng;
use rand::rngs::StdRng;
use tempfile::TempDir;
use tokio::time::{Instant, sleep, timeout};

/// Brings what comes in to the cluster, as soon as there is one.
#[derive(Default)]
pub struct Door(OnceLock<Arc<Cluster>>);

#[async_trait]
impl Handler for Door {
    async fn call(&self, from: &Caller, service: Service, request: Bytes) -> Result<Bytes> {
        match self.0.get() {
            Some(cluster) => cluster.handle(from, service, request).await,
            None => Err(Error::new(ErrorCode::Connection, "the node starts")),
        }
    }

    fn receive(&self, _: NodeId, _: StreamId, _: StreamPart, _: Receipt) {}

    fn disconnected(&self, node: NodeId) {
        if let Some(cluster) = self.0.get() {
            cluster.disconnected(node);
        }
    }

    fn client_gone(&self, _: u64) {}
}

/// A machine: what stays when its node crashes.
struct Machine {
    folder: PathBuf,
    disk: MemoryReplicaStore,
}

pub struct World {
    pub network: Arc<MemoryNetwork>,
    seed: u64,
    starts: AtomicU64,
    /// How often all machines have got new addresses.
    pub moves: AtomicUsize,
    folder: TempDir,
    machines: Mutex<BTreeMap<u64, Machine>>,
}

pub fn address(machine: u64) -> String {
    format!("m{machine}:1")
}

impl World {
    pub fn new(seed: u64) -> Self {
        let weather = Weather { silence_max: Duration::from_secs(3), ..Weather::default() };
        Self {
            network: MemoryNetwork::new(seed, weather),
            seed,
            starts: AtomicU64::new(0),
            moves: AtomicUsize::new(0),
            folder: tempfile::tempdir().unwrap(),
            machines: Mutex::default(),
        }
    }

    /// Starts the node of a machine; machine 1 makes the cluster, the others join it.
    pub async fn start(&self, machine: u64) -> Arc<Cluster> {
        self.start_with(machine, |_| {}).await.unwrap()
    }

    pub async fn start_with(
        &self,
        machine: u64,
        change: impl FnOnce(&mut ClusterSettings),
    ) -> Result<Arc<Cluster>> {
        let (folder, disk, starts) = {
            let mut machines = self.machines.lock().unwrap();
            let new = || Machine {
                folder: self.folder.path().join(format!("m{machine}")),
                disk: MemoryReplicaStore::default(),
            };
            let known = machines.entry(machine).or_insert_with(new);
            (known.folder.clone(), known.disk.clone(), self.starts.fetch_add(1, Ordering::Relaxed))
        };
        let moves = self.moves.load(Ordering::Relaxed);
        let address = |machine: u64| format!("{}{}", address(machine), "0".repeat(moves));
        let join = if machine == 1 && moves == 0 { vec![] } else { vec![address(1), address(2), address(3)] };
        let mut settings = ClusterSettings {
            name: format!("n{machine}"),
            join,
            replace_voter_after: Duration::from_secs(20),
            ..ClusterSettings::default()
        };
        change(&mut settings);
        let seed = self.seed ^ (machine << 32) ^ (starts << 48);
        let mut random = StdRng::seed_from_u64(seed);
        let identity = Identity::open(Some(&folder), &settings.cluster_name, &mut random)?;
        let door = Arc::new(Door::default());
        let peer = Peer { id: identity.id, address: address(machine) };
        let transport = self.network.add(peer, identity.incarnation, door.clone());
        let parts = ClusterParts {
            identity,
            transport,
            store: Arc::new(disk),
            blobs: Arc::new(MemoryBlobs::default()),
            clock: Box::new(|| 1_000),
            settings,
            seed: Some(seed),
        };
        let cluster = Cluster::start(parts).await?;
        let _ = door.0.set(Arc::clone(&cluster));
        Ok(cluster)
    }

    /// kill -9, with the loss of what the disk had not flushed.
    pub async fn crash(&self, machine: u64, cluster: &Cluster) {
        self.network.crash(id(cluster));
        {
            let mut machines = self.machines.lock().unwrap();
            let machine = machines.get_mut(&machine).unwrap();
            machine.disk = machine.disk.crash(0);
        }
        cluster.crash().await;
    }

    /// Ends as a program does that is told to.
    pub async fn stop(&self, cluster: &Cluster) {
        cluster.stop().await;
        self.network.crash(id(cluster));
    }

    /// The machine gets an empty disk.
    pub fn wipe(&self, machine: u64) {
        let machine = self.machines.lock().unwrap().remove(&machine).unwrap();
        std::fs::remove_dir_all(machine.folder).unwrap();
    }

    /// Machines 1 to `count`, all in.
    pub async fn form(&self, count: u64) -> Vec<Arc<Cluster>> {
        let mut nodes = Vec::new();
        for machine in 1..=count {
            nodes.push(self.start(machine).await);
        }
        for node in &nodes {
            within(20, "all are in", || async { node.ready().await }).await.unwrap();
        }
        let voters = if count >= 5 { 3 } else { count as usize - (count as usize + 1) % 2 };
        until(20, "the voters are as wanted", || nodes[0].replica().status().voters.len() == voters.min(3))
            .await;
        until(20, "all see all", || nodes.iter().all(|node| sees(node, count as usize))).await;
        nodes
    }
}

pub fn id(cluster: &Cluster) -> NodeId {
    cluster.members().local()
}

pub fn state(of: &Cluster, by: &Cluster) -> Option<NodeState> {
    by.members().node(id(of)).map(|node| node.state)
}

/// Whether so many are seen as active, and no others.
pub fn sees(cluster: &Cluster, count: usize) -> bool {
    let nodes = cluster.members().nodes();
    nodes.len() == count && nodes.iter().all(|node| node.state == NodeState::Active)
}

pub async fn within<T, F: Future<Output = T>>(seconds: u64, what: &str, work: impl FnOnce() -> F) -> T {
    timeout(Duration::from_secs(seconds), work())
        .await
        .unwrap_or_else(|_| panic!("not in {seconds} s: {what}"))
}

/// Waits, in virtual time, until something holds; how long that took.
pub async fn until(seconds: u64, what: &str, holds: impl Fn() -> bool) -> Duration {
    let start = Instant::now();
    while !holds() {
        assert!(start.elapsed() < Duration::from_secs(seconds), "not in {seconds} s: {what}");
        sleep(Duration::from_millis(10)).await;
    }
    start.elapsed()
}

/// A view is a register.
pub fn set(name: &str, value: &str) -> Command {
    view(name, value, OnConflict::Replace)
}

pub fn view(name: &str, value: &str, on_conflict: OnConflict) -> Command {
    let schema = Arc::new(Schema::new(vec![Field::new("a", DataType::Int64, true)]));
    let definition = TableDefinition::View { sql: value.into(), columns: None, schema, uses: vec![] };
    Command::CreateTable { name: name.into(), definition, on_conflict }
}

pub fn value(snapshot: &nyala_catalog::Snapshot, name: &str) -> Option<String> {
    match snapshot.table(name).map(AsRef::as_ref) {
        Some(TableDefinition::View { sql, .. }) => Some(sql.to_string()),
        _ => None,
    }
}

pub fn leader(nodes: &[Arc<Cluster>]) -> usize {
    let led = nodes.iter().position(|node| node.replica().status().leader == Some(id(node).0));
    led.expect("somebody leads")
}
