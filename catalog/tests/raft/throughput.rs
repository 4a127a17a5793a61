//! How many commits a second replicas take, from many writers at once. Prints figures; the limits are far below them, so that
//! only a group commit that has stopped working fails.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use nyala_catalog::MemoryBlobs;
use nyala_catalog::raft::{
    MemoryNetwork, MemoryReplicaStore, Parts, Replica, ReplicaId, ReplicaStore, Settings, SledReplicaStore,
};
use nyala_schema::command::OnConflict;

use crate::cluster::{members, write};

const WRITERS: usize = 32;

async fn start(network: &MemoryNetwork, id: ReplicaId, store: Arc<dyn ReplicaStore>) -> Replica {
    let parts = Parts {
        id,
        store,
        network: network.end_of(id),
        blobs: Arc::new(MemoryBlobs::default()),
        clock: Box::new(|| 1_000),
        settings: Settings { seed: Some(id), ..Settings::default() },
    };
    let replica = Replica::start(parts).await.unwrap();
    network.plug_in(replica.clone());
    replica
}

/// Commits per second, of writers on all replicas.
async fn measure(stores: Vec<Arc<dyn ReplicaStore>>, commits: usize) -> f64 {
    let network = MemoryNetwork::default();
    let mut replicas = Vec::new();
    for (id, store) in (1..).zip(stores) {
        replicas.push(start(&network, id, store).await);
    }
    replicas[0].initialize(&members(1..=replicas.len() as u64)).await.unwrap();
    for replica in &replicas {
        replica.linearizable_snapshot().await.unwrap();
    }
    let began = Instant::now();
    let writers: Vec<_> = (0..WRITERS)
        .map(|writer| {
            let replica = replicas[writer % replicas.len()].clone();
            tokio::spawn(async move {
                for n in 0..commits / WRITERS {
                    let command = write(&format!("v{writer}"), &n.to_string(), OnConflict::Replace);
                    let id = ((n as u128) << 80) | writer as u128;
                    replica.commit_as(id, &command).await.unwrap();
                }
            })
        })
        .collect();
    for writer in writers {
        writer.await.unwrap();
    }
    let rate = commits as f64 / began.elapsed().as_secs_f64();
    for replica in &replicas {
        network.unplug(replica.id());
        replica.stop().await;
    }
    rate
}

fn in_memory(count: usize) -> Vec<Arc<dyn ReplicaStore>> {
    (0..count).map(|_| Arc::new(MemoryReplicaStore::default()) as Arc<dyn ReplicaStore>).collect()
}

fn in_sled(folder: &Path, count: usize) -> Vec<Arc<dyn ReplicaStore>> {
    let open = |n| SledReplicaStore::open(&folder.join(format!("{count}-{n}"))).unwrap();
    (0..count).map(|n| Arc::new(open(n)) as Arc<dyn ReplicaStore>).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_writers_share_entries_of_the_log() {
    let folder = tempfile::tempdir().unwrap();
    let mut rates = Vec::new();
    for (name, stores) in [
        ("1 in memory", in_memory(1)),
        ("3 in memory", in_memory(3)),
        ("1 in sled", in_sled(folder.path(), 1)),
        ("3 in sled", in_sled(folder.path(), 3)),
    ] {
        let rate = tokio::time::timeout(Duration::from_secs(60), measure(stores, 6400)).await.unwrap();
        println!("{name}: {rate:.0} commits/s from {WRITERS} writers");
        rates.push(rate);
    }
    assert!(rates.iter().all(|rate| *rate > 200.0), "{rates:?}");
}
