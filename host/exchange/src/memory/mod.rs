//! A network in memory, for tests and simulation: what happens on it follows from a seed when tokio's time is paused on a
//! single-threaded runtime.

use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use nyala_schema::cluster::{NodeId, Peer};

use crate::transport::Handler;

/// How the network behaves by itself.
#[derive(Debug, Clone)]
pub struct Weather {
    /// Of each message, drawn anew; what belongs to one stream keeps its order.
    pub latency: Range<Duration>,
    /// Of each direction between two nodes; `None` is without limit.
    pub bytes_per_second: Option<u64>,
    /// That a message breaks the connection it goes over, out of a million.
    pub breaks_per_million: u32,
    /// After which a connection is given up over which nothing comes.
    pub silence_max: Duration,
}

impl Default for Weather {
    fn default() -> Self {
        Self {
            latency: Duration::from_micros(100)..Duration::from_micros(500),
            bytes_per_second: None,
            breaks_per_million: 0,
            silence_max: Duration::from_secs(5),
        }
    }
}

/// Nodes and what lies between them.
pub struct MemoryNetwork {}

impl MemoryNetwork {
    /// To be called inside a tokio runtime, which carries the messages.
    pub fn new(seed: u64, weather: Weather) -> Arc<Self> {
        let _ = (seed, weather);
        todo!()
    }

    /// A node comes, or comes back after a crash as another incarnation.
    pub fn add(
        self: &Arc<Self>,
        peer: Peer,
        incarnation: u64,
        handler: Arc<dyn Handler>,
    ) -> Arc<MemoryTransport> {
        let _ = (peer, incarnation, handler);
        todo!()
    }

    /// A node is gone at once: its connections break, its calls end, its handler hears nothing any more.
    pub fn crash(&self, node: NodeId) {
        let _ = node;
        todo!()
    }

    /// Nothing passes between two nodes any more, in both directions, until [`heal`](Self::heal).
    pub fn part(&self, one: NodeId, other: NodeId) {
        let _ = (one, other);
        todo!()
    }

    /// All that is parted is together again; what was under way and not given up yet arrives.
    pub fn heal(&self) {
        todo!()
    }

    /// Changes how fast one direction is.
    pub fn slow(&self, from: NodeId, to: NodeId, bytes_per_second: u64) {
        let _ = (from, to, bytes_per_second);
        todo!()
    }
}

/// A node's access to a network in memory.
pub struct MemoryTransport {}
