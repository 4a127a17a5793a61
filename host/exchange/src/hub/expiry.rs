//! Gives up what waits too long.

use std::sync::{Arc, Weak};

use tokio::runtime::Handle;
use tokio::sync::Notify;
use tokio::task::AbortHandle;
use tokio::time::{Instant, sleep_until};

use super::Exchange;
use super::effects::Effects;
use crate::lock::lock;

/// A task that ends with its exchange.
pub(super) struct Expiry {
    something_waits: Arc<Notify>,
    task: Option<AbortHandle>,
}

impl Expiry {
    pub fn start(hub: Weak<Exchange>) -> Self {
        let something_waits = Arc::new(Notify::new());
        let run = run(hub, Arc::clone(&something_waits));
        let task = Handle::try_current().ok().map(|runtime| runtime.spawn(run).abort_handle());
        Self { something_waits, task }
    }

    pub fn look(&self) {
        self.something_waits.notify_one();
    }
}

impl Drop for Expiry {
    fn drop(&mut self) {
        if let Some(task) = &self.task {
            task.abort();
        }
    }
}

async fn run(hub: Weak<Exchange>, something_waits: Arc<Notify>) {
    loop {
        something_waits.notified().await;
        // Deadlines come in their order, so nothing that comes meanwhile is due before the next one.
        while let Some(next) = expire(&hub) {
            sleep_until(next).await;
        }
    }
}

fn expire(hub: &Weak<Exchange>) -> Option<Instant> {
    let hub = hub.upgrade()?;
    let mut effects = Effects::default();
    let next = lock(&hub.attempts).expire(Instant::now(), &mut effects);
    effects.run();
    next
}
