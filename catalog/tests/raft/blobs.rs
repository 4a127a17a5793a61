//! Bytes of modules on several replicas.

use std::time::Duration;

use nyala_catalog::blob::hash;
use nyala_schema::ErrorCode;
use nyala_schema::command::{Command, OnConflict};
use nyala_schema::function::ModuleDefinition;

use crate::cluster::cluster;

fn module(hash: nyala_schema::guest::ModuleHash) -> Command {
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
