//! The way out: for a while, or for good.

use std::collections::BTreeSet;
use std::time::Duration;

use nyala_exchange::Members;
use nyala_schema::cluster::{NodeId, NodeState};
use nyala_schema::{Error, ErrorCode, Result};
use tokio::time::{Instant, timeout};

use crate::admin::{Reply, Request};
use crate::core::Core;
use crate::record::Word;
use crate::voters::plan;

/// For telling others that this node goes.
const GOODBYE: Duration = Duration::from_millis(500);
/// Beyond its deadline that a node is given to answer that it is drained.
const DRAIN_MARGIN: Duration = Duration::from_secs(10);

impl Core {
    /// # Errors
    /// `Connection` when nobody took the lead over.
    pub async fn drain(&self, deadline: Duration) -> Result<()> {
        self.say(|record| record.state = Word::Draining);
        tracing::info!(?deadline, "this node takes no new work");
        if let Some(finish) = self.finish.get()
            && timeout(deadline, finish(deadline)).await.is_err()
        {
            tracing::warn!(?deadline, "this node still had work at its deadline");
        }
        self.replica.hand_over().await
    }

    /// # Errors
    /// `UndefinedObject` when the node is not known; those of the node.
    pub async fn drain_node(&self, node: NodeId, deadline: Duration) -> Result<()> {
        if node == self.id() {
            return self.drain(deadline).await;
        }
        let peer = self.peer(node).ok_or_else(|| unknown(node))?;
        let deadline_ms = u64::try_from(deadline.as_millis()).unwrap_or(u64::MAX);
        self.ask(&peer, &Request::Drain { deadline_ms }, deadline.saturating_add(DRAIN_MARGIN)).await?;
        Ok(())
    }

    /// # Errors
    /// As [`Cluster::remove`](crate::Cluster::remove).
    pub async fn remove(&self, node: NodeId) -> Result<()> {
        self.ask_leader(&Request::Remove { node: node.0, is_own_wish: false }).await.map(|_| ())
    }

    /// # Errors
    /// As [`Cluster::leave`](crate::Cluster::leave).
    pub async fn leave(&self) -> Result<()> {
        self.say(|record| record.state = Word::Draining);
        if self.replica.status().voters.len() > 1 {
            self.replica.hand_over().await?;
        }
        self.ask_leader(&Request::Remove { node: self.id().0, is_own_wish: true }).await?;
        self.state().identity.leave()?;
        self.say_goodbye(Word::Left, GOODBYE).await;
        let message = "this node has left the cluster";
        self.put_out(Error::new(ErrorCode::InvalidParameter, message));
        Ok(())
    }

    /// # Errors
    /// As [`Cluster::remove`](crate::Cluster::remove); `Connection` when this node does not lead.
    pub async fn remove_as_leader(&self, node: NodeId, is_own_wish: bool) -> Result<Reply> {
        if !self.is_leader() {
            return self.redirect();
        }
        let status = self.replica.status();
        if !status.addresses.contains_key(&node.0) {
            // Perhaps a try whose answer was lost.
            return if is_own_wish { Ok(Reply::Done) } else { Err(unknown(node)) };
        }
        let is_up = self.known.node(node).is_some_and(|info| info.state != NodeState::Down);
        if is_up && !is_own_wish {
            let message = format!("node {node} is up");
            return Err(Error::new(ErrorCode::InvalidParameter, message)
                .with_hint("stop it first: only a node that is down can be removed"));
        }
        self.state().leaving.insert(node);
        let done = self.take_out(node).await;
        self.state().leaving.remove(&node);
        self.publish();
        done.map(|()| Reply::Done)
    }

    async fn take_out(&self, node: NodeId) -> Result<()> {
        let status = self.replica.status();
        if status.voters.contains(&node.0) {
            let situation = self.situation(&status, [node].into(), Instant::now());
            let left = plan(&situation).ok_or_else(|| {
                Error::new(
                    ErrorCode::InvalidParameter,
                    format!("node {node} has the last vote over the catalog"),
                )
                .with_hint("let another node with the role catalog join first")
            })?;
            let voters: BTreeSet<u64> = left.into_iter().map(|id| id.0).collect();
            self.replica.set_voters(&voters).await?;
        }
        self.replica.forget(&[node.0].into()).await?;
        tracing::info!(%node, "a node is out of the cluster");
        Ok(())
    }

    /// Others learn at once that this node ends.
    pub async fn end(&self) {
        let word = self.roster().local().state;
        if word != Word::Left {
            self.say_goodbye(Word::Stopped, GOODBYE).await;
        }
        self.replica.stop().await;
    }
}

fn unknown(node: NodeId) -> Error {
    Error::new(ErrorCode::UndefinedObject, format!("no node {node} is in the cluster"))
        .with_hint("SHOW NODES lists them")
}
