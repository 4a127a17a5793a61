//! Where a task waits: for room in an output, for a batch of an input, for a share of a scan.

use std::sync::{Arc, Mutex};
use std::task::Wake;

use crate::lock::lock;
use crate::run::task::Task;

/// One task's place to wait. It is the task's waker, which may be called at any time, from any thread and more than once: a
/// task that waits is resumed by the first call; one that runs is told so when it wants to wait next; one that has ended
/// minds nothing.
#[derive(Default)]
pub(crate) struct Parking {
    spot: Mutex<Spot>,
}

#[derive(Default)]
enum Spot {
    /// The task runs, or waits in the pool's queue.
    #[default]
    Running,
    /// As `Running`, and it has been woken since it last wanted to wait.
    Woken,
    Parked(Task),
    Ended,
}

impl Parking {
    /// Keeps the task until it is woken; gives it back when that has happened already.
    pub(crate) fn park(&self, task: Task) -> Option<Task> {
        let mut spot = lock(&self.spot);
        match *spot {
            Spot::Woken => {
                *spot = Spot::Running;
                Some(task)
            }
            Spot::Running | Spot::Parked(_) | Spot::Ended => {
                *spot = Spot::Parked(task);
                None
            }
        }
    }

    fn unpark(&self) -> Option<Task> {
        let mut spot = lock(&self.spot);
        match std::mem::replace(&mut *spot, Spot::Woken) {
            Spot::Running | Spot::Woken => None,
            Spot::Parked(task) => {
                *spot = Spot::Running;
                Some(task)
            }
            Spot::Ended => {
                *spot = Spot::Ended;
                None
            }
        }
    }

    pub(crate) fn end(&self) {
        *lock(&self.spot) = Spot::Ended;
    }
}

impl Wake for Parking {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        if let Some(task) = self.unpark() {
            task.resume();
        }
    }
}

/// The places of all tasks of a query that have not ended, so that whatever concerns all of them reaches those that wait.
#[derive(Default)]
pub(crate) struct Tasks(Mutex<Vec<Arc<Parking>>>);

impl Tasks {
    pub(crate) fn add(&self, parking: &Arc<Parking>) {
        lock(&self.0).push(parking.clone());
    }

    pub(crate) fn remove(&self, parking: &Arc<Parking>) {
        parking.end();
        lock(&self.0).retain(|other| !Arc::ptr_eq(other, parking));
    }

    pub(crate) fn wake_all(&self) {
        let all = lock(&self.0).clone();
        all.iter().for_each(Wake::wake_by_ref);
    }
}
