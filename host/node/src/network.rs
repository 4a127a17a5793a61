//! What ties the engine of a node to the other nodes.

use std::sync::Arc;

use nyala_exchange::{Members, Transport};
use nyala_frontend::LogicalPlan;
use nyala_schema::option::Options;
use nyala_schema::{Error, Fragment, Result};
use tokio::runtime::Handle;

use crate::query::Planned;
use crate::running::Running;
use crate::session::Session;
use crate::statements::Statement;

pub struct Network {
    pub transport: Arc<dyn Transport>,
    pub members: Arc<dyn Members>,
    pub runtime: Handle,
}

impl Network {
    /// Plans a query for the nodes that run fragments now.
    ///
    /// # Errors
    /// Those of planning.
    pub fn plan(&self, logical: &LogicalPlan, version: u64, options: &Options) -> Result<Vec<Fragment>> {
        nyala_planner::plan(logical, version, options)
    }

    /// Has the coordinator of this node run a query.
    ///
    /// # Errors
    /// Those of admission and of the start.
    pub fn start(
        &self,
        session: &Session,
        run: Option<&Statement>,
        planned: &Planned,
    ) -> Result<Box<dyn Running>> {
        let _ = (session, run, planned);
        Err(Error::unsupported("queries on several nodes"))
    }

    pub fn drop_connections(&self) {
        for node in self.members.nodes().iter().filter(|node| node.peer.id != self.members.local()) {
            self.transport.disconnect(node.peer.id);
        }
    }
}
