//! Moves an engine's epoch on while its code runs.

use std::sync::{Arc, Condvar, Mutex, PoisonError, Weak};
use std::time::Duration;

use wasmtime::Engine;

/// How often code that runs looks whether it should stop.
const TICK: Duration = Duration::from_millis(5);

/// A thread that sleeps while no code runs.
pub(crate) struct Ticker {
    shared: Arc<Shared>,
}

struct Shared {
    running: Mutex<usize>,
    changed: Condvar,
}

impl Ticker {
    /// # Errors
    /// The system's, when it gives no thread.
    pub(crate) fn start(engine: &Engine) -> std::io::Result<Ticker> {
        let shared = Arc::new(Shared { running: Mutex::new(0), changed: Condvar::new() });
        let (weak, engine) = (Arc::downgrade(&shared), engine.weak());
        let work = move || {
            while let Some(shared) = Weak::upgrade(&weak) {
                shared.wait();
                let Some(engine) = engine.upgrade() else { break };
                engine.increment_epoch();
            }
        };
        std::thread::Builder::new().name("nyala-kernel-epoch".into()).spawn(work)?;
        Ok(Ticker { shared })
    }

    /// Epochs move while the result lives.
    pub(crate) fn run(&self) -> Running<'_> {
        let mut running = self.shared.running.lock().unwrap_or_else(PoisonError::into_inner);
        *running += 1;
        if *running == 1 {
            self.shared.changed.notify_one();
        }
        Running(self)
    }
}

impl Drop for Ticker {
    fn drop(&mut self) {
        // Wakes the thread, which then finds nobody to work for.
        let mut running = self.shared.running.lock().unwrap_or_else(PoisonError::into_inner);
        *running += 1;
        self.shared.changed.notify_one();
    }
}

impl Shared {
    /// Until something runs, and one tick.
    fn wait(&self) {
        let running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        let waited = self.changed.wait_while(running, |running| *running == 0);
        drop(waited.unwrap_or_else(PoisonError::into_inner));
        std::thread::sleep(TICK);
    }
}

pub(crate) struct Running<'a>(&'a Ticker);

impl Drop for Running<'_> {
    fn drop(&mut self) {
        let mut running = self.0.shared.running.lock().unwrap_or_else(PoisonError::into_inner);
        *running = running.saturating_sub(1);
    }
}
