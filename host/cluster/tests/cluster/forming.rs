//! Clusters come to be, grow, and come back.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use nyala_catalog::raft::Role;
use nyala_cluster::Cluster;
use nyala_schema::cluster::NodeState;

use crate::world::{World, id, leader, sees, set, state, until, value};

#[tokio::test(start_paused = true)]
async fn one_node_is_a_cluster() {
    let world = World::new(1);
    let nodes = world.form(1).await;
    let snapshot = nodes[0].replica().commit(&set("v", "1")).await.unwrap();
    assert_eq!(value(&snapshot, "v").as_deref(), Some("1"));
    world.crash(1, &nodes[0]).await;
    let again = world.start(1).await;
    again.ready().await.unwrap();
    let latest = again.read_latest().await.unwrap();
    assert_eq!(value(&latest, "v").as_deref(), Some("1"));
    assert_eq!(again.members().nodes()[0].incarnation, 2);
    assert_eq!(again.status().cluster, nodes[0].status().cluster);
}

#[tokio::test(start_paused = true)]
async fn five_nodes_have_three_voters_and_two_learners() {
    let world = World::new(2);
    let nodes = world.form(5).await;
    for (n, node) in nodes.iter().enumerate() {
        node.replica().commit(&set("v", &n.to_string())).await.unwrap();
        for other in &nodes {
            assert_eq!(value(&other.read_latest().await.unwrap(), "v"), Some(n.to_string()));
        }
    }
    let roles: Vec<Role> = nodes.iter().map(|node| node.replica().status().role).collect();
    assert_eq!(roles.iter().filter(|role| **role == Role::Learner).count(), 2, "{roles:?}");
    assert!(nodes.iter().all(|node| node.leader() == nodes[0].leader()));
}

#[tokio::test(start_paused = true)]
async fn five_voters_when_wanted() {
    let world = World::new(3);
    let mut nodes: Vec<Arc<Cluster>> = Vec::new();
    for machine in 1..=5 {
        nodes.push(world.start_with(machine, |settings| settings.voters = 5).await.unwrap());
    }
    until(30, "five vote", || nodes.iter().all(|node| node.replica().status().voters.len() == 5)).await;
}

#[tokio::test(start_paused = true)]
async fn there_are_never_two_voters() {
    let world = World::new(4);
    let first = world.start(1).await;
    let second = world.start(2).await;
    first.ready().await.unwrap();
    second.ready().await.unwrap();
    tokio::time::sleep(Duration::from_secs(30)).await;
    assert_eq!(first.replica().status().voters.len(), 1);
    let third = world.start(3).await;
    third.ready().await.unwrap();
    until(10, "three vote", || second.replica().status().voters.len() == 3).await;
}

#[tokio::test(start_paused = true)]
async fn all_start_at_the_same_time() {
    for seed in 0..10 {
        let world = World::new(100 + seed);
        // The first is in everybody's list, its own too, as in a Kubernetes StatefulSet.
        let list = |settings: &mut nyala_cluster::ClusterSettings| {
            settings.join = (1..=3).map(crate::world::address).collect();
        };
        let (third, second, first) =
            tokio::join!(world.start_with(3, list), world.start_with(2, list), world.start_with(1, list));
        let nodes = [first.unwrap(), second.unwrap(), third.unwrap()];
        until(30, "all are in one cluster", || nodes.iter().all(|node| sees(node, 3))).await;
        until(30, "three vote", || nodes.iter().all(|node| node.replica().status().voters.len() == 3)).await;
        assert!(nodes.iter().all(|node| node.status().cluster == nodes[0].status().cluster));
        nodes[1].replica().commit(&set("v", "1")).await.unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn two_join_at_once_while_it_is_written() {
    let world = World::new(5);
    let mut nodes = world.form(3).await;
    let writer = Arc::clone(&nodes[1]);
    let writing = tokio::spawn(async move {
        for n in 0..200 {
            writer.replica().commit(&set("v", &n.to_string())).await.unwrap();
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    });
    let (fourth, fifth) = tokio::join!(world.start(4), world.start(5));
    nodes.extend([fourth, fifth]);
    until(20, "all see all", || nodes.iter().all(|node| sees(node, 5))).await;
    writing.await.unwrap();
    for node in &nodes {
        assert_eq!(value(&node.read_latest().await.unwrap(), "v").as_deref(), Some("199"));
    }
}

#[tokio::test(start_paused = true)]
async fn all_come_back_after_a_black_out() {
    let world = World::new(6);
    let nodes = world.form(3).await;
    nodes[2].replica().commit(&set("v", "before")).await.unwrap();
    for (machine, node) in (1..).zip(&nodes) {
        world.crash(machine, node).await;
    }
    let mut again = Vec::new();
    for machine in [3, 2, 1] {
        again.push(world.start(machine).await);
        tokio::time::sleep(Duration::from_secs(2)).await;
    }
    until(30, "all see all", || again.iter().all(|node| sees(node, 3))).await;
    assert_eq!(value(&again[0].read_latest().await.unwrap(), "v").as_deref(), Some("before"));
    assert!(again.iter().all(|node| node.members().nodes().iter().all(|info| info.incarnation == 2)));
}

#[tokio::test(start_paused = true)]
async fn nodes_move() {
    let world = World::new(8);
    let nodes = world.form(3).await;
    nodes[2].replica().commit(&set("v", "before")).await.unwrap();
    world.stop(&nodes[1]).await;
    world.moves.store(1, Ordering::Relaxed);
    let moved = world.start(2).await;
    moved.ready().await.unwrap();
    let is_known = || nodes[0].replica().status().addresses.get(&id(&moved).0) == Some(&"m2:10".to_owned());
    until(10, "its address is known", is_known).await;
    // All at once: nobody is where the others think.
    world.crash(1, &nodes[0]).await;
    world.crash(2, &moved).await;
    world.crash(3, &nodes[2]).await;
    world.moves.store(2, Ordering::Relaxed);
    let mut again = Vec::new();
    for machine in 1..=3 {
        again.push(world.start(machine).await);
    }
    until(30, "all see all", || again.iter().all(|node| sees(node, 3))).await;
    assert_eq!(value(&again[0].read_latest().await.unwrap(), "v").as_deref(), Some("before"));
    let new = |address: &String| address.ends_with(":100");
    until(10, "their addresses are known", || again[0].replica().status().addresses.values().all(new)).await;
}

#[tokio::test(start_paused = true)]
async fn a_node_that_stops_is_down_at_once_and_comes_back_with_its_disk() {
    let world = World::new(7);
    let nodes = world.form(3).await;
    let led = leader(&nodes);
    let away = (led + 1) % 3;
    world.stop(&nodes[away]).await;
    let others: Vec<_> = (0..3).filter(|n| *n != away).collect();
    let took = until(1, "it is down", || {
        others.iter().all(|n| state(&nodes[away], &nodes[*n]) == Some(NodeState::Down))
    });
    assert!(took.await < Duration::from_millis(100));
    nodes[led].replica().commit(&set("v", "meanwhile")).await.unwrap();
    let again = world.start(away as u64 + 1).await;
    again.ready().await.unwrap();
    assert_eq!(id(&again), id(&nodes[away]));
    until(5, "it is up", || others.iter().all(|n| sees(&nodes[*n], 3))).await;
    assert_eq!(value(&again.replica().snapshot(), "v").as_deref(), Some("meanwhile"));
    assert_eq!(nodes[led].replica().status().voters.len(), 3);
}
