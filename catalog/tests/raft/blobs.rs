//! Bytes of modules on several replicas.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use nyala_catalog::blob::hash;
use nyala_catalog::raft::{MemoryNetwork, MemoryReplicaStore, Replica};
use nyala_catalog::{Blobs, MemoryBlobs};
use nyala_schema::command::{Command, OnConflict};
use nyala_schema::function::ModuleDefinition;
use nyala_schema::guest::ModuleHash;
use nyala_schema::{ErrorCode, Result};

use crate::cluster::{cluster, members, start, start_with_blobs};

fn module(hash: ModuleHash) -> Command {
    let definition = ModuleDefinition { name: "m".into(), hash, size_bytes: 4 };
    Command::CreateModule { definition, functions: vec![], operators: vec![], on_conflict: OnConflict::Fail }
}

#[tokio::test(start_paused = true)]
async fn a_replica_gets_what_its_snapshot_names_from_another() {
    let (network, replicas, _) = cluster(3).await;
    replicas[0].commit(&Command::DropModule { name: "m".into(), if_exists: true }).await.unwrap();
    let away = network.unplug(3).unwrap();
    let name = replicas[0].put_blob(b"code").await.unwrap();
    assert_eq!(name, hash(b"code"));
    replicas[0].commit(&module(name)).await.unwrap();
    network.plug_in(away);
    network.unplug(1);
    replicas[2].linearizable_snapshot().await.unwrap();
    assert_eq!(
        replicas[2].fetch_blobs().await.unwrap(),
        [],
        "replica 2 has it: a majority was asked to keep it"
    );
    network.unplug(2);
    assert_eq!(replicas[2].blob(name).await.unwrap().as_deref(), Some(&b"code"[..]), "kept here now");
    let other = hash(b"other code");
    assert_eq!(replicas[2].blob(other).await.unwrap(), None);
    let refused = replicas[2].put_blob(b"other code").await.unwrap_err();
    assert_eq!(refused.code(), ErrorCode::Connection, "no majority");
}

#[tokio::test(start_paused = true)]
async fn what_no_command_names_is_collected_after_a_while() {
    let (_, replicas, _) = cluster(3).await;
    let replica = &replicas[0];
    replica.commit(&Command::DropModule { name: "m".into(), if_exists: true }).await.unwrap();
    let used = replica.put_blob(b"used").await.unwrap();
    let old = replica.put_blob(b"old").await.unwrap();
    let running = replica.put_blob(b"running").await.unwrap();
    replica.commit(&module(used)).await.unwrap();
    tokio::time::advance(Duration::from_secs(61)).await;
    let young = replica.put_blob(b"young").await.unwrap();
    for replica in &replicas {
        replica.linearizable_snapshot().await.unwrap();
        replica.collect_blobs([running]).unwrap();
    }
    for (name, is_kept) in [(used, true), (old, false), (running, true), (young, true)] {
        assert_eq!(replica.blob(name).await.unwrap().is_some(), is_kept);
    }
}

/// Has something else under every name.
struct Damaged(MemoryBlobs);

impl Blobs for Damaged {
    fn put(&self, bytes: &[u8]) -> Result<ModuleHash> {
        self.0.put(bytes)
    }

    fn get(&self, hash: ModuleHash) -> Result<Option<Vec<u8>>> {
        Ok(self.0.get(hash)?.map(|_| b"something else".to_vec()))
    }

    fn retain(&self, in_use: &BTreeSet<ModuleHash>) -> Result<()> {
        self.0.retain(in_use)
    }
}

#[tokio::test(start_paused = true)]
async fn bytes_that_do_not_match_their_name_are_not_taken() {
    let network = MemoryNetwork::default();
    let disk = || Arc::new(MemoryReplicaStore::default());
    let damaged = Arc::new(Damaged(MemoryBlobs::default()));
    let first = start_with_blobs(&network, 1, disk(), damaged).await;
    let second = start(&network, 2, disk()).await;
    let third = start(&network, 3, disk()).await;
    first.initialize(&members(1..=3)).await.unwrap();
    third.linearizable_snapshot().await.unwrap();
    network.unplug(2);
    let name = first.put_blob(b"code").await.unwrap();
    network.plug_in(second.clone());
    network.unplug(3);
    assert_eq!(second.blob(name).await.unwrap(), None, "replica 1 says that it has it");
    network.plug_in(third);
    assert_eq!(second.blob(name).await.unwrap().as_deref(), Some(&b"code"[..]));
}

#[tokio::test(start_paused = true)]
async fn a_replica_that_follows_has_what_comes() {
    let (network, replicas, _) = cluster(3).await;
    replicas[0].linearizable_snapshot().await.unwrap();
    let follower: Replica = replicas[2].clone();
    let following = tokio::spawn(async move { follower.follow_blobs().await });
    let away = network.unplug(3).unwrap();
    let name = replicas[0].put_blob(b"code").await.unwrap();
    network.plug_in(away);
    replicas[0].commit(&module(name)).await.unwrap();
    replicas[2].linearizable_snapshot().await.unwrap();
    tokio::time::sleep(Duration::from_secs(1)).await;
    following.abort();
    network.unplug(1);
    network.unplug(2);
    assert_eq!(replicas[2].blob(name).await.unwrap().as_deref(), Some(&b"code"[..]));
}
