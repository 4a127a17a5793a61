//! What may be chosen about exchanges.

use std::time::Duration;

/// For all streams of a node.
#[derive(Debug, Clone)]
pub struct ExchangeConfig {
    /// Batches of one stream that may be under way or wait at the receiver at once. At least 1.
    pub credits: u32,
    /// How long parts of a stream wait for their receiver to be made.
    pub early_wait: Duration,
    pub compression: Compression,
    /// Attempts that are remembered after their release, so that what comes late is refused at once.
    pub released_max: usize,
}

impl Default for ExchangeConfig {
    fn default() -> Self {
        Self {
            credits: 2,
            early_wait: Duration::from_secs(30),
            compression: Compression::None,
            released_max: 16_384,
        }
    }
}

/// What is done to the bodies of batches that go to other nodes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Compression {
    None,
    /// Those that become smaller by it.
    Lz4,
}
