//! What follows when a connection breaks: a node that refuses another one is down, at once.

use std::sync::Arc;
use std::time::Duration;

use nyala_schema::cluster::NodeId;
use tokio::time::{sleep, timeout};

use crate::core::Core;

/// Tries to connect again before a node is given up: one that restarts its network stack, or a full queue, is none that is
/// down.
const TRIES: u32 = 2;
const PAUSE: Duration = Duration::from_millis(200);

impl Core {
    /// The connection with a node is gone.
    pub fn disconnected(self: &Arc<Self>, node: NodeId) {
        if self.state().probed.insert(node) {
            let core = Arc::clone(self);
            self.runtime.spawn(async move {
                core.probe(node).await;
                core.state().probed.remove(&node);
            });
        }
    }

    async fn probe(&self, node: NodeId) {
        let Some((address, incarnation)) =
            self.roster().record(node).map(|record| (record.address.clone(), record.incarnation))
        else {
            return;
        };
        for attempt in 1..=TRIES {
            match timeout(self.settings.gossip.limit, self.transport.dial(&address)).await {
                Ok(Ok(found)) if found == node => return,
                // Another node is there now, or nobody.
                Ok(Ok(_) | Err(_)) if attempt == TRIES => {}
                Ok(Ok(_) | Err(_)) => sleep(PAUSE).await,
                // No answer at all: it may be the way there, and its silence will tell.
                Err(_) => return,
            }
        }
        tracing::warn!(%node, %address, "the connection with a node broke, and it takes no other: it is down");
        self.roster().refuse(node, incarnation);
        self.publish();
    }
}
