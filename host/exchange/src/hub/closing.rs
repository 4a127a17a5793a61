//! How far the streams of an output are from being over, all together: they are too many to be asked one by one.

use std::task::{Context, Poll, Waker};

use nyala_schema::{Error, Result};

use super::effects::{Effects, remember};

pub(super) struct Closing {
    /// Streams that are not over.
    open: usize,
    /// The first of a stream.
    failed: Option<Error>,
    wakers: Vec<Waker>,
}

impl Closing {
    pub fn new(streams: usize, failed: Option<Error>) -> Self {
        Self { open: if failed.is_some() { 0 } else { streams }, failed, wakers: Vec::new() }
    }

    /// A stream is over.
    pub fn closed(&mut self, error: Option<&Error>, effects: &mut Effects) {
        self.open = self.open.saturating_sub(1);
        if self.failed.is_none() {
            self.failed = error.cloned();
        }
        if self.open == 0 || self.failed.is_some() {
            effects.wake(&mut self.wakers);
        }
    }

    pub fn is_over(&self) -> bool {
        self.open == 0
    }

    pub fn poll_over(&mut self, context: &mut Context<'_>) -> Poll<Result<()>> {
        match &self.failed {
            Some(error) => Poll::Ready(Err(error.clone())),
            None if self.open == 0 => Poll::Ready(Ok(())),
            None => {
                remember(&mut self.wakers, context.waker());
                Poll::Pending
            }
        }
    }
}
