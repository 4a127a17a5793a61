//! Which node decides over admission.

use nyala_schema::cluster::Peer;

/// The node that all agree on, or soon will: the one that leads the catalog.
pub trait Leader: Send + Sync + 'static {
    /// `None` while there is none.
    fn leadership(&self) -> Option<Leadership>;
}

/// Of one node without a break. What was decided in another one holds no more, also when the same node comes to lead again:
/// others may have decided in between.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Leadership {
    pub node: Peer,
    pub term: u64,
}

impl<F: Fn() -> Option<Leadership> + Send + Sync + 'static> Leader for F {
    fn leadership(&self) -> Option<Leadership> {
        self()
    }
}
