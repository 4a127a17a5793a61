//! When the other side of a connection is asked whether it lives.

use std::time::Duration;

use tokio::time::{Instant, sleep_until};

use crate::link::End;
use crate::local::Local;
use crate::wire::Wire;

/// Clients are many, and each beat wakes both sides: theirs are this much further apart than those of nodes.
const CLIENT_BEATS_APART: u32 = 3;

/// The time between two heartbeats.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Beats {
    every: Duration,
    /// Who has been heard meanwhile lives. Nodes beat all the same: it tells how long a message takes when much is under way.
    is_spared_when_heard: bool,
}

impl Beats {
    pub(crate) fn new(local: &Local, end: &End) -> Self {
        let every = local.limits.heartbeat_every;
        if local.peer().is_some() && end.peer.is_some() {
            Self { every, is_spared_when_heard: false }
        } else {
            Self { every: every * CLIENT_BEATS_APART, is_spared_when_heard: true }
        }
    }

    /// Waits from one beat until the next is due.
    pub(crate) async fn rest(&self, wire: &Wire) {
        let mut due = Instant::now() + self.every;
        loop {
            sleep_until(due).await;
            let quiet = wire.heard_at() + self.every;
            if !self.is_spared_when_heard || quiet <= due {
                return;
            }
            due = quiet;
        }
    }
}
