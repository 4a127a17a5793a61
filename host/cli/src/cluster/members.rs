//! Commands about the nodes of any cluster.

use arrow::array::AsArray;
use nyala_client::{Answer, RemoteSession};
use nyala_node::{UpgradeCheck, UpgradeStep};
use nyala_schema::Result;
use nyala_schema::cluster::NodeId;

use super::arguments::{DrainArguments, RemoveArguments};
use crate::client::Client;
use crate::connect::{ConnectArguments, NAME_ONE};
use crate::exit::Failure;
use crate::output::Output;
use crate::settings::Settings;
use crate::statement::Runner;
use crate::terminal;

/// # Errors
/// `Usage`, `Connection`, `Sql`.
pub fn nodes(arguments: &ConnectArguments) -> Result<(), Failure> {
    let client = Client::remote(arguments.required(NAME_ONE)?);
    let settings = Settings { quiet: true, ..Settings::default() };
    let mut runner = Runner::new(client, settings, Output::stdout(), false);
    runner.run("SHOW NODES")?;
    runner.output.commit()
}

/// # Errors
/// `Usage`, `Connection`; `Sql` when the node refuses.
pub fn drain(arguments: &DrainArguments) -> Result<(), Failure> {
    arguments.connect.required(NAME_ONE)?.drain(&arguments.node, arguments.within).map_err(Failure::Sql)?;
    terminal::tell(&format!("{} is drained: it may be stopped", arguments.node));
    Ok(())
}

/// # Errors
/// `Usage`, `Connection`; `Sql` when the cluster refuses.
pub fn remove(arguments: &RemoveArguments) -> Result<(), Failure> {
    arguments.connect.required(NAME_ONE)?.remove(&arguments.node).map_err(Failure::Sql)?;
    terminal::tell(&format!("{} is not a node of the cluster any more", arguments.node));
    Ok(())
}

/// # Errors
/// `Usage`, `Connection`; `Reported` when two nodes do not understand each other.
pub fn upgrade_check(arguments: &ConnectArguments) -> Result<(), Failure> {
    let mut session = arguments.required(NAME_ONE)?;
    let leader = leader(&mut session).map_err(Failure::Sql)?;
    let nodes = session.nodes().map_err(Failure::Sql)?;
    let leader = nodes.iter().find(|node| leader.as_ref() == Some(&node.name)).map(|node| node.peer.id);
    let voters: Vec<NodeId> =
        nodes.iter().filter(|node| node.roles.catalog).map(|node| node.peer.id).collect();
    let check = UpgradeCheck::new(&nodes, &voters, leader);
    report(&check).iter().for_each(|line| terminal::answer(line));
    if check.apart.is_empty() { Ok(()) } else { Err(Failure::Reported) }
}

/// Name of the node that leads the catalog.
fn leader(session: &mut RemoteSession) -> Result<Option<String>> {
    let Answer::Rows(mut rows) = session.execute("SELECT name FROM system.nodes WHERE is_leader")? else {
        return Ok(None);
    };
    while let Some(batch) = rows.next_batch()? {
        let names = arrow::compute::cast(batch.column(0), &arrow::datatypes::DataType::Utf8)?;
        if let Some(Some(name)) = names.as_string::<i32>().iter().next() {
            return Ok(Some(name.to_owned()));
        }
    }
    Ok(None)
}

/// A line for each node, and what to do next.
fn report(check: &UpgradeCheck) -> Vec<String> {
    let line = |step: &UpgradeStep| {
        let lead = if step.is_leader { ", leads the catalog" } else { "" };
        let UpgradeStep { name, version, protocol, state, .. } = step;
        format!("{name}  version {version}, protocols {} to {}, {state}{lead}", protocol.min, protocol.max)
    };
    let apart = |(one, other): &(String, String)| format!("{one} and {other} have no protocol in common");
    let mut lines: Vec<String> = check.steps.iter().map(line).collect();
    lines.extend(check.apart.iter().map(apart));
    lines.push(match check.next() {
        Some(next) => format!("restart {} next: drain it, and start it with the newer program", next.name),
        None => "all nodes run the same version; restart them in this order".to_owned(),
    });
    lines
}

#[cfg(test)]
mod tests {
    use nyala_schema::cluster::{NodeInfo, NodeState, Peer, ProtocolVersions};

    use super::*;

    fn node(id: u64, name: &str, version: &str, max: u32) -> NodeInfo {
        let peer = Peer { id: NodeId(id), address: "localhost:1".to_owned() };
        NodeInfo {
            name: name.to_owned(),
            state: NodeState::Active,
            version: version.to_owned(),
            protocol: ProtocolVersions { min: max.saturating_sub(1).max(1), max },
            ..NodeInfo::unheard(peer)
        }
    }

    #[test]
    fn what_to_do_next_is_said_last() {
        let nodes = [node(1, "a", "0.9.0", 1), node(2, "b", "0.10.0", 2), node(3, "c", "0.9.1", 1)];
        let lines = report(&UpgradeCheck::new(&nodes, &[], Some(NodeId(1))));
        let names: Vec<&str> = lines.iter().map(|line| line.split(' ').next().unwrap()).collect();
        assert_eq!(names, ["c", "b", "a", "restart"]);
        assert!(lines[2].contains("leads the catalog") && lines[3].contains("restart c next"), "{lines:?}");
        let far = [node(1, "a", "1.0", 1), node(2, "b", "3.0", 3)];
        let lines = report(&UpgradeCheck::new(&far, &[], None));
        assert!(lines.iter().any(|line| line.contains("a and b have no protocol")), "{lines:?}");
        let lines = report(&UpgradeCheck::new(&nodes[..1], &[], None));
        assert!(lines[1].contains("all nodes run the same version"), "{lines:?}");
    }
}
