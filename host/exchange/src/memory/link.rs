//! One connection between two nodes.

use std::collections::{BTreeMap, VecDeque};

use nyala_schema::cluster::NodeId;
use nyala_schema::{Error, Result};
use tokio::sync::oneshot;
use tokio::task::AbortHandle;
use tokio::time::Instant;

use super::post::Arrival;
use crate::transport::Receipt;

/// Both ends, the lesser first.
pub(super) type Ends = (NodeId, NodeId);

/// From one node to another.
pub(super) type Route = (NodeId, NodeId);

pub(super) fn ends(one: NodeId, other: NodeId) -> Ends {
    (one.min(other), one.max(other))
}

/// What of a connection is not over. It ends as a whole, with all of it.
pub(super) struct Link {
    /// Tells it from those that were between the same nodes before.
    pub number: u64,
    pub since: Instant,
    /// Until when each direction is busy: from the lesser node, and to it.
    pub busy: [Instant; 2],
    pub bytes: [u64; 2],
    pub calls_made: u64,
    /// Of parts that have not been taken.
    pub receipts: BTreeMap<u64, Receipt>,
    pub calls: BTreeMap<u64, Call>,
    /// Calls that are being answered.
    pub running: BTreeMap<u64, AbortHandle>,
    /// What arrived while the nodes were parted, of each direction.
    pub held: [VecDeque<Arrival>; 2],
}

/// The place of a direction: from the lesser node, or to it.
pub(super) fn direction((from, to): Route) -> usize {
    usize::from(from > to)
}

pub(super) struct Call {
    pub answer: oneshot::Sender<Result<bytes::Bytes>>,
    /// When it arrives.
    pub arrival: Instant,
}

impl Link {
    pub fn new(number: u64, now: Instant) -> Self {
        Self {
            number,
            since: now,
            busy: [now; 2],
            bytes: [0; 2],
            calls_made: 0,
            receipts: BTreeMap::new(),
            calls: BTreeMap::new(),
            running: BTreeMap::new(),
            held: Default::default(),
        }
    }

    /// All that waits for an answer gets this one.
    pub fn fail(self, error: &Error) {
        self.running.into_values().for_each(|task| task.abort());
        for receipt in self.receipts.into_values() {
            receipt(Err(error.clone()));
        }
        for call in self.calls.into_values() {
            // Who does not wait any more need not be told.
            let _ = call.answer.send(Err(error.clone()));
        }
    }
}
