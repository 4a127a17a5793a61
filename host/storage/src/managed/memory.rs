//! The memory of one statement that writes.

use std::sync::{Arc, Condvar, Mutex, PoisonError};

/// Bytes of rows that are on their way into files.
#[derive(Default)]
pub struct Memory {
    used: Mutex<usize>,
    freed: Condvar,
}

impl Memory {
    /// Bytes that stay counted until the charge is dropped.
    pub fn charge(self: &Arc<Self>, bytes: usize) -> Charge {
        *self.used.lock().unwrap_or_else(PoisonError::into_inner) += bytes;
        Charge { memory: Arc::clone(self), bytes }
    }

    /// Waits until at most so many bytes are used.
    pub fn wait_below(&self, bytes: usize) {
        let mut used = self.used.lock().unwrap_or_else(PoisonError::into_inner);
        while *used > bytes {
            used = self.freed.wait(used).unwrap_or_else(PoisonError::into_inner);
        }
    }
}

pub struct Charge {
    memory: Arc<Memory>,
    bytes: usize,
}

impl Drop for Charge {
    fn drop(&mut self) {
        *self.memory.used.lock().unwrap_or_else(PoisonError::into_inner) -= self.bytes;
        self.memory.freed.notify_all();
    }
}
