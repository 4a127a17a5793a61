//! What may be chosen about coordination.

use std::time::Duration;

use crate::admission::Pool;

/// Of one node. The defaults suit a cluster on one network.
#[derive(Debug, Clone)]
pub struct CoordinatorSettings {
    /// Rows that are held back so that a query that lost a node can be run again, bytes.
    pub held_bytes_max: u64,
    /// How often a query is tried. At least 1.
    pub attempts_max: u32,
    /// Between the first two attempts; doubles.
    pub retry_backoff: Duration,
    /// For every call to another node.
    pub call_deadline: Duration,
    /// Between two reports of a node that has nothing urgent to say.
    pub report_interval: Duration,
    /// A node that has not reported for so long is taken for failed.
    pub report_silence_max: Duration,
    /// How long instances stay after the connection with their coordinator broke.
    pub coordinator_grace: Duration,
    /// After which a node's penalty for a failure is half of what it was.
    pub blacklist_half_life: Duration,
    /// Queries that this node coordinates at once, less where nodes of one machine claim the same cores; others wait for
    /// their turn, at most for so long.
    pub running_at_once: usize,
    pub turn_wait_max: Duration,
    /// A query that takes longer does not count any more: short ones need not wait for it.
    pub turn_max: Duration,
    /// Scans of no more morsels for each node than this are shared out whole, at once.
    pub morsels_at_once: usize,
    /// How long a scan waits for a filter of another fragment, at most.
    pub filter_wait_max: Duration,
    /// Threads that open files and start instances at once. With 0 that is done on the runtime's own threads, as simulation
    /// wants it.
    pub starting_threads: usize,
    /// Finished queries that are remembered.
    pub finished_max: usize,
    pub admission: AdmissionSettings,
    /// Of what is drawn by chance.
    pub seed: u64,
}

impl Default for CoordinatorSettings {
    fn default() -> Self {
        Self {
            held_bytes_max: 16 << 20,
            attempts_max: 4,
            retry_backoff: Duration::from_millis(50),
            call_deadline: Duration::from_secs(5),
            report_interval: Duration::from_secs(1),
            report_silence_max: Duration::from_secs(5),
            coordinator_grace: Duration::from_millis(700),
            blacklist_half_life: Duration::from_secs(20),
            running_at_once: usize::MAX,
            turn_wait_max: Duration::from_secs(10),
            turn_max: Duration::from_secs(1),
            // What a slow node may hold up is then some tens of milliseconds of work, and every other node finds in its cache
            // what it read before.
            morsels_at_once: 20,
            filter_wait_max: Duration::from_millis(500),
            starting_threads: 8,
            finished_max: 100,
            admission: AdmissionSettings::default(),
            seed: 0,
        }
    }
}

/// The same on all nodes.
#[derive(Debug, Clone)]
pub struct AdmissionSettings {
    /// The first is for those who name none.
    pub pools: Vec<Pool>,
    /// Queries that run at once, over all pools.
    pub slots: Option<u32>,
    /// Bytes that the queries of all pools may hold.
    pub memory_bytes: Option<u64>,
    /// Without a renewal for so long, a query is taken for gone.
    pub lease: Duration,
    /// How long a new controller waits for what runs already.
    pub settle: Duration,
    /// When the controller cannot be reached for so long, a coordinator decides by itself.
    pub patience: Duration,
}

impl Default for AdmissionSettings {
    fn default() -> Self {
        Self {
            pools: vec![Pool::default()],
            slots: None,
            memory_bytes: None,
            lease: Duration::from_secs(10),
            settle: Duration::from_secs(2),
            patience: Duration::from_secs(3),
        }
    }
}
