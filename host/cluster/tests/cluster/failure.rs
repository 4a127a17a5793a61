//! Nodes die, are cut off, and leave.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use nyala_schema::ErrorCode;
use nyala_schema::cluster::NodeState;
use tokio::time::{Instant, sleep};

use crate::world::{World, id, leader, sees, set, state, until, value};

#[tokio::test(start_paused = true)]
async fn when_the_leader_is_killed_another_takes_over_within_two_seconds() {
    let mut longest = Duration::ZERO;
    for seed in 0..20 {
        let world = World::new(1000 + seed);
        let nodes = world.form(3).await;
        nodes[0].replica().commit(&set("v", "before")).await.unwrap();
        let led = leader(&nodes);
        world.crash(led as u64 + 1, &nodes[led]).await;
        let killed = Instant::now();
        let other = &nodes[(led + 1) % 3];
        until(2, "it is seen as down", || state(&nodes[led], other) == Some(NodeState::Down)).await;
        assert!(killed.elapsed() < Duration::from_secs(1), "{:?}", killed.elapsed());
        other.replica().commit(&set("v", "after")).await.unwrap();
        longest = longest.max(killed.elapsed());
    }
    println!("longest until a commit: {longest:?}");
    assert!(longest < Duration::from_secs(2), "{longest:?}");
}

#[tokio::test(start_paused = true)]
async fn a_short_break_evicts_nobody_and_a_long_one_does() {
    let world = World::new(20);
    let nodes = world.form(3).await;
    sleep(Duration::from_secs(10)).await;
    let led = leader(&nodes);
    let (cut, one, other) = ((led + 1) % 3, led, (led + 2) % 3);
    let part = || {
        for n in [one, other] {
            world.network.part(id(&nodes[cut]), id(&nodes[n]));
        }
    };
    part();
    let start = Instant::now();
    while start.elapsed() < Duration::from_secs(6) {
        for n in [one, other] {
            assert_ne!(state(&nodes[cut], &nodes[n]), Some(NodeState::Down), "after {:?}", start.elapsed());
        }
        sleep(Duration::from_millis(50)).await;
    }
    assert_eq!(state(&nodes[cut], &nodes[one]), Some(NodeState::Suspect));
    world.network.heal();
    until(4, "all is well", || nodes.iter().all(|node| sees(node, 3))).await;
    nodes[cut].replica().commit(&set("v", "1")).await.unwrap();
    part();
    let took = until(15, "it is down", || state(&nodes[cut], &nodes[one]) == Some(NodeState::Down)).await;
    assert!(took > Duration::from_secs(8), "{took:?}");
    nodes[one].replica().commit(&set("v", "2")).await.unwrap();
    world.network.heal();
    until(10, "all is well", || nodes.iter().all(|node| sees(node, 3))).await;
    assert_eq!(value(&nodes[cut].read_latest().await.unwrap(), "v").as_deref(), Some("2"));
}

#[tokio::test(start_paused = true)]
async fn one_way_that_is_cut_makes_nobody_suspect() {
    let world = World::new(21);
    let nodes = world.form(4).await;
    sleep(Duration::from_secs(5)).await;
    let led = leader(&nodes);
    let (one, other) = ((led + 1) % 4, (led + 2) % 4);
    world.network.part(id(&nodes[one]), id(&nodes[other]));
    let start = Instant::now();
    while start.elapsed() < Duration::from_secs(20) {
        assert!(nodes.iter().all(|node| sees(node, 4)), "others see both");
        sleep(Duration::from_millis(100)).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_dead_voter_is_replaced_and_comes_back_as_a_learner() {
    let world = World::new(22);
    let nodes = world.form(4).await;
    let led = leader(&nodes);
    let voters = nodes[led].replica().status().voters;
    let dead = (0..4).find(|n| *n != led && voters.contains(&id(&nodes[*n]).0)).unwrap();
    let spare = (0..4).find(|n| !voters.contains(&id(&nodes[*n]).0)).unwrap();
    world.crash(dead as u64 + 1, &nodes[dead]).await;
    sleep(Duration::from_secs(15)).await;
    assert_eq!(nodes[led].replica().status().voters, voters, "not yet");
    until(15, "the spare one votes", || {
        let now = nodes[led].replica().status().voters;
        now.contains(&id(&nodes[spare]).0) && !now.contains(&id(&nodes[dead]).0)
    })
    .await;
    let again = world.start(dead as u64 + 1).await;
    again.ready().await.unwrap();
    nodes[led].replica().commit(&set("v", "1")).await.unwrap();
    assert_eq!(value(&again.read_latest().await.unwrap(), "v").as_deref(), Some("1"));
    assert_eq!(again.replica().status().voters.len(), 3);
}

#[tokio::test(start_paused = true)]
async fn a_machine_that_lost_its_disk_comes_back_as_another_node() {
    let world = World::new(27);
    let nodes = world.form(3).await;
    let led = leader(&nodes);
    let lost = (1..3).find(|n| *n != led).unwrap();
    world.crash(lost as u64 + 1, &nodes[lost]).await;
    world.wipe(lost as u64 + 1);
    // At once, under the same name and address, before anybody has noticed.
    let new = world.start(lost as u64 + 1).await;
    new.ready().await.unwrap();
    assert_ne!(id(&new), id(&nodes[lost]));
    assert_eq!(state(&nodes[lost], &nodes[led]), Some(NodeState::Down));
    until(30, "it votes instead", || {
        let voters = nodes[led].replica().status().voters;
        voters.contains(&id(&new).0) && !voters.contains(&id(&nodes[lost]).0)
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_larger_cluster_loses_a_quarter_of_its_nodes() {
    let world = World::new(28);
    let nodes = world.form(20).await;
    sleep(Duration::from_secs(10)).await;
    let voters = nodes[0].replica().status().voters;
    // One voter among them: the others still have a majority.
    let voter = nodes.iter().position(|node| voters.contains(&id(node).0)).unwrap();
    let spare = (0..20).filter(|n| !voters.contains(&id(&nodes[*n]).0)).take(4);
    let dead: Vec<usize> = spare.chain([voter]).collect();
    for n in &dead {
        world.crash(*n as u64 + 1, &nodes[*n]).await;
    }
    let rest: Vec<_> = (0..20).filter(|n| !dead.contains(n)).collect();
    let is_down = |n: &usize, by: &usize| state(&nodes[*n], &nodes[*by]) == Some(NodeState::Down);
    until(12, "all see it", || rest.iter().all(|by| dead.iter().all(|n| is_down(n, by)))).await;
    for by in &rest {
        let up = nodes[*by].members().nodes().iter().filter(|node| node.state == NodeState::Active).count();
        assert_eq!(up, 15, "nobody else is taken for dead");
    }
    nodes[rest[0]].replica().commit(&set("v", "1")).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_node_that_drains_finishes_its_work_and_hands_the_lead_over() {
    let world = World::new(23);
    let nodes = world.form(3).await;
    let led = leader(&nodes);
    let is_done = Arc::new(AtomicBool::new(false));
    let flag = Arc::clone(&is_done);
    nodes[led].when_drained(Box::new(move |_| {
        let flag = Arc::clone(&flag);
        Box::pin(async move {
            sleep(Duration::from_secs(3)).await;
            flag.store(true, Ordering::Relaxed);
        })
    }));
    let other = &nodes[(led + 1) % 3];
    let draining = other.drain_node(id(&nodes[led]), Duration::from_secs(10));
    let seen = until(2, "others see it", || state(&nodes[led], other) == Some(NodeState::Draining));
    let (drained, seen) = tokio::join!(draining, seen);
    drained.unwrap();
    assert!(seen < Duration::from_millis(500), "{seen:?}");
    assert!(is_done.load(Ordering::Relaxed));
    assert_ne!(leader(&nodes), led);
    let start = Instant::now();
    other.replica().commit(&set("v", "1")).await.unwrap();
    assert!(start.elapsed() < Duration::from_millis(500), "the lead had been handed over");
    world.stop(&nodes[led]).await;
    let again = world.start(led as u64 + 1).await;
    again.ready().await.unwrap();
    assert_eq!(other.replica().status().voters.len(), 3, "it had its vote all the time");
}

#[tokio::test(start_paused = true)]
async fn work_that_does_not_end_is_left_at_the_deadline() {
    let world = World::new(24);
    let nodes = world.form(1).await;
    nodes[0].when_drained(Box::new(|_| Box::pin(std::future::pending())));
    let start = Instant::now();
    nodes[0].drain(Duration::from_secs(5)).await.unwrap();
    assert_eq!(start.elapsed().as_secs(), 5);
}

#[tokio::test(start_paused = true)]
async fn nodes_leave_for_good() {
    let world = World::new(25);
    let nodes = world.form(4).await;
    let led = leader(&nodes);
    nodes[led].leave().await.unwrap();
    let left = nodes[led].ready().await.unwrap_err();
    assert!(left.message().contains("left"), "{left}");
    world.stop(&nodes[led]).await;
    let rest: Vec<_> = nodes.iter().filter(|node| id(node) != id(&nodes[led])).cloned().collect();
    until(5, "it is gone", || rest.iter().all(|node| sees(node, 3))).await;
    let status = rest[0].replica().status();
    assert_eq!(status.voters.len(), 3, "the spare one votes now");
    assert!(!status.addresses.contains_key(&id(&nodes[led]).0));
    let refused = world.start_with(led as u64 + 1, |_| {}).await.err().expect("its folder is used up");
    assert_eq!(refused.code(), ErrorCode::InvalidParameter);
    // Two of three leave: the last one votes alone.
    rest[0].leave().await.unwrap();
    rest[1].leave().await.unwrap();
    until(10, "one votes", || rest[2].replica().status().voters.len() == 1).await;
    rest[2].replica().commit(&set("v", "1")).await.unwrap();
    let last = rest[2].leave().await.unwrap_err();
    assert_eq!(last.code(), ErrorCode::InvalidParameter, "{last}");
}

#[tokio::test(start_paused = true)]
async fn only_the_dead_are_removed_and_do_not_come_back() {
    let world = World::new(26);
    let nodes = world.form(4).await;
    let led = leader(&nodes);
    let dead = (led + 1) % 4;
    let by = &nodes[(led + 2) % 4];
    let up = by.remove(id(&nodes[dead])).await.unwrap_err();
    assert_eq!(up.code(), ErrorCode::InvalidParameter, "{up}");
    world.crash(dead as u64 + 1, &nodes[dead]).await;
    until(2, "it is down", || state(&nodes[dead], &nodes[led]) == Some(NodeState::Down)).await;
    by.remove(id(&nodes[dead])).await.unwrap();
    let status = by.replica().status();
    assert!(!status.addresses.contains_key(&id(&nodes[dead]).0));
    assert_eq!(status.voters.len(), 3);
    let unknown = by.remove(id(&nodes[dead])).await.unwrap_err();
    assert_eq!(unknown.code(), ErrorCode::UndefinedObject);
    until(2, "it is not shown", || state(&nodes[dead], by).is_none()).await;
    let old = world.start(dead as u64 + 1).await;
    let refused = old.ready().await.unwrap_err();
    assert!(refused.message().contains("removed"), "{refused}");
    assert!(refused.hint().is_some_and(|hint| hint.contains("empty data folder")), "{refused:?}");
    world.stop(&old).await;
    world.wipe(dead as u64 + 1);
    let new = world.start(dead as u64 + 1).await;
    new.ready().await.unwrap();
    assert_ne!(id(&new), id(&nodes[dead]));
    until(5, "it is there", || sees(by, 4)).await;
}
