//! A network in memory, for tests and simulation: what happens on it follows from a seed when tokio's time is paused on a
//! single-threaded runtime.
//!
//! Reading order: [`Weather`] is how it behaves; `network` is nodes and what is done to them; `link` is one connection; `post`
//! brings what is under way; `transport` is a node's access.

mod call;
mod link;
mod network;
mod post;
mod transport;

use std::ops::Range;
use std::time::Duration;

pub use network::MemoryNetwork;
pub use transport::MemoryTransport;

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
