//! The engine that sessions share.

use std::path::PathBuf;
use std::sync::Arc;

use nyala_schema::Result;
use nyala_schema::option::Options;

use crate::session::Session;

/// How to open an engine. The default keeps everything in memory.
#[derive(Debug, Clone, Default)]
pub struct Config {
    /// Where definitions persist.
    pub data: Option<PathBuf>,
    /// Options that sessions start with.
    pub options: Options,
}

/// All that a process needs to run SQL.
pub struct Engine {}

impl Engine {
    /// # Errors
    /// `Store` when the data directory is damaged, locked by another process or not writable.
    pub fn open(_config: Config) -> Result<Arc<Engine>> {
        Ok(Arc::new(Engine {}))
    }

    pub fn session(self: &Arc<Self>) -> Session {
        Session {}
    }
}
