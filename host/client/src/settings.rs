//! What a client says of itself, and how patient it is.

use std::sync::Arc;
use std::time::Duration;

use nyala_rpc::tls::Tls;
use nyala_schema::client::Setting;

/// Bytes of rows that are held back until the statement's end, so that it can be run again elsewhere.
pub const HELD_BYTES_MAX: usize = 16 << 20;
/// How long another node is looked for when one went away.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// Told of what happens beside statements, as that the session moved to another node.
pub type Notice = Arc<dyn Fn(&str) + Send + Sync>;

#[derive(Clone)]
pub struct ClientSettings {
    /// Who says that it is.
    pub user: String,
    /// Name of the cluster that addresses must belong to. `None`: any.
    pub cluster: Option<String>,
    /// Without it, connections are in the clear.
    pub tls: Option<Tls>,
    /// Options of the session from its start.
    pub options: Vec<Setting>,
    /// How long another node is looked for.
    pub patience: Duration,
    /// Bytes of rows that are held back at most, until the statement's end.
    pub held_bytes_max: usize,
    pub notice: Option<Notice>,
}

impl Default for ClientSettings {
    fn default() -> Self {
        Self {
            user: String::new(),
            cluster: None,
            tls: None,
            options: Vec::new(),
            patience: PATIENCE,
            held_bytes_max: HELD_BYTES_MAX,
            notice: None,
        }
    }
}
