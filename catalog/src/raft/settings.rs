//! Times and sizes of a replica.

use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use nyala_schema::{Error, ErrorCode, Result};
use openraft::{Config, SnapshotPolicy};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

/// Entries that go to another replica in one message.
const ENTRIES_PER_MESSAGE: u64 = 300;

#[derive(Debug, Clone)]
pub struct Settings {
    /// How often a leader says that it is there.
    pub heartbeat: Duration,
    /// How long a replica hears nothing before it wants to lead; each takes a time of its own from this range.
    pub election: Range<Duration>,
    /// How long one try to reach the leader may take.
    pub attempt: Duration,
    /// How long a call is tried again before it fails.
    pub patience: Duration,
    /// Applied entries after which the state is written, so that the log can be cut.
    pub entries_per_snapshot: u64,
    /// Applied entries that are kept all the same, for replicas that lag a little.
    pub entries_kept: u64,
    /// Pieces in which an image of the state is sent.
    pub chunk_bytes: usize,
    /// How long bytes of a module that no command names yet are kept.
    pub blob_grace: Duration,
    /// Where randomness comes from; otherwise from the machine.
    pub seed: Option<u64>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            heartbeat: Duration::from_millis(100),
            election: Duration::from_millis(300)..Duration::from_millis(600),
            attempt: Duration::from_secs(2),
            patience: Duration::from_secs(15),
            entries_per_snapshot: 2000,
            entries_kept: 1000,
            chunk_bytes: 1 << 20,
            blob_grace: Duration::from_secs(600),
            seed: None,
        }
    }
}

impl Settings {
    pub(super) fn random(&self) -> StdRng {
        self.seed.map_or_else(StdRng::from_entropy, StdRng::seed_from_u64)
    }

    /// openraft draws the election timeout itself, from a generator that cannot be seeded: a range of one value leaves it
    /// no choice.
    pub(super) fn config(&self, random: &mut StdRng) -> Result<Arc<Config>> {
        let election =
            millis(self.election.start)..millis(self.election.end).max(millis(self.election.start) + 1);
        let election = random.gen_range(election);
        let config = Config {
            cluster_name: "nyala".into(),
            heartbeat_interval: millis(self.heartbeat),
            election_timeout_min: election,
            election_timeout_max: election + 1,
            install_snapshot_timeout: millis(self.attempt),
            max_payload_entries: ENTRIES_PER_MESSAGE,
            replication_lag_threshold: self.entries_per_snapshot + self.entries_kept,
            snapshot_policy: SnapshotPolicy::LogsSinceLast(self.entries_per_snapshot),
            snapshot_max_chunk_size: self.chunk_bytes as u64,
            max_in_snapshot_log_to_keep: self.entries_kept,
            ..Config::default()
        };
        let checked = config.validate();
        checked
            .map(Arc::new)
            .map_err(|e| Error::new(ErrorCode::InvalidParameter, format!("settings of a replica: {e}")))
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
