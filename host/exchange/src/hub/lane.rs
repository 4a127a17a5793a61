//! The sending end of one stream.

use std::collections::VecDeque;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use nyala_schema::{Error, Result};

use super::content::{Content, Part};
use super::effects::{Effects, remember};
use crate::output::Readiness;
use crate::transport::{Outgoing, Taken};

/// What has gone into a stream and not been taken, and how the stream ends. Of an attempt on many nodes there are very many,
/// most of which carry nothing but their end.
#[derive(Default)]
pub(super) struct Lane {
    /// The stream to another node, from its first part to its end.
    outgoing: Option<Arc<dyn Outgoing>>,
    /// Batches without receipt.
    under_way: u32,
    /// Batches that wait for a credit.
    backlog: VecDeque<Content>,
    phase: Phase,
    wakers: Vec<Waker>,
}

#[derive(Default)]
enum Phase {
    #[default]
    Open,
    /// The end is to follow the backlog.
    Ending,
    /// The end is under way.
    Ended,
    /// Nothing is sent any more.
    Over(Option<Error>),
}

impl Lane {
    /// Of an attempt that is no more.
    pub fn failed(error: Error) -> Self {
        Self { phase: Phase::Over(Some(error)), ..Self::default() }
    }

    /// The stream to another node, opened when it is needed.
    pub fn outgoing(&mut self, open: impl FnOnce() -> Arc<dyn Outgoing>) -> &dyn Outgoing {
        &**self.outgoing.get_or_insert_with(open)
    }

    pub fn poll_ready(&mut self, credits: u32, context: &mut Context<'_>) -> Poll<Result<Readiness>> {
        match &self.phase {
            Phase::Over(Some(error)) => return Poll::Ready(Err(error.clone())),
            Phase::Over(None) | Phase::Ending | Phase::Ended => return Poll::Ready(Ok(Readiness::Closed)),
            Phase::Open => {}
        }
        if self.under_way < credits && self.backlog.is_empty() {
            return Poll::Ready(Ok(Readiness::Ready));
        }
        remember(&mut self.wakers, context.waker());
        Poll::Pending
    }

    /// Whether batches go anywhere.
    ///
    /// # Errors
    /// What the stream failed with.
    pub fn is_open(&self) -> Result<bool> {
        match &self.phase {
            Phase::Open => Ok(true),
            Phase::Over(Some(error)) => Err(error.clone()),
            Phase::Over(None) | Phase::Ending | Phase::Ended => Ok(false),
        }
    }

    pub fn add(&mut self, contents: impl IntoIterator<Item = Content>) {
        if matches!(self.phase, Phase::Open) {
            self.backlog.extend(contents);
        }
    }

    /// The next part to be pushed, as credits allow.
    pub fn next_part(&mut self, credits: u32) -> Option<Part> {
        match self.phase {
            Phase::Over(_) | Phase::Ended => None,
            Phase::Open | Phase::Ending if !self.backlog.is_empty() => {
                if self.under_way >= credits {
                    return None;
                }
                self.under_way += 1;
                self.backlog.pop_front().map(Part::Batch)
            }
            Phase::Open => None,
            Phase::Ending => {
                self.phase = Phase::Ended;
                Some(Part::End)
            }
        }
    }

    /// All rows are in the backlog.
    pub fn end(&mut self, effects: &mut Effects) {
        if matches!(self.phase, Phase::Open) {
            self.phase = Phase::Ending;
            effects.wake(&mut self.wakers);
        }
    }

    /// Rows are missing. Gives what the receiver is to be told, if it does not know of an end yet.
    pub fn end_failed(&mut self, error: Error, effects: &mut Effects) -> Option<Part> {
        match self.phase {
            Phase::Open | Phase::Ending => {
                self.backlog.clear();
                self.phase = Phase::Ended;
                effects.wake(&mut self.wakers);
                Some(Part::Failed(error))
            }
            Phase::Ended | Phase::Over(_) => None,
        }
    }

    /// Nothing is sent any more; the first reason stays. Whether this is it.
    pub fn give_up(&mut self, error: Option<Error>, effects: &mut Effects) -> bool {
        if matches!(self.phase, Phase::Over(_)) {
            return false;
        }
        self.backlog = VecDeque::new();
        self.under_way = 0;
        self.outgoing = None;
        self.phase = Phase::Over(error);
        effects.wake(&mut self.wakers);
        true
    }

    /// The receiver has taken a part. Whether the stream is over by that.
    pub fn taken(&mut self, is_batch: bool, taken: Taken, effects: &mut Effects) -> bool {
        match taken {
            _ if self.is_over() => false,
            Taken::MoreWanted if is_batch => {
                self.under_way = self.under_way.saturating_sub(1);
                effects.wake(&mut self.wakers);
                false
            }
            Taken::MoreWanted | Taken::Closed => self.give_up(None, effects),
        }
    }

    pub fn is_over(&self) -> bool {
        matches!(self.phase, Phase::Over(_))
    }

    /// Batches that have not been taken.
    pub fn batches(&self) -> u64 {
        u64::from(self.under_way) + self.backlog.len() as u64
    }
}
