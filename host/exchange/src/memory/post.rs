//! What is under way, by the time at which it arrives.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::collections::BinaryHeap;
use std::sync::{Arc, Mutex};

use tokio::sync::Notify;
use tokio::task::AbortHandle;
use tokio::time::{Instant, sleep_until};

use crate::lock::lock;

/// What happens when something arrives.
pub(super) type Arrival = Box<dyn FnOnce() + Send>;

/// Brings everything in the order of time, and what comes at one time in the order in which it was posted.
pub(super) struct Post {
    bag: Arc<Bag>,
    task: AbortHandle,
}

#[derive(Default)]
struct Bag {
    under_way: Mutex<UnderWay>,
    something_came: Notify,
}

#[derive(Default)]
struct UnderWay {
    order: BinaryHeap<Reverse<(Instant, u64)>>,
    arrivals: BTreeMap<u64, Arrival>,
    next: u64,
}

impl Post {
    /// On the runtime that this is called in.
    pub fn start() -> Self {
        let bag = Arc::new(Bag::default());
        let task = tokio::spawn(carry(Arc::clone(&bag))).abort_handle();
        Self { bag, task }
    }

    pub fn at(&self, time: Instant, arrival: Arrival) {
        let mut under_way = lock(&self.bag.under_way);
        let number = under_way.next;
        under_way.next += 1;
        under_way.order.push(Reverse((time, number)));
        under_way.arrivals.insert(number, arrival);
        drop(under_way);
        self.bag.something_came.notify_one();
    }
}

impl Drop for Post {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn carry(bag: Arc<Bag>) {
    loop {
        let next = bring(&bag);
        let something_came = bag.something_came.notified();
        match next {
            None => something_came.await,
            Some(time) => {
                tokio::select! {
                    biased;
                    () = something_came => {}
                    () = sleep_until(time) => {}
                }
            }
        }
    }
}

/// Brings what is due; says when the next is.
fn bring(bag: &Bag) -> Option<Instant> {
    loop {
        let arrival = {
            let mut under_way = lock(&bag.under_way);
            let Reverse((time, number)) = *under_way.order.peek()?;
            if time > Instant::now() {
                return Some(time);
            }
            under_way.order.pop();
            under_way.arrivals.remove(&number)
        };
        if let Some(arrival) = arrival {
            arrival();
        }
    }
}
