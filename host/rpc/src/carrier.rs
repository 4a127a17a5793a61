//! The one thread that carries the connections of all clients of a process: a program may have hundreds of sessions.

use std::sync::{Arc, Mutex, PoisonError, Weak};

use nyala_schema::Result;
use tokio::sync::mpsc;
use tokio_util::task::TaskTracker;

use crate::hub::local_thread;
use crate::outgoing::ended;
use crate::reactor::Reactor;

static CURRENT: Mutex<Weak<Carrier>> = Mutex::new(Weak::new());

/// Ends with the last connection that holds it.
pub(crate) struct Carrier {
    reactors: mpsc::UnboundedSender<Reactor>,
}

impl Carrier {
    /// The one that there is, or a new one.
    ///
    /// # Errors
    /// `OutOfMemory` when no thread can be started.
    pub(crate) fn current() -> Result<Arc<Self>> {
        let mut current = CURRENT.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(carrier) = current.upgrade() {
            return Ok(carrier);
        }
        let carrier = Arc::new(Self::start()?);
        *current = Arc::downgrade(&carrier);
        Ok(carrier)
    }

    fn start() -> Result<Self> {
        let (reactors, mut come) = mpsc::unbounded_channel::<Reactor>();
        local_thread("nyala-client-io".into(), || async move {
            let running = TaskTracker::new();
            while let Some(reactor) = come.recv().await {
                running.spawn_local(reactor.run());
            }
            // What is left has been told to end.
            running.close();
            running.wait().await;
        })?;
        Ok(Self { reactors })
    }

    /// # Errors
    /// `Connection` when the thread has ended, which it does not while this is held.
    pub(crate) fn carry(&self, reactor: Reactor) -> Result<()> {
        self.reactors.send(reactor).map_err(|_| ended())
    }
}
