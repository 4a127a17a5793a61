//! A query whose rows a client fetches, piece by piece.

use std::future::poll_fn;
use std::time::Duration;

use arrow::ipc::writer::StreamWriter;
use bytes::{Bytes, BytesMut};
use nyala_schema::client::{FetchEnd, StatementProgress};
use nyala_schema::{Error, Result};
use tokio::time::timeout;

use crate::answer::RowStream;

pub struct ServedRows {
    stream: RowStream,
    writer: StreamWriter<Vec<u8>>,
    /// Written, and not fetched yet.
    waiting: BytesMut,
    /// Comes after what waits.
    end: Option<FetchEnd>,
}

/// One answer to a client.
pub struct Piece {
    pub bytes: Bytes,
    pub progress: StatementProgress,
    pub end: FetchEnd,
}

impl ServedRows {
    /// # Errors
    /// For columns of types that have no form in Arrow streams.
    pub fn new(stream: RowStream) -> Result<Self> {
        let writer = StreamWriter::try_new(Vec::new(), &stream.schema())?;
        Ok(Self { stream, writer, waiting: BytesMut::new(), end: None })
    }

    /// Whether there is something to fetch within `wait`, or nobody can tell. Keeps no thread.
    pub async fn ready(&mut self, wait: Duration) -> bool {
        let has_some = !self.waiting.is_empty() || self.end.is_some();
        has_some || timeout(wait, poll_fn(|context| self.stream.poll_ready(context))).await.is_ok()
    }

    /// How far the query is.
    pub fn nothing_yet(&self) -> Piece {
        Piece { bytes: Bytes::new(), progress: self.stream.progress(), end: FetchEnd::More }
    }

    /// At most `bytes_max` bytes of rows, and at least one unless none comes within `wait`.
    pub fn fetch(&mut self, wait: Duration, bytes_max: usize) -> Piece {
        let mut wait = wait;
        while self.end.is_none() && self.waiting.len() < bytes_max {
            match self.stream.next_within(wait) {
                None => break,
                Some(Ok(Some(batch))) => {
                    if let Err(error) = self.writer.write(&batch) {
                        self.end = Some(FetchEnd::Failed(error.into()));
                    }
                    // What more is ready goes along, but nothing is waited for.
                    wait = Duration::ZERO;
                }
                Some(Ok(None)) => {
                    let summary = self.stream.summary();
                    let finished = self.writer.finish().map_err(Error::from);
                    self.end = Some(finished.map_or_else(FetchEnd::Failed, |()| FetchEnd::Over(summary)));
                }
                Some(Err(error)) => self.end = Some(FetchEnd::Failed(error)),
            }
            self.waiting.extend_from_slice(&std::mem::take(self.writer.get_mut()));
        }
        let bytes = self.waiting.split_to(bytes_max.min(self.waiting.len())).freeze();
        let end = match &self.end {
            Some(end) if self.waiting.is_empty() => end.clone(),
            _ => FetchEnd::More,
        };
        Piece { bytes, progress: self.stream.progress(), end }
    }
}
