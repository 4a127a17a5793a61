//! Nodes that do not belong.

use nyala_schema::ErrorCode;
use nyala_schema::cluster::{ProtocolVersions, Roles};

use crate::world::{World, address, id, sees, set, until};

#[tokio::test(start_paused = true)]
async fn what_does_not_fit_is_refused_and_disturbs_nobody() {
    let world = World::new(40);
    let nodes = world.form(3).await;
    type Change = fn(&mut nyala_cluster::ClusterSettings);
    let cases: [(u64, Change, &str); 4] = [
        (11, |settings| settings.cluster_name = "other".into(), "this is cluster \"nyala\""),
        (12, |settings| settings.protocol = ProtocolVersions { min: 2, max: 3 }, "speaks protocols 2 to 3"),
        (13, |settings| settings.warehouse = Some("s3://w".into()), "warehouse"),
        (14, |settings| settings.name = "n2".into(), "named \"n2\""),
    ];
    for (machine, change, expected) in cases {
        let node = world.start_with(machine, change).await.unwrap();
        let refused = node.ready().await.unwrap_err();
        assert_eq!(refused.code(), ErrorCode::InvalidParameter);
        assert!(refused.message().contains(expected), "{refused}");
        assert!(refused.hint().is_some());
        world.stop(&node).await;
    }
    assert!(nodes.iter().all(|node| sees(node, 3)));
    nodes[0].replica().commit(&set("v", "1")).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_disk_of_another_cluster_is_refused() {
    let world = World::new(41);
    let nodes = world.form(3).await;
    // A cluster of its own, of the same name.
    let lonely = world.start_with(9, |settings| settings.join = vec![]).await.unwrap();
    lonely.ready().await.unwrap();
    assert_ne!(lonely.status().cluster, nodes[0].status().cluster);
    world.stop(&lonely).await;
    // As a learner of that other cluster would: it has the folder, and looks for a leader.
    let named = world.start_with(9, |settings| settings.cluster_name = "other".into()).await;
    let refused = named.err().expect("the folder says another name");
    assert!(refused.message().contains("is that of a node of cluster"), "{refused}");
    let follower = world.start_with(10, |settings| settings.join = vec![address(9)]).await.unwrap();
    let again = world.start_with(9, |settings| settings.join = vec![]).await.unwrap();
    again.ready().await.unwrap();
    follower.ready().await.unwrap();
    world.stop(&again).await;
    world.stop(&follower).await;
    let lost = world.start_with(10, |settings| settings.join = vec![address(1)]).await.unwrap();
    let refused = lost.ready().await.unwrap_err();
    assert!(refused.message().contains("another cluster of the same name"), "{refused}");
    assert!(nodes.iter().all(|node| sees(node, 3)));
}

#[tokio::test(start_paused = true)]
async fn roles_decide_who_votes() {
    let world = World::new(42);
    let executor = |settings: &mut nyala_cluster::ClusterSettings| {
        settings.roles = Roles { coordinator: false, executor: true, catalog: false };
    };
    let first = world.start(1).await;
    let second = world.start_with(2, executor).await.unwrap();
    let third = world.start_with(3, executor).await.unwrap();
    let fourth = world.start(4).await;
    for node in [&first, &second, &third, &fourth] {
        node.ready().await.unwrap();
    }
    tokio::time::sleep(std::time::Duration::from_secs(10)).await;
    assert_eq!(first.replica().status().voters, [id(&first).0].into());
    let fifth = world.start(5).await;
    fifth.ready().await.unwrap();
    let expected = [id(&first).0, id(&fourth).0, id(&fifth).0].into();
    until(10, "three vote", || first.replica().status().voters == expected).await;
    assert_eq!(second.members().node(id(&third)).unwrap().roles.to_string(), "executor");
    let check = second.upgrade_check();
    assert_eq!(check.steps.len(), 5);
    assert!(check.steps.last().unwrap().is_leader && check.next().is_none() && check.apart.is_empty());
}
