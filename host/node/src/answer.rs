//! What a statement gives back.

use std::time::Duration;

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use nyala_schema::Result;

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

    pub fn progress(&self) -> Progress {
        self.source.progress()
    }

    /// What the query took; complete once the stream has ended.
    pub fn summary(&self) -> Summary {
        self.source.summary()
    }
}

/// How far a running query is, over all nodes.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Progress {
    /// Part of all scan morsels that are done, 0 to 1.
    pub fraction: f64,
    pub rows_scanned: u64,
    pub bytes_read: u64,
    pub memory_bytes: u64,
    /// In the order of the plan; none where a query runs in one process.
    pub fragments: Vec<FragmentProgress>,
}

/// One fragment, over its instances.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct FragmentProgress {
    pub fragment: u32,
    pub instances: u32,
    /// Instances that have ended.
    pub done: u32,
    /// Rows that it has given so far.
    pub rows: u64,
    pub rows_per_second: f64,
    pub memory_bytes: u64,
    pub spilled_bytes: u64,
    pub bytes_sent: u64,
}

impl From<nyala_executor::Progress> for Progress {
    fn from(progress: nyala_executor::Progress) -> Self {
        Self {
            fraction: progress.fraction,
            rows_scanned: progress.rows_scanned,
            bytes_read: progress.bytes_read,
            memory_bytes: progress.memory_bytes,
            fragments: Vec::new(),
        }
    }
}

/// What a query took.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Summary {
    pub rows: u64,
    pub elapsed: Duration,
    /// SQL text to fragments.
    pub planning: Duration,
    /// Sum over the programs that were compiled, on compiler threads.
    pub compiling: Duration,
    pub bytes_read: u64,
    pub peak_memory_bytes: u64,
    /// `interpreter`, `native`, or `mixed` when some batches ran before the code was ready.
    pub backend: String,
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
