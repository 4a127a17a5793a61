//! Nodes that do not belong.

use bytes::Bytes;
use nyala_exchange::{Caller, Service};
use nyala_schema::ErrorCode;
use nyala_schema::cluster::{NodeId, ProtocolVersions, Roles};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

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
async fn bytes_of_strangers_disturb_nobody() {
    let world = World::new(43);
    let nodes = world.form(3).await;
    let mut random = StdRng::seed_from_u64(43);
    let (client, node) =
        (Caller::Client { connection: 1, user: "u".into() }, Caller::Node { id: NodeId(7), incarnation: 1 });
    for service in [Service::CATALOG, Service::GOSSIP, Service::ADMIN] {
        let refused = nodes[0].handle(&client, service, Bytes::from_static(b"{}")).await.unwrap_err();
        assert_eq!(refused.code(), ErrorCode::InvalidParameter);
        for length in 0..200 {
            let bytes: Vec<u8> = (0..length).map(|_| random.r#gen()).collect();
            // A few bytes may happen to be a request of a replica; none of these is.
            if service != Service::CATALOG || bytes.first().is_some_and(|kind| *kind > 12) || bytes.is_empty()
            {
                nodes[0].handle(&node, service, bytes.into()).await.unwrap_err();
            }
        }
    }
    let strange = br#"{"cluster":1,"from":7,"incarnation":1,"digest":[],"records":[]}"#;
    let refused = nodes[0].handle(&node, Service::GOSSIP, Bytes::from_static(strange)).await.unwrap_err();
    assert!(refused.message().contains("this is a node of cluster"), "{refused}");
    assert!(nodes.iter().all(|node| sees(node, 3)));
    nodes[0].replica().commit(&set("v", "1")).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn roles_decide_who_votes() {
    let world = World::new(42);
    let executor = |settings: &mut nyala_cluster::ClusterSettings| {
        settings.roles = Roles { coordinator: false, executor: true, catalog: false };
    };
    let alone = world.start_with(9, |settings| {
        settings.join = vec![];
        executor(settings);
    });
    let refused = alone.await.unwrap().ready().await.unwrap_err();
    assert!(refused.message().contains("must have the role catalog"), "{refused}");
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
    // One comes back without the role: another votes instead.
    world.stop(&fourth).await;
    let fourth = world.start_with(4, executor).await.unwrap();
    let sixth = world.start(6).await;
    let expected = [id(&first).0, id(&fifth).0, id(&sixth).0].into();
    until(10, "the other votes", || first.replica().status().voters == expected).await;
    assert_eq!(second.members().node(id(&third)).unwrap().roles.to_string(), "executor");
    let check = second.upgrade_check();
    assert_eq!(check.steps.len(), 6);
    assert!(check.steps.iter().any(|step| step.node == id(&fourth) && !step.is_voter));
    assert!(check.steps.last().unwrap().is_leader && check.next().is_none() && check.apart.is_empty());
}
