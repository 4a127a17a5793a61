//! Replicas in one process, as tests want them.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use arrow::datatypes::{DataType, Field, Schema};
use nyala_catalog::raft::{
    MemoryNetwork, MemoryReplicaStore, Parts, Replica, ReplicaId, ReplicaStore, Settings,
};
use nyala_catalog::{Blobs, MemoryBlobs};
use nyala_schema::command::{Command, DropKind, OnConflict, TableRead};
use nyala_schema::table::TableDefinition;

/// Short, so that snapshots are sent often.
pub fn settings(seed: u64) -> Settings {
    Settings {
        heartbeat: Duration::from_millis(50),
        election: Duration::from_millis(150)..Duration::from_millis(300),
        attempt: Duration::from_millis(500),
        patience: Duration::from_secs(3),
        entries_per_snapshot: 8,
        entries_kept: 2,
        chunk_bytes: 256,
        blob_grace: Duration::from_secs(60),
        seed: Some(seed),
    }
}

/// A replica with an own clock that stands still.
pub async fn start(network: &MemoryNetwork, id: ReplicaId, store: Arc<dyn ReplicaStore>) -> Replica {
    start_with_blobs(network, id, store, Arc::new(MemoryBlobs::default())).await
}

pub async fn start_with_blobs(
    network: &MemoryNetwork,
    id: ReplicaId,
    store: Arc<dyn ReplicaStore>,
    blobs: Arc<dyn Blobs>,
) -> Replica {
    let parts = Parts {
        id,
        store,
        network: network.end_of(id),
        blobs,
        clock: Box::new(|| 1_000),
        settings: settings(id),
    };
    let replica = Replica::start(parts).await.unwrap();
    network.plug_in(replica.clone());
    replica
}

pub fn members(ids: impl IntoIterator<Item = ReplicaId>) -> BTreeMap<ReplicaId, String> {
    ids.into_iter().map(|id| (id, format!("replica-{id}"))).collect()
}

pub fn voters(ids: impl IntoIterator<Item = ReplicaId>) -> BTreeSet<ReplicaId> {
    ids.into_iter().collect()
}

/// A cluster of replicas 1 to `count`, in calm weather.
pub async fn cluster(count: u64) -> (MemoryNetwork, Vec<Replica>, Vec<MemoryReplicaStore>) {
    let network = MemoryNetwork::default();
    let stores = vec![(); count as usize];
    let stores: Vec<_> = stores.into_iter().map(|()| MemoryReplicaStore::default()).collect();
    let mut replicas = Vec::new();
    for (id, store) in (1..).zip(&stores) {
        replicas.push(start(&network, id, Arc::new(store.clone())).await);
    }
    replicas[0].initialize(&members(1..=count)).await.unwrap();
    (network, replicas, stores)
}

/// A view is the register that clients write: its text is the value.
pub fn write(name: &str, value: &str, on_conflict: OnConflict) -> Command {
    let schema = Arc::new(Schema::new(vec![Field::new("a", DataType::Int64, true)]));
    let definition = TableDefinition::View { sql: value.into(), columns: None, schema, uses: vec![] };
    Command::CreateTable { name: name.into(), definition, on_conflict }
}

pub fn remove(name: &str, if_exists: bool) -> Command {
    Command::DropTable { name: name.into(), if_exists, kind: DropKind::View }
}

/// Writes if the view is still as it was in a version; 0 says that there was none.
pub fn swap(name: &str, version: u64, value: &str) -> Command {
    let reads = vec![TableRead { name: name.into(), version }];
    Command::Transaction { reads, commands: vec![write(name, value, OnConflict::Replace)] }
}

pub fn value(snapshot: &nyala_catalog::Snapshot, name: &str) -> Option<String> {
    match snapshot.table(name).map(AsRef::as_ref) {
        Some(TableDefinition::View { sql, .. }) => Some(sql.to_string()),
        _ => None,
    }
}
