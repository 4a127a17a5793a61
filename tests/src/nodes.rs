//! Several nodes in this process, over loopback, with one warehouse.

use std::path::Path;

use nyala_node::{Node, NodeConfig, PoolConfig};
use nyala_schema::option::Options;
use tempfile::TempDir;

use crate::Database;

/// Nodes stop when this is dropped.
pub struct Nodes {
    nodes: Vec<Node>,
    _folder: TempDir,
}

impl Nodes {
    /// Every query that can be is run on all of them, however small.
    ///
    /// # Panics
    /// When a node does not start.
    pub fn start(count: usize) -> Self {
        let folder = tempfile::tempdir().expect("a folder for nodes can be made");
        let mut nodes: Vec<Node> = Vec::new();
        for number in 1..=count {
            let join = nodes.first().map(|node| node.address().to_owned());
            let config = config(folder.path(), number, join);
            nodes.push(Node::start(config).unwrap_or_else(|error| panic!("node {number}: {error:?}")));
        }
        Self { nodes, _folder: folder }
    }

    pub fn node(&self, index: usize) -> &Node {
        &self.nodes[index]
    }

    /// A session with one of the nodes.
    pub fn database(&self, index: usize) -> Database {
        Database::of(self.nodes[index].engine().clone())
    }
}

fn config(folder: &Path, number: usize, join: Option<String>) -> NodeConfig {
    let any_port = ([127, 0, 0, 1], 0).into();
    let mut options = Options { threads: 1, ..nyala_node::default_options() };
    options.set("distribution", "always").expect("the option is known");
    NodeConfig {
        join: join.into_iter().collect(),
        name: Some(format!("n{number}")),
        // That scripts name.
        pools: [("reports".to_owned(), PoolConfig::default())].into(),
        warehouse: Some(folder.join("warehouse").display().to_string()),
        threads: 1,
        options,
        ..NodeConfig::new(folder.join(format!("n{number}")), any_port)
    }
}
