//! What a statement gives back.

use std::task::{Context, Poll};
use std::time::Duration;

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use nyala_schema::Result;
pub use nyala_schema::client::{
    FragmentProgress, StatementProgress as Progress, StatementSummary as Summary,
};

/// The answer to one statement.
pub enum Answer {
    Rows(RowStream),
    /// A command tag such as `CREATE TABLE` or `SELECT 42`.
    Done(String),
}

/// Rows as they are made. Dropping it cancels the query.
pub struct RowStream {
    source: Box<dyn RowSource>,
}

/// Where a stream's rows come from: a running query, rows made at once, or another node.
pub trait RowSource: Send {
    fn schema(&self) -> SchemaRef;

    /// The next batch; `None` when there was none within `wait`, `Some(Ok(None))` at the end.
    ///
    /// # Errors
    /// The first error of the query.
    fn next(&mut self, wait: Duration) -> Option<Result<Option<RecordBatch>>>;

    /// Ready when [`next`](Self::next) gives something at once, or nobody can tell.
    fn poll_ready(&mut self, _context: &mut Context<'_>) -> Poll<()> {
        Poll::Ready(())
    }

    fn progress(&self) -> Progress;

    /// Complete once the end has come.
    fn summary(&self) -> Summary;

    /// The next batch, however long it takes.
    ///
    /// # Errors
    /// As [`next`](Self::next).
    fn next_batch(&mut self) -> Result<Option<RecordBatch>> {
        const PATIENCE: Duration = Duration::from_secs(3600);
        loop {
            if let Some(result) = self.next(PATIENCE) {
                return result;
            }
        }
    }
}

impl RowStream {
    pub fn new(source: Box<dyn RowSource>) -> Self {
        Self { source }
    }

    pub fn schema(&self) -> SchemaRef {
        self.source.schema()
    }

    /// The next batch, blocking; `None` at the end. After an error there are no more rows.
    ///
    /// # Errors
    /// Those of the query, `Cancelled` among them.
    pub fn next_batch(&mut self) -> Result<Option<RecordBatch>> {
        self.source.next_batch()
    }

    /// As [`next_batch`](Self::next_batch), but gives up with `None` after `wait`, so that progress can be shown.
    pub fn next_within(&mut self, wait: Duration) -> Option<Result<Option<RecordBatch>>> {
        self.source.next(wait)
    }

    /// Ready when [`next_within`](Self::next_within) gives something at once, or nobody can tell.
    pub fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<()> {
        self.source.poll_ready(context)
    }

    pub fn progress(&self) -> Progress {
        self.source.progress()
    }

    /// What the query took; complete once the stream has ended.
    pub fn summary(&self) -> Summary {
        self.source.summary()
    }
}

/// Of a query that runs in this process alone.
pub(crate) fn progress_here(progress: nyala_executor::Progress) -> Progress {
    Progress {
        fraction: progress.fraction,
        rows_scanned: progress.rows_scanned,
        bytes_read: progress.bytes_read,
        memory_bytes: progress.memory_bytes,
        fragments: Vec::new(),
    }
}

/// Rows that were made at once: what SHOW, DESCRIBE and EXPLAIN give.
pub(crate) struct ReadyRows {
    schema: SchemaRef,
    batch: Option<RecordBatch>,
    rows: u64,
}

impl ReadyRows {
    pub(crate) fn answer(batch: RecordBatch) -> Answer {
        let rows = Self { schema: batch.schema(), rows: batch.num_rows() as u64, batch: Some(batch) };
        Answer::Rows(RowStream::new(Box::new(rows)))
    }
}

impl RowSource for ReadyRows {
    fn schema(&self) -> SchemaRef {
        self.schema.clone()
    }

    fn next(&mut self, _wait: Duration) -> Option<Result<Option<RecordBatch>>> {
        Some(Ok(self.batch.take()))
    }

    fn progress(&self) -> Progress {
        Progress { fraction: 1.0, ..Progress::default() }
    }

    fn summary(&self) -> Summary {
        Summary { rows: self.rows, ..Summary::default() }
    }
}
