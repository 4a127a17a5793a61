//! What a session runs: to be cancelled, or asked how far it is, from any thread.

use nyala_schema::client::StatementProgress;

#[derive(Clone)]
pub enum Running {
    Local(nyala_node::CancelHandle),
    Remote(nyala_client::CancelHandle),
}

impl Running {
    /// Does nothing when nothing runs.
    pub fn cancel(&self) {
        match self {
            Self::Local(handle) => handle.cancel(),
            Self::Remote(handle) => handle.cancel(),
        }
    }

    /// `None` when nothing runs, or nobody can tell.
    pub fn progress(&self) -> Option<StatementProgress> {
        match self {
            Self::Local(handle) => handle.progress(),
            Self::Remote(handle) => handle.progress(),
        }
    }
}
