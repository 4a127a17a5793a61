//! What health and metrics are asked of.

use std::sync::Arc;

use nyala_node::{Engine, Metric, Node};
use nyala_schema::cluster::NodeState;

pub trait Source: Send + Sync + 'static {
    /// Those of one name next to each other.
    fn metrics(&self) -> Vec<Metric>;

    /// Whether it can be given work.
    ///
    /// # Errors
    /// Why not, for people.
    fn ready(&self) -> Result<(), String>;
}

/// A node that may be stopped while it is still asked.
pub struct NodeSource {
    engine: Arc<Engine>,
    ready: Box<dyn Fn() -> Result<(), String> + Send + Sync>,
}

impl NodeSource {
    pub fn of(node: &Node) -> Self {
        let cluster = Arc::clone(node.cluster());
        let ready = move || {
            if let Some(why) = cluster.status().waits_for {
                return Err(why);
            }
            match cluster.members().nodes().first().map(|node| node.state) {
                Some(NodeState::Active) => Ok(()),
                Some(state) => Err(format!("the node is {state}")),
                None => Err("the node does not know itself yet".to_owned()),
            }
        };
        Self { engine: Arc::clone(node.engine()), ready: Box::new(ready) }
    }
}

impl Source for NodeSource {
    fn metrics(&self) -> Vec<Metric> {
        self.engine.metrics()
    }

    fn ready(&self) -> Result<(), String> {
        (self.ready)()
    }
}
