//! The leader's answer to a node that wants to be a member, or says that it is up again.

use nyala_exchange::Members;
use nyala_schema::cluster::{NodeState, ProtocolVersions};
use nyala_schema::{Error, ErrorCode, Result};

use crate::admin::{Join, Joined, Reply};
use crate::core::{Core, removed};
use crate::record::Record;
use tokio::time::Instant;

impl Core {
    /// # Errors
    /// `InvalidParameter` with what has to be changed; `Connection` when it may be asked again.
    pub async fn admit(&self, join: Join) -> Result<Reply> {
        let Some(cluster) = self.state().identity.cluster.clone() else { return Ok(Reply::NoCluster) };
        let refused = |message: String, hint: &str| {
            tracing::warn!(node = %join.record.peer(), name = join.record.name, reason = message, "a node is refused");
            Err(Error::new(ErrorCode::InvalidParameter, message).with_hint(hint))
        };
        if join.cluster_name != cluster.name {
            let message = format!("this is cluster {:?}, not {:?}", cluster.name, join.cluster_name);
            return refused(message, "see which addresses the node is told to join, and its cluster name");
        }
        if join.cluster_id.is_some_and(|id| id != cluster.id) {
            let message = "the data folder is that of a node of another cluster of the same name".to_owned();
            return refused(message, "give the node an empty data folder: it then joins as a new node");
        }
        if let Some((name, theirs)) = self.speaks_otherwise(&join) {
            let message = format!(
                "version {} speaks protocols {} to {}, node {name:?} speaks {} to {}",
                join.record.version,
                join.record.protocol_min,
                join.record.protocol_max,
                theirs.min,
                theirs.max
            );
            return refused(message, "upgrade one version at a time, all nodes before the next");
        }
        if join.warehouse != self.settings.warehouse {
            let message = format!(
                "the node's warehouse is {}, the cluster's is {}",
                shown(join.warehouse.as_deref()),
                shown(self.settings.warehouse.as_deref())
            );
            return refused(message, "give all nodes the same warehouse, on storage that all of them reach");
        }
        let id = join.record.id;
        let members = self.replica.status().addresses;
        if join.cluster_id.is_some() && members.contains_key(&id) {
            // Before there is a leader: when all nodes have moved, there is none until they know where they are.
            self.greet(&join.record);
        }
        if !self.is_leader() {
            return self.redirect();
        }
        if join.cluster_id.is_some() && !members.contains_key(&id) {
            tracing::warn!(node = %join.record.peer(), "a node that was removed wants to come back: refused");
            return Err(removed());
        }
        if self.has_other_of_name(&join) {
            let message = format!("another node of the cluster is named {:?}", join.record.name);
            return refused(
                message,
                "give the node another name; or remove the other, if it is gone for good",
            );
        }
        if members.get(&id) != Some(&join.record.address) {
            self.replica.admit(&[(id, join.record.address.clone())].into()).await?;
            tracing::info!(node = %join.record.peer(), name = join.record.name, "a member, or its new address");
        }
        self.greet(&join.record);
        self.publish();
        self.news.notify_one();
        let members = self.replica.status().addresses;
        Ok(Reply::Joined(Box::new(Joined { cluster, records: self.roster().records(), members })))
    }

    /// It has spoken itself.
    fn greet(&self, record: &Record) {
        let mut roster = self.roster();
        let is_replaced = |other: &Record| other.address == record.address && other.id != record.id;
        for other in roster.records().into_iter().filter(is_replaced) {
            roster.refuse(other.node(), other.incarnation);
        }
        roster.learn(record.clone(), Instant::now());
        roster.hear_itself(record.node(), record.incarnation);
    }

    /// A node that is up and has no protocol in common with the newcomer.
    fn speaks_otherwise(&self, join: &Join) -> Option<(String, ProtocolVersions)> {
        let own = ProtocolVersions { min: join.record.protocol_min, max: join.record.protocol_max };
        let nodes = self.known.nodes();
        let up =
            nodes.iter().filter(|node| node.state != NodeState::Down && node.peer.id.0 != join.record.id);
        let mut apart = up.filter(|node| node.protocol.common(own).is_none());
        apart.next().map(|node| (node.name.clone(), node.protocol))
    }

    fn has_other_of_name(&self, join: &Join) -> bool {
        let nodes = self.known.nodes();
        let mut others = nodes.iter().filter(|node| node.peer.id.0 != join.record.id);
        // Whoever was at the newcomer's address is there no more.
        others.any(|node| {
            node.name == join.record.name
                && node.state != NodeState::Down
                && node.peer.address != join.record.address
        })
    }
}

fn shown(warehouse: Option<&str>) -> String {
    warehouse.map_or_else(|| "none".to_owned(), |place| format!("{place:?}"))
}
