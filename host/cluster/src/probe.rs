//! What follows when a connection breaks: a node that refuses another one is down, at once.

use std::sync::Arc;
use std::time::Duration;

use nyala_schema::Error;
use nyala_schema::cluster::NodeId;
use tokio::time::{sleep, timeout};

use crate::core::Core;

/// Tries to connect again before a node is given up: one that restarts its network stack, or a full queue, is none that is
/// down.
const TRIES: u32 = 2;
const PAUSE: Duration = Duration::from_millis(200);

/// What systems say when it is the way that is missing, and not the one at its end.
const OF_THE_WAY: [&str; 5] = ["unreachable", "no route", "timed out", "lookup", "resolv"];

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
                Ok(Err(error)) if is_of_the_way(&error) => return,
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

/// The transport gives no kind of such errors but their text. One that is taken for another costs the node's place for as long
/// as it takes to hear it again.
fn is_of_the_way(error: &Error) -> bool {
    let text = error.message().to_lowercase();
    OF_THE_WAY.iter().any(|word| text.contains(word))
}
