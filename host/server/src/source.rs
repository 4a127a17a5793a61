//! What health and metrics are asked of.

use nyala_node::{Metric, Node};
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

impl Source for Node {
    fn metrics(&self) -> Vec<Metric> {
        self.engine().metrics()
    }

    fn ready(&self) -> Result<(), String> {
        if let Some(why) = self.cluster().status().waits_for {
            return Err(why);
        }
        let nodes = self.cluster().members().nodes();
        match nodes.first().map(|node| node.state) {
            Some(NodeState::Active) => Ok(()),
            Some(state) => Err(format!("the node is {state}")),
            None => Err("the node does not know itself yet".to_owned()),
        }
    }
}
