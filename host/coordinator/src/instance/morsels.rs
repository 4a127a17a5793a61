//! The share of a scan that an instance has, and how it gets more.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};

use nyala_executor::Morsels;
use nyala_schema::cluster::InstanceId;
use nyala_schema::deploy::{Lease, MorselRequest};
use nyala_schema::id::OperatorId;
use nyala_schema::{Error, Result};

use crate::instance::outbox::Outbox;
use crate::lock::lock;

/// Asks its coordinator for more before it runs dry.
pub(crate) struct LeasedMorsels {
    instance: InstanceId,
    scan: OperatorId,
    outbox: Arc<Outbox>,
    stock: Mutex<Stock>,
}

#[derive(Default)]
struct Stock {
    queue: VecDeque<u32>,
    is_last: bool,
    /// With so many left it is time to ask.
    low: usize,
    /// Of the last request, and whether it has been answered.
    number: u32,
    is_asking: bool,
    taken: u64,
    given: u64,
    failed: Option<Error>,
    wakers: Vec<Waker>,
}

impl LeasedMorsels {
    pub(crate) fn new(instance: InstanceId, first: Lease, outbox: Arc<Outbox>) -> Arc<Self> {
        let mut stock = Stock::default();
        let scan = first.scan;
        stock.add(first);
        Arc::new(Self { instance, scan, outbox, stock: Mutex::new(stock) })
    }

    pub(crate) fn scan(&self) -> OperatorId {
        self.scan
    }

    /// The answer to a request; one to an older request is nothing to mind.
    pub(crate) fn give(&self, number: u32, lease: Lease) {
        let mut stock = lock(&self.stock);
        if !stock.is_asking || number != stock.number {
            return;
        }
        stock.is_asking = false;
        stock.add(lease);
        wake(stock);
    }

    /// Nobody will answer any more.
    pub(crate) fn fail(&self, error: Error) {
        let mut stock = lock(&self.stock);
        stock.failed.get_or_insert(error);
        wake(stock);
    }

    pub(crate) fn taken(&self) -> u64 {
        lock(&self.stock).taken
    }
}

/// Lets go of the lock first.
fn wake(mut stock: std::sync::MutexGuard<'_, Stock>) {
    let wakers = std::mem::take(&mut stock.wakers);
    drop(stock);
    wakers.into_iter().for_each(Waker::wake);
}

impl Stock {
    fn add(&mut self, lease: Lease) {
        self.low = lease.morsels.len() / 2;
        self.given += lease.morsels.len() as u64;
        self.queue.extend(lease.morsels);
        self.is_last |= lease.is_last;
    }

    /// The number of a request to make now.
    fn asks(&mut self) -> Option<u32> {
        if self.is_last || self.is_asking || self.queue.len() > self.low {
            return None;
        }
        self.is_asking = true;
        self.number += 1;
        Some(self.number)
    }
}

impl Morsels for LeasedMorsels {
    fn poll_next(&self, context: &mut Context<'_>) -> Poll<Result<Option<usize>>> {
        let mut stock = lock(&self.stock);
        let next = stock.queue.pop_front();
        let asks = stock.asks();
        let answer = match next {
            _ if stock.failed.is_some() => {
                Poll::Ready(Err(stock.failed.clone().unwrap_or_else(Error::cancelled)))
            }
            Some(position) => {
                stock.taken += 1;
                Poll::Ready(Ok(Some(position as usize)))
            }
            None if stock.is_last => Poll::Ready(Ok(None)),
            None => {
                if !stock.wakers.iter().any(|waker| waker.will_wake(context.waker())) {
                    stock.wakers.push(context.waker().clone());
                }
                Poll::Pending
            }
        };
        drop(stock);
        if let Some(number) = asks {
            self.outbox.request(MorselRequest { instance: self.instance, scan: self.scan, number });
        }
        answer
    }
}

#[cfg(test)]
mod tests {
    use nyala_schema::cluster::{Attempt, QueryId};
    use nyala_schema::id::FragmentId;
    use tokio::sync::Notify;

    use super::*;

    fn lease(morsels: &[u32], is_last: bool) -> Lease {
        Lease { fragment: FragmentId(1), scan: OperatorId(2), morsels: morsels.to_vec(), is_last }
    }

    fn leased(first: Lease) -> (Arc<LeasedMorsels>, Arc<Outbox>) {
        let outbox = Outbox::new(Arc::new(Notify::new()));
        let attempt = Attempt { query: QueryId(1), number: 0 };
        let instance = InstanceId { attempt, fragment: FragmentId(1), index: 0 };
        (LeasedMorsels::new(instance, first, outbox.clone()), outbox)
    }

    fn next(morsels: &LeasedMorsels) -> Poll<Result<Option<usize>>> {
        morsels.poll_next(&mut Context::from_waker(Waker::noop()))
    }

    #[test]
    fn more_is_asked_for_before_there_is_nothing() {
        let (morsels, outbox) = leased(lease(&[5, 6, 7, 8], false));
        assert_eq!(next(&morsels), Poll::Ready(Ok(Some(5))));
        assert!(outbox.take().requests.is_empty());
        assert_eq!(next(&morsels), Poll::Ready(Ok(Some(6))));
        assert_eq!(outbox.take().requests.len(), 1);
        assert_eq!(next(&morsels), Poll::Ready(Ok(Some(7))));
        assert!(outbox.take().requests.is_empty(), "one request at a time");
        assert_eq!(next(&morsels), Poll::Ready(Ok(Some(8))));
        assert_eq!(next(&morsels), Poll::Pending);
        morsels.give(1, lease(&[9], true));
        morsels.give(1, lease(&[9], true));
        assert_eq!(next(&morsels), Poll::Ready(Ok(Some(9))));
        assert_eq!(next(&morsels), Poll::Ready(Ok(None)));
        assert_eq!(morsels.taken(), 5);
    }

    #[test]
    fn a_share_that_is_whole_is_never_asked_for() {
        let (morsels, outbox) = leased(lease(&[1], true));
        assert_eq!(next(&morsels), Poll::Ready(Ok(Some(1))));
        assert_eq!(next(&morsels), Poll::Ready(Ok(None)));
        assert!(outbox.take().requests.is_empty());
        morsels.fail(Error::cancelled());
        assert_eq!(next(&morsels), Poll::Ready(Err(Error::cancelled())));
    }
}
