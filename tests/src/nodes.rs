//! Several nodes in this process, over loopback, with one warehouse.

use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use nyala_node::{Node, NodeConfig, PoolConfig};
use nyala_schema::option::Options;
use tempfile::TempDir;

use crate::Database;

/// Nodes that join, or end, at the same time.
const AT_ONCE: usize = 8;
/// So many nodes share a machine as if each were alone.
const NODES_WITHOUT_SLACK: usize = 5;

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
        Self::start_watched(count, &AtomicUsize::new(0))
    }

    /// Counts those that have started.
    ///
    /// # Panics
    /// When a node does not start.
    pub fn start_watched(count: usize, started: &AtomicUsize) -> Self {
        let folder = tempfile::tempdir().expect("a folder for nodes can be made");
        let slack = u32::try_from(count / NODES_WITHOUT_SLACK).unwrap_or(u32::MAX).max(1);
        let start = |number: usize, join: Option<String>| {
            let config = NodeConfig { slack, ..config(folder.path(), number, join) };
            let node = Node::start(config).unwrap_or_else(|error| panic!("node {number}: {error:?}"));
            started.fetch_add(1, Ordering::Relaxed);
            node
        };
        let first = start(1, None);
        let address = first.address().to_owned();
        let (next, others) = (AtomicUsize::new(2), Mutex::new(Vec::new()));
        std::thread::scope(|scope| {
            for _ in 0..AT_ONCE {
                scope.spawn(|| {
                    loop {
                        let number = next.fetch_add(1, Ordering::Relaxed);
                        if number > count {
                            return;
                        }
                        let node = start(number, Some(address.clone()));
                        others.lock().expect("no thread panics with it").push((number, node));
                    }
                });
            }
        });
        let mut others = others.into_inner().expect("no thread panics with it");
        others.sort_by_key(|(number, _)| *number);
        let nodes = [first].into_iter().chain(others.into_iter().map(|(_, node)| node)).collect();
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

impl Drop for Nodes {
    /// Each takes a moment to end.
    fn drop(&mut self) {
        while !self.nodes.is_empty() {
            let some = self.nodes.split_off(self.nodes.len().saturating_sub(AT_ONCE));
            std::thread::scope(|scope| {
                some.into_iter().for_each(|node| _ = scope.spawn(move || drop(node)));
            });
        }
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
