//! How a thread that may block waits for what a runtime drives.

use std::pin::{Pin, pin};

use tokio::runtime::Handle;

/// A simulation, in which one thread does everything, brings one of its own.
pub trait Waiter: Send + Sync + 'static {
    /// Returns when the task has ended.
    fn drive(&self, task: Pin<&mut (dyn Future<Output = ()> + Send)>);
}

impl dyn Waiter {
    /// What a task gives.
    pub fn wait<T: Send>(&self, task: impl Future<Output = T> + Send) -> T {
        let mut given = None;
        self.drive(pin!(async { given = Some(task.await) }));
        given.expect("a task that has ended has given something")
    }
}

/// A thread that drives a runtime may not block on one, so a new thread does: that is rare.
impl Waiter for Handle {
    fn drive(&self, task: Pin<&mut (dyn Future<Output = ()> + Send)>) {
        if Handle::try_current().is_err() {
            return self.block_on(task);
        }
        let driven = std::thread::scope(|scope| scope.spawn(|| self.block_on(task)).join());
        driven.unwrap_or_else(|panic| std::panic::resume_unwind(panic));
    }
}
