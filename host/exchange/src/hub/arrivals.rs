//! The receiving end of an exchange: one queue for the streams of all senders.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker, ready};

use arrow::array::RecordBatch;
use nyala_schema::cluster::NodeId;
use nyala_schema::{Error, ErrorCode, Result};

use super::content::{Content, Part};
use super::effects::{Effects, remember};
use super::spec::InputSpec;
use super::statistics::ExchangeStatistics;
use crate::input::Input;
use crate::lock::lock;
use crate::transport::{Receipt, Taken};

/// Batches of one stream that a receiver keeps, whatever the sender takes its credits to be.
pub(super) const STREAM_BATCHES_MAX: usize = 64;

pub(super) struct Arrivals {
    spec: InputSpec,
    state: Mutex<State>,
}

struct State {
    queue: VecDeque<Arrival>,
    senders: Vec<Sender>,
    /// Senders that have not ended.
    open: usize,
    over: Option<Over>,
    /// Of those who wait for any sender.
    wakers: Vec<Waker>,
}

struct Arrival {
    sender: usize,
    content: Content,
    receipt: Receipt,
}

#[derive(Default)]
struct Sender {
    has_ended: bool,
    /// Batches in the queue.
    waiting: usize,
    /// Of those who wait for this one.
    wakers: Vec<Waker>,
}

enum Over {
    Closed,
    Failed(Error),
}

impl Arrivals {
    pub fn new(spec: InputSpec) -> Self {
        let open = spec.senders.len();
        let senders = (0..open).map(|_| Sender::default()).collect();
        let queue = VecDeque::new();
        Self { spec, state: Mutex::new(State { queue, senders, open, over: None, wakers: Vec::new() }) }
    }

    /// A part of the stream of a sender.
    pub fn take(&self, from: NodeId, sender: u32, part: Part, receipt: Receipt, effects: &mut Effects) {
        let sender = sender as usize;
        if self.spec.senders.get(sender).is_none_or(|peer| peer.id != from) {
            let message = format!(
                "node {from} has sent rows of {}.{sender}, which does not run there",
                self.spec.fragment
            );
            tracing::warn!("{message}: refused");
            return effects.answer(receipt, Err(Error::new(ErrorCode::Connection, message)));
        }
        let mut state = lock(&self.state);
        if state.over.is_some() {
            return effects.answer(receipt, Ok(Taken::Closed));
        }
        if state.senders[sender].has_ended {
            // Its end has come; that it has not heard so does no harm.
            if let Part::Failed(_) = part {
                return effects.answer(receipt, Ok(Taken::Closed));
            }
            return effects.answer(receipt, Err(self.breach(from, "after the end of its rows")));
        }
        match part {
            Part::Batch(_) if state.senders[sender].waiting == STREAM_BATCHES_MAX => {
                let error = self.breach(from, "more batches than are allowed at once");
                effects.answer(receipt, Err(error.clone()));
                state.end(Over::Failed(error), effects);
            }
            Part::Batch(content) => {
                state.senders[sender].waiting += 1;
                state.queue.push_back(Arrival { sender, content, receipt });
                effects.wake(&mut state.wakers);
                effects.wake(&mut state.senders[sender].wakers);
            }
            Part::End => {
                state.senders[sender].has_ended = true;
                state.open -= 1;
                effects.wake(&mut state.senders[sender].wakers);
                effects.answer(receipt, Ok(Taken::MoreWanted));
                if state.open == 0 {
                    effects.wake(&mut state.wakers);
                }
            }
            Part::Failed(error) => {
                effects.answer(receipt, Ok(Taken::MoreWanted));
                state.end(Over::Failed(error), effects);
            }
        }
    }

    fn breach(&self, from: NodeId, what: &str) -> Error {
        let fragment = self.spec.fragment;
        let message = format!("node {from} has sent rows of {fragment} {what}");
        tracing::warn!("{message}: refused");
        Error::new(ErrorCode::Connection, message)
    }

    /// No more comes, and what waits is given up. The first error stays.
    pub fn fail(&self, error: Error, effects: &mut Effects) {
        let mut state = lock(&self.state);
        if state.over.is_none() {
            state.end(Over::Failed(error), effects);
        }
    }

    pub fn close(&self, effects: &mut Effects) {
        let mut state = lock(&self.state);
        if state.over.is_none() {
            state.end(Over::Closed, effects);
        }
    }

    /// The node is gone: an error if rows are still to come from there.
    pub fn disconnected(&self, node: NodeId, effects: &mut Effects) {
        let awaited = {
            let state = lock(&self.state);
            let mut senders = self.spec.senders.iter().zip(&state.senders);
            senders.find(|(peer, sender)| peer.id == node && !sender.has_ended).map(|(peer, _)| peer.clone())
        };
        if let Some(peer) = awaited {
            let message = format!(
                "the connection with node {peer} was lost while rows of {} were to come",
                self.spec.fragment
            );
            self.fail(Error::new(ErrorCode::Connection, message), effects);
        }
    }

    pub fn add_to(&self, statistics: &mut ExchangeStatistics) {
        let state = lock(&self.state);
        statistics.inputs += 1;
        if state.over.is_none() {
            statistics.streams_in += state.open as u64;
        }
        statistics.batches_waiting += state.queue.len() as u64;
        statistics.bytes_waiting += state.queue.iter().map(|arrival| arrival.content.bytes()).sum::<u64>();
    }

    /// The next batch, of one sender if it says which.
    fn poll(&self, of: Option<usize>, context: &Context<'_>) -> Poll<Result<Option<RecordBatch>>> {
        let next = lock(&self.state).poll(of, context.waker());
        let Some(arrival) = ready!(next)? else { return Poll::Ready(Ok(None)) };
        (arrival.receipt)(Ok(Taken::MoreWanted));
        let batch = arrival.content.into_batch(&self.spec.schema).map_err(|error| {
            let peer = &self.spec.senders[arrival.sender];
            let error = error.context(format_args!("rows of {} from node {peer}", self.spec.fragment));
            tracing::warn!("{error}");
            error
        });
        if let Err(error) = &batch {
            let mut effects = Effects::default();
            self.fail(error.clone(), &mut effects);
            effects.run();
        }
        Poll::Ready(batch.map(Some))
    }
}

impl State {
    fn poll(&mut self, of: Option<usize>, waker: &Waker) -> Poll<Result<Option<Arrival>>> {
        match &self.over {
            Some(Over::Closed) => return Poll::Ready(Ok(None)),
            Some(Over::Failed(error)) => return Poll::Ready(Err(error.clone())),
            None => {}
        }
        let next = match of {
            None => self.queue.pop_front(),
            Some(sender) => {
                let place = self.queue.iter().position(|arrival| arrival.sender == sender);
                place.and_then(|place| self.queue.remove(place))
            }
        };
        if let Some(arrival) = next {
            self.senders[arrival.sender].waiting -= 1;
            return Poll::Ready(Ok(Some(arrival)));
        }
        let (has_ended, wakers) = match of {
            None => (self.open == 0, &mut self.wakers),
            Some(sender) => {
                let sender = self.senders.get_mut(sender);
                let sender = sender.ok_or_else(|| Error::internal("rows of a sender that there is not"))?;
                (sender.has_ended, &mut sender.wakers)
            }
        };
        if has_ended {
            return Poll::Ready(Ok(None));
        }
        remember(wakers, waker);
        Poll::Pending
    }

    fn end(&mut self, over: Over, effects: &mut Effects) {
        for arrival in self.queue.drain(..) {
            effects.answer(arrival.receipt, Ok(Taken::Closed));
        }
        self.over = Some(over);
        effects.wake(&mut self.wakers);
        self.senders.iter_mut().for_each(|sender| effects.wake(&mut sender.wakers));
    }
}

/// What an instance holds: dropping it closes the streams.
pub(super) struct InputEnd(pub Arc<Arrivals>);

impl Input for InputEnd {
    fn poll_next(&self, context: &mut Context<'_>) -> Poll<Result<Option<RecordBatch>>> {
        self.0.poll(None, context)
    }

    fn senders(&self) -> usize {
        self.0.spec.senders.len()
    }

    fn poll_from(&self, sender: usize, context: &mut Context<'_>) -> Poll<Result<Option<RecordBatch>>> {
        self.0.poll(Some(sender), context)
    }

    fn close(&self) {
        let mut effects = Effects::default();
        self.0.close(&mut effects);
        effects.run();
    }
}

impl Drop for InputEnd {
    fn drop(&mut self) {
        self.close();
    }
}
