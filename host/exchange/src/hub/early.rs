//! Streams whose receiver is not there yet.

use nyala_schema::cluster::NodeId;
use nyala_schema::{Error, Result};
use tokio::time::Instant;

use super::arrivals::{Arrivals, STREAM_BATCHES_MAX};
use super::content::Part;
use super::effects::Effects;
use super::statistics::ExchangeStatistics;
use crate::transport::{Receipt, Taken};

/// What has come of one stream.
pub(super) struct Early {
    pub from: NodeId,
    pub deadline: Instant,
    parts: Vec<(Part, Receipt)>,
}

impl Early {
    pub fn new(from: NodeId, deadline: Instant) -> Self {
        Self { from, deadline, parts: Vec::new() }
    }

    pub fn has_room(&self) -> bool {
        // The end needs none.
        self.parts.len() <= usize::from(STREAM_BATCHES_MAX)
    }

    pub fn push(&mut self, part: Part, receipt: Receipt) {
        self.parts.push((part, receipt));
    }

    /// The receiver is there.
    pub fn hand_to(self, arrivals: &Arrivals, sender: u32, effects: &mut Effects) {
        for (part, receipt) in self.parts {
            arrivals.take(self.from, sender, part, receipt, effects);
        }
    }

    pub fn answer(self, result: &Result<Taken, Error>, effects: &mut Effects) {
        for (_, receipt) in self.parts {
            effects.answer(receipt, result.clone());
        }
    }

    pub fn add_to(&self, statistics: &mut ExchangeStatistics) {
        statistics.streams_early += 1;
        for (part, _) in &self.parts {
            if let Part::Batch(content) = part {
                statistics.batches_waiting += 1;
                statistics.bytes_waiting += content.bytes();
            }
        }
    }
}
