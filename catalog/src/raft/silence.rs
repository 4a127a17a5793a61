//! A leader to which nobody answers falls silent for a while.
//!
//! When messages of a leader arrive but those to it do not, nothing can be committed, and the others hear from it and elect
//! no other. openraft's leaders do not step down for that, and cannot be told to.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use openraft::ServerState;
use tokio::time::sleep;

use super::types::Raft;

/// Looks in the time after which a leader falls silent.
const LOOKS: u32 = 4;

#[derive(Clone, Default)]
pub struct Silence(Arc<Flags>);

#[derive(Default)]
struct Flags {
    is_unanswered: AtomicBool,
    is_wanted: AtomicBool,
}

/// While it lives, a leader says nothing.
pub struct Hush(Silence);

impl Drop for Hush {
    fn drop(&mut self) {
        self.0.0.is_wanted.store(false, Ordering::Relaxed);
    }
}

impl Silence {
    pub fn is_on(&self) -> bool {
        self.0.is_unanswered.load(Ordering::Relaxed) || self.0.is_wanted.load(Ordering::Relaxed)
    }

    /// Falls silent so that another replica leads.
    pub fn hush(&self) -> Hush {
        self.0.is_wanted.store(true, Ordering::Relaxed);
        Hush(self.clone())
    }

    /// After `limit` without an answer the leader says nothing for as long, then tries again, and so on. Ends with the
    /// replica.
    pub async fn watch(self, raft: Raft, limit: Duration) {
        let pause = limit / LOOKS;
        let mut looks_unanswered = 0;
        loop {
            sleep(pause).await;
            match is_answered(&raft, limit) {
                None => return,
                Some(true) => looks_unanswered = 0,
                Some(false) => looks_unanswered += 1,
            }
            let is_on = looks_unanswered / LOOKS % 2 == 1;
            if is_on != self.0.is_unanswered.swap(is_on, Ordering::Relaxed) && is_on {
                tracing::warn!(
                    "no majority answers this leader of the catalog: it is silent, so that another can lead"
                );
            }
        }
    }
}

/// Whether this is no leader, or one that a majority has answered lately; `None` when it has stopped.
fn is_answered(raft: &Raft, limit: Duration) -> Option<bool> {
    let metrics = raft.metrics();
    let metrics = metrics.borrow();
    metrics.running_state.as_ref().ok()?;
    let is_alone = metrics.membership_config.membership().voter_ids().count() <= 1;
    let answered = metrics.millis_since_quorum_ack.map(Duration::from_millis);
    Some(metrics.state != ServerState::Leader || is_alone || answered.is_some_and(|since| since < limit))
}
