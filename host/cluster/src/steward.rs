//! The leader's hand: addresses that changed, and who votes.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use nyala_catalog::raft::Status;
use nyala_exchange::Members;
use nyala_schema::Result;
use nyala_schema::cluster::{NodeId, NodeState};
use tokio::time::{Instant, timeout};

use crate::core::{Core, Standing};
use crate::told::Told;
use crate::voters::{Situation, plan};

/// Between two looks when nothing is reported: what is due by time alone is late by no more.
const LOOK: Duration = Duration::from_secs(1);
/// Versions by which a node that is to vote may lag.
const LAG_MAX: u64 = 1000;

/// Looks after the members for as long as this node leads, until it is aborted.
pub async fn look_after(core: Arc<Core>) {
    let mut leads_since = None;
    let mut told = Told::default();
    loop {
        // Whether it was woken or not, it looks.
        let _ = timeout(LOOK, core.concerns.notified()).await;
        core.publish();
        told.tell_lead(&core.replica.status(), &core.known.nodes());
        if !core.is_leader() || !matches!(*core.standing.borrow(), Standing::In) {
            leads_since = None;
            continue;
        }
        let since = *leads_since.get_or_insert_with(Instant::now);
        if let Err(error) = core.set_right(since).await {
            tracing::warn!(%error, "the members of the catalog could not be changed; it is tried again");
        }
    }
}

impl Core {
    async fn set_right(&self, leads_since: Instant) -> Result<()> {
        let status = self.replica.status();
        let moved = self.moved(&status);
        if !moved.is_empty() {
            tracing::info!(?moved, "nodes have new addresses");
            self.replica.admit(&moved).await?;
        }
        let leaving = self.state().leaving.clone();
        let Some(wanted) = plan(&self.situation(&status, leaving, leads_since)) else { return Ok(()) };
        let wanted: BTreeSet<u64> = wanted.into_iter().map(|id| id.0).collect();
        if wanted != status.voters || status.is_changing {
            tracing::info!(before = ?names(&status.voters), now = ?names(&wanted), "the catalog's voters change");
            self.replica.set_voters(&wanted).await?;
        }
        Ok(())
    }

    /// Members that say that they are elsewhere than the others are told.
    fn moved(&self, status: &Status) -> BTreeMap<u64, String> {
        let roster = self.roster();
        let said = status.addresses.iter().filter_map(|(id, address)| {
            let said = &roster.record(NodeId(*id))?.address;
            (said != address).then(|| (*id, said.clone()))
        });
        said.collect()
    }

    pub fn situation(
        &self,
        status: &Status,
        mut leaving: BTreeSet<NodeId>,
        leads_since: Instant,
    ) -> Situation {
        let now = Instant::now();
        let nodes = self.known.nodes();
        let own = self.replica.snapshot().version;
        let is_able = |node: &&nyala_schema::cluster::NodeInfo| {
            node.state == NodeState::Active
                && node.roles.catalog
                && status.addresses.contains_key(&node.peer.id.0)
                && node.catalog_version + LAG_MAX >= own
        };
        let able = nodes.iter().filter(is_able).map(|node| node.peer.id).collect();
        let voters: BTreeSet<NodeId> = status.voters.iter().copied().map(NodeId).collect();
        let roster = self.roster();
        leaving.extend(voters.iter().copied().filter(|id| roster.has_left(*id)));
        let limit = self.settings.replace_voter_after;
        let is_dead = |id: &NodeId| match roster.record(*id) {
            Some(record) if !record.roles().catalog => true,
            Some(_) => roster.down_for(*id, now).is_some_and(|down| down >= limit),
            // Not heard of since this node leads.
            None => now.saturating_duration_since(leads_since) >= limit,
        };
        let dead = voters.iter().copied().filter(is_dead).collect();
        Situation {
            voters,
            able,
            dead,
            leaving,
            leader: status.leader.map(NodeId),
            wanted: self.settings.voters,
        }
    }
}

fn names(ids: &BTreeSet<u64>) -> Vec<String> {
    ids.iter().map(|id| NodeId(*id).to_string()).collect()
}
