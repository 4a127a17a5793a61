//! Replicas in calm weather, and what they do when a majority is away or one of them cannot go on.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use nyala_catalog::raft::{MemoryNetwork, MemoryReplicaStore, ReplicaId, Role, SledReplicaStore, Weather};
use nyala_schema::ErrorCode;
use nyala_schema::command::{Command, OnConflict};

use crate::cluster::{cluster, members, remove, start, value, voters, write};

fn set(name: &str, value: &str) -> Command {
    write(name, value, OnConflict::Replace)
}

#[tokio::test(start_paused = true)]
async fn every_replica_takes_commands_and_has_them() {
    let (_, replicas, _) = cluster(3).await;
    for (replica, text) in replicas.iter().zip(["one", "two", "three"]) {
        let snapshot = replica.commit(&set("v", text)).await.unwrap();
        assert_eq!(value(&snapshot, "v").as_deref(), Some(text));
        assert_eq!(snapshot.at_ms, 1_000, "the leader's clock");
        for other in &replicas {
            let seen = other.linearizable_snapshot().await.unwrap();
            assert_eq!(value(&seen, "v").as_deref(), Some(text));
        }
    }
    let refused = replicas[1].commit(&write("v", "four", OnConflict::Fail)).await.unwrap_err();
    assert_eq!(refused.code(), ErrorCode::DuplicateTable);
    assert!(refused.hint().is_some(), "an error comes whole: {refused:?}");
    assert_eq!(
        replicas[2].linearizable_snapshot().await.unwrap().version,
        3,
        "a refused command leaves no trace"
    );
    let leaders = replicas.iter().filter(|replica| replica.status().role == Role::Leader);
    assert_eq!(leaders.count(), 1);
}

#[tokio::test(start_paused = true)]
async fn an_empty_catalog_gives_way_to_a_snapshot_on_all_replicas() {
    let (_, others, _) = cluster(1).await;
    for text in ["one", "two", "three"] {
        others[0].commit(&set("v", text)).await.unwrap();
    }
    let snapshot = others[0].snapshot();
    let install = Command::Install { snapshot: snapshot.encode().unwrap().into() };
    let (network, replicas, stores) = cluster(3).await;
    let damaged = Command::Install { snapshot: b"no snapshot".as_slice().into() };
    assert_eq!(replicas[1].commit(&damaged).await.unwrap_err().code(), ErrorCode::CorruptFile);
    assert_eq!(replicas[1].commit(&install).await.unwrap(), snapshot);
    let again = replicas[2].commit(&install).await.unwrap_err();
    assert_eq!(again.code(), ErrorCode::InvalidParameter, "it is in use now");
    for replica in &replicas {
        assert_eq!(replica.linearizable_snapshot().await.unwrap(), snapshot);
        assert_eq!(replica.checkpoint().await.unwrap(), snapshot.version);
    }
    let next = replicas[0].commit(&set("v", "four")).await.unwrap();
    assert_eq!(next.version, snapshot.version + 1);
    let gone = network.unplug(1).unwrap();
    gone.stop().await;
    let back = start(&network, 1, Arc::new(stores[0].clone())).await;
    assert_eq!(back.linearizable_snapshot().await.unwrap(), next);
}

#[tokio::test(start_paused = true)]
async fn without_a_majority_nothing_is_done_and_nothing_is_lost() {
    let (network, replicas, _) = cluster(3).await;
    replicas[0].commit(&set("v", "before")).await.unwrap();
    let leader = replicas[0].status().leader.unwrap();
    let others: Vec<_> = (1..=3).filter(|id| *id != leader).collect();
    let away: Vec<_> = others.iter().filter_map(|id| network.unplug(*id)).collect();
    let alone = &replicas[leader as usize - 1];
    let unknown = alone.commit(&set("v", "after")).await.unwrap_err();
    assert_eq!(unknown.code(), ErrorCode::CommitUnknown);
    assert!(!unknown.is_retryable(), "it may have been done");
    let stale = alone.linearizable_snapshot().await.unwrap_err();
    assert_eq!(stale.code(), ErrorCode::Connection);
    assert!(stale.is_retryable());
    assert_eq!(value(&alone.snapshot(), "v").as_deref(), Some("before"), "not applied without a majority");
    away.into_iter().for_each(|replica| network.plug_in(replica));
    replicas[0].commit(&remove("v", false)).await.unwrap();
    assert_eq!(value(&replicas[2].linearizable_snapshot().await.unwrap(), "v"), None);
}

/// Hears nothing, though it is heard; 0 is nobody.
struct Deaf(AtomicU64);

impl Weather for Deaf {
    fn delays(&self, _: ReplicaId, to: ReplicaId) -> Vec<Duration> {
        if self.0.load(Ordering::Relaxed) == to { vec![] } else { vec![Duration::from_millis(1)] }
    }
}

#[tokio::test(start_paused = true)]
async fn a_leader_that_hears_nothing_gives_way() {
    let weather = Arc::new(Deaf(AtomicU64::new(0)));
    let network = MemoryNetwork::with_weather(weather.clone());
    let mut replicas = Vec::new();
    for id in 1..=3 {
        replicas.push(start(&network, id, Arc::new(MemoryReplicaStore::default())).await);
    }
    replicas[0].initialize(&members(1..=3)).await.unwrap();
    replicas[0].commit(&set("v", "before")).await.unwrap();
    let leader = replicas[0].status().leader.unwrap();
    weather.0.store(leader, Ordering::Relaxed);
    let other = &replicas[leader as usize % 3];
    let mut tries = 0;
    while let Err(error) = other.linearizable_snapshot().await {
        tries += 1;
        assert!(tries < 5, "{error:?}");
    }
    assert_ne!(other.status().leader, Some(leader));
    other.commit(&set("v", "after")).await.unwrap();
    weather.0.store(0, Ordering::Relaxed);
    let snapshot = replicas[leader as usize - 1].linearizable_snapshot().await.unwrap();
    assert_eq!(value(&snapshot, "v").as_deref(), Some("after"));
}

#[tokio::test(start_paused = true)]
async fn a_replica_without_a_cluster_has_no_leader() {
    let network = MemoryNetwork::default();
    let lonely = start(&network, 1, Arc::new(MemoryReplicaStore::default())).await;
    let error = lonely.commit(&set("v", "x")).await.unwrap_err();
    assert_eq!((error.code(), error.is_retryable()), (ErrorCode::Connection, true));
}

#[tokio::test(start_paused = true)]
async fn members_come_as_learners_get_a_snapshot_and_leave() {
    let (network, replicas, _) = cluster(3).await;
    for n in 0..30 {
        replicas[0].commit(&set("v", &n.to_string())).await.unwrap();
    }
    assert!(replicas[0].status().purged > 0, "the log has been cut: the new one needs a snapshot");
    let fourth = start(&network, 4, Arc::new(MemoryReplicaStore::default())).await;
    replicas[1].add_learner(4, "replica-4").await.unwrap();
    let snapshot = fourth.linearizable_snapshot().await.unwrap();
    assert_eq!(value(&snapshot, "v").as_deref(), Some("29"));
    assert_eq!(fourth.status().role, Role::Learner);
    let not_added = replicas[0].change_membership(&voters([1, 2, 5])).await.unwrap_err();
    assert_eq!(not_added.code(), ErrorCode::InvalidParameter);
    fourth.change_membership(&voters([2, 3, 4])).await.unwrap();
    fourth.commit(&set("v", "later")).await.unwrap();
    assert_eq!(fourth.status().voters, voters([2, 3, 4]));
    network.unplug(1);
    network.unplug(2);
    fourth.commit(&set("v", "last")).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn restarted_replicas_have_all_that_was_answered() {
    let (network, replicas, stores) = cluster(3).await;
    for n in 0..20 {
        replicas[n % 3].commit(&set(&format!("v{}", n % 5), &n.to_string())).await.unwrap();
    }
    let expected = replicas[0].linearizable_snapshot().await.unwrap();
    let mut restarted = Vec::new();
    for (replica, store) in replicas.iter().zip(&stores) {
        network.unplug(replica.id());
        let after = store.crash(0);
        replica.stop().await;
        restarted.push(start(&network, replica.id(), Arc::new(after)).await);
    }
    for replica in &restarted {
        assert_eq!(*replica.linearizable_snapshot().await.unwrap(), *expected);
    }
    assert_eq!(
        replicas[0].commit(&set("v", "x")).await.unwrap_err().code(),
        ErrorCode::Store,
        "a stopped one"
    );
}

/// It may not know all that it had answered; see also `many_seeds_are_linearizable`.
#[tokio::test(start_paused = true)]
async fn a_leader_that_starts_again_has_to_be_elected_anew() {
    let (network, replicas, stores) = cluster(3).await;
    let mut expected = replicas[0].commit(&set("v", "0")).await.unwrap();
    for n in 1..5 {
        expected = replicas[0].commit(&set("v", &n.to_string())).await.unwrap();
    }
    let before = replicas[0].status();
    let at = before.leader.unwrap() as usize - 1;
    let leader = &replicas[at];
    network.unplug(leader.id());
    let disk = stores[at].crash(0);
    leader.stop().await;
    let again = start(&network, leader.id(), Arc::new(disk)).await;
    assert_eq!(again.status().role, Role::Follower);
    assert_eq!(*again.linearizable_snapshot().await.unwrap(), *expected);
    assert!(again.status().term > before.term, "{:?}", again.status());
}

#[tokio::test(start_paused = true)]
async fn a_command_that_no_replica_can_apply_stops_none() {
    let (_, replicas, _) = cluster(3).await;
    let nested = Command::Transaction { reads: vec![], commands: vec![] };
    let nested = Command::Transaction { reads: vec![], commands: vec![nested] };
    let refused = replicas[1].commit(&nested).await.unwrap_err();
    assert_eq!(refused.code(), ErrorCode::Internal, "the leader does not let it into the log: {refused:?}");
    for replica in &replicas {
        assert_eq!(replica.status().failure, None);
    }
    replicas[2].commit(&set("v", "on")).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_replica_whose_disk_fails_stops_and_the_others_go_on() {
    let (_, replicas, stores) = cluster(3).await;
    replicas[0].commit(&set("v", "before")).await.unwrap();
    let leader = replicas[0].status().leader.unwrap() as usize - 1;
    let _disk = stores[leader].crash(0);
    let other = &replicas[(leader + 1) % 3];
    other.commit(&set("v", "after")).await.unwrap();
    assert_eq!(replicas[leader].status().role, Role::Stopped);
    assert!(replicas[leader].status().failure.is_some());
    let error = replicas[leader].commit(&set("v", "never")).await.unwrap_err();
    assert_eq!(error.code(), ErrorCode::Store);
    assert_eq!(value(&other.linearizable_snapshot().await.unwrap(), "v").as_deref(), Some("after"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn over_sled_a_lost_disk_is_rebuilt_from_the_others() {
    let folders: Vec<_> = (0..4).map(|_| tempfile::tempdir().unwrap()).collect();
    let network = MemoryNetwork::default();
    let mut replicas = Vec::new();
    for (id, folder) in (1..=3).zip(&folders) {
        replicas.push(start(&network, id, Arc::new(SledReplicaStore::open(folder.path()).unwrap())).await);
    }
    replicas[0].initialize(&members(1..=3)).await.unwrap();
    for n in 0..20 {
        replicas[n % 3].commit(&set("v", &n.to_string())).await.unwrap();
    }
    let expected = replicas[0].linearizable_snapshot().await.unwrap();
    network.unplug(3);
    replicas[2].stop().await;
    // Its disk is gone: a new replica takes its place.
    let fourth = start(&network, 4, Arc::new(SledReplicaStore::open(folders[3].path()).unwrap())).await;
    replicas[0].add_learner(4, "replica-4").await.unwrap();
    replicas[0].change_membership(&voters([1, 2, 4])).await.unwrap();
    assert_eq!(*fourth.linearizable_snapshot().await.unwrap(), *expected);
    for replica in replicas.iter().chain([&fourth]) {
        network.unplug(replica.id());
        replica.stop().await;
    }
    drop((replicas, fourth));
    tokio::time::sleep(Duration::from_millis(100)).await;
    let again = start(&network, 4, Arc::new(SledReplicaStore::open(folders[3].path()).unwrap())).await;
    let _second = start(&network, 2, Arc::new(SledReplicaStore::open(folders[1].path()).unwrap())).await;
    assert_eq!(*again.linearizable_snapshot().await.unwrap(), *expected);
}
