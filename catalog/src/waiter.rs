//! How a thread that may block waits for what a runtime drives.

use std::pin::{Pin, pin};

use tokio::runtime::{Handle, RuntimeFlavor};

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

/// A thread that drives a runtime may not block on one: others of the runtime go on with its work, or, where it is the only
/// one, a new thread waits.
impl Waiter for Handle {
    fn drive(&self, task: Pin<&mut (dyn Future<Output = ()> + Send)>) {
        let is_only_one =
            Handle::try_current().is_ok_and(|own| own.runtime_flavor() == RuntimeFlavor::CurrentThread);
        if !is_only_one {
            return tokio::task::block_in_place(|| self.block_on(task));
        }
        let driven = std::thread::scope(|scope| scope.spawn(|| self.block_on(task)).join());
        driven.unwrap_or_else(|panic| std::panic::resume_unwind(panic));
    }
}
