//! What may be chosen about exchanges.

use std::time::Duration;

pub use nyala_schema::option::ExchangeCompression as Compression;

/// For all streams of a node.
#[derive(Debug, Clone)]
pub struct ExchangeConfig {
    /// Batches of one stream that may be under way or wait at the receiver at once. At least 1.
    pub credits: u32,
    /// How long parts of a stream wait for their receiver to be made. A deployment that is under way for longer has been given up
    /// by its coordinator: longer than its calls may take.
    pub early_wait: Duration,
    /// Of bodies of batches that go to other nodes, where an output does not say.
    pub compression: Compression,
    /// Attempts that are remembered after their release, so that what comes late is refused at once.
    pub released_max: usize,
}

impl Default for ExchangeConfig {
    fn default() -> Self {
        Self {
            credits: 2,
            early_wait: Duration::from_secs(10),
            compression: Compression::None,
            released_max: 16_384,
        }
    }
}
