//! Commands about the nodes of any cluster.

use arrow::array::AsArray;
use nyala_client::{Answer, RemoteSession};
use nyala_schema::Result;
use nyala_schema::cluster::NodeInfo;

use super::arguments::{DrainArguments, RemoveArguments};
use crate::client::Client;
use crate::connect::ConnectArguments;
use crate::exit::Failure;
use crate::output::Output;
use crate::settings::Settings;
use crate::statement::Runner;
use crate::terminal;

/// # Errors
/// `Usage`, `Connection`, `Sql`.
pub fn nodes(arguments: &ConnectArguments) -> Result<(), Failure> {
    let client = Client::remote(arguments.required()?);
    let settings = Settings { quiet: true, ..Settings::default() };
    let mut runner = Runner::new(client, settings, Output::stdout(), false);
    runner.run("SHOW NODES")?;
    runner.output.commit()
}

/// # Errors
/// `Usage`, `Connection`; `Sql` when the node refuses.
pub fn drain(arguments: &DrainArguments) -> Result<(), Failure> {
    arguments.connect.required()?.drain(&arguments.node, arguments.within).map_err(Failure::Sql)?;
    terminal::tell(&format!("{} is drained: it may be stopped", arguments.node));
    Ok(())
}

/// # Errors
/// `Usage`, `Connection`; `Sql` when the cluster refuses.
pub fn remove(arguments: &RemoveArguments) -> Result<(), Failure> {
    arguments.connect.required()?.remove(&arguments.node).map_err(Failure::Sql)?;
    terminal::tell(&format!("{} is not a node of the cluster any more", arguments.node));
    Ok(())
}

/// # Errors
/// `Usage`, `Connection`; `Reported` when two nodes do not understand each other.
pub fn upgrade_check(arguments: &ConnectArguments) -> Result<(), Failure> {
    let mut session = arguments.required()?;
    let leader = leader(&mut session).map_err(Failure::Sql)?;
    let nodes = session.nodes().map_err(Failure::Sql)?;
    let (lines, all_understand) = report(nodes, leader.as_deref());
    lines.iter().for_each(|line| terminal::answer(line));
    if all_understand { Ok(()) } else { Err(Failure::Reported) }
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

/// What to tell, and whether all nodes understand each other.
fn report(mut nodes: Vec<NodeInfo>, leader: Option<&str>) -> (Vec<String>, bool) {
    let leads = |node: &NodeInfo| leader == Some(node.name.as_str());
    // Whoever leads is last: the lead changes hands once.
    nodes.sort_by_key(|node| (leads(node), node.roles.catalog, order(&node.version), node.name.clone()));
    let newest = nodes.iter().map(|node| order(&node.version)).max().unwrap_or_default();
    let mut lines: Vec<String> = nodes
        .iter()
        .map(|node| {
            let lead = if leads(node) { ", leads the catalog" } else { "" };
            let NodeInfo { name, version, protocol, state, .. } = node;
            format!(
                "{name}  version {version}, protocols {} to {}, {state}{lead}",
                protocol.min, protocol.max
            )
        })
        .collect();
    let mut all_understand = true;
    for (at, one) in nodes.iter().enumerate() {
        for other in &nodes[at + 1..] {
            if one.protocol.common(other.protocol).is_none() {
                all_understand = false;
                lines.push(format!("{} and {} have no protocol in common", one.name, other.name));
            }
        }
    }
    lines.push(match nodes.iter().find(|node| order(&node.version) < newest) {
        Some(next) => format!("restart {} next: drain it, and start it with the newer program", next.name),
        None => "all nodes run the same version; restart them in this order".to_owned(),
    });
    (lines, all_understand)
}

/// Versions by their numbers: 0.10 is newer than 0.9.
fn order(version: &str) -> Vec<u64> {
    let release = version.split(['-', '+']).next().unwrap_or(version);
    release.split('.').map(|number| number.parse().unwrap_or(0)).collect()
}

#[cfg(test)]
mod tests {
    use nyala_schema::cluster::{NodeId, NodeState, Peer, ProtocolVersions, Roles};

    use super::*;

    fn node(name: &str, version: &str, max: u32) -> NodeInfo {
        NodeInfo {
            peer: Peer { id: NodeId(1), address: "localhost:1".to_owned() },
            name: name.to_owned(),
            incarnation: 1,
            roles: Roles::default(),
            state: NodeState::Active,
            cores: 1,
            memory_bytes: 1,
            version: version.to_owned(),
            protocol: ProtocolVersions { min: max.saturating_sub(1).max(1), max },
            catalog_version: 1,
            http: None,
            machine: None,
        }
    }

    #[test]
    fn the_leader_is_restarted_last_and_old_ones_first() {
        let nodes = vec![node("a", "0.9.0", 1), node("b", "0.10.0", 2), node("c", "0.9.1", 1)];
        let (lines, all_understand) = report(nodes, Some("a"));
        assert!(all_understand);
        let names: Vec<&str> = lines.iter().map(|line| line.split(' ').next().unwrap()).collect();
        assert_eq!(names, ["c", "b", "a", "restart"]);
        assert!(lines[3].contains("restart c next"), "{lines:?}");
        let (lines, all_understand) = report(vec![node("a", "1.0", 1), node("b", "3.0", 3)], None);
        assert!(!all_understand);
        assert!(lines.iter().any(|line| line.contains("a and b have no protocol")), "{lines:?}");
    }
}
