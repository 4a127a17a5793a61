//! A statement from its beginning to its last row, as the list of statements knows it.

use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use nyala_schema::{Error, Result};

use crate::answer::{Answer, Progress, RowSource, RowStream, Summary};
use crate::engine::Engine;
use crate::statements::Statement;

/// Dropped before its end it was given up.
pub struct Watched {
    engine: Arc<Engine>,
    run: Arc<Statement>,
    is_over: bool,
}

/// Rows whose end is the statement's.
struct WatchedRows {
    rows: RowStream,
    watched: Watched,
    given: u64,
}

impl Watched {
    pub fn new(engine: &Arc<Engine>, run: Arc<Statement>) -> Self {
        Self { engine: Arc::clone(engine), run, is_over: false }
    }

    /// The statement has answered; if with rows, it ends with them.
    ///
    /// # Errors
    /// What is given.
    pub fn answer(mut self, answer: Result<Answer>) -> Result<Answer> {
        match answer {
            Ok(Answer::Rows(rows)) => {
                Ok(Answer::Rows(RowStream::new(Box::new(WatchedRows { rows, watched: self, given: 0 }))))
            }
            Ok(done) => {
                self.finish(0, Progress { fraction: 1.0, ..Progress::default() }, None);
                Ok(done)
            }
            Err(error) => {
                let error = self.run.told(error);
                self.finish(0, Progress::default(), Some(&error));
                Err(error)
            }
        }
    }

    fn finish(&mut self, rows: u64, progress: Progress, error: Option<&Error>) {
        if !self.is_over {
            self.is_over = true;
            self.engine.statements.finish(&self.run, rows, progress, error);
        }
    }
}

impl Drop for Watched {
    fn drop(&mut self) {
        self.finish(0, Progress::default(), Some(&Error::cancelled()));
    }
}

impl RowSource for WatchedRows {
    fn schema(&self) -> SchemaRef {
        self.rows.schema()
    }

    fn next(&mut self, wait: Duration) -> Option<Result<Option<RecordBatch>>> {
        let next = self.rows.next_within(wait)?.map_err(|error| self.watched.run.told(error));
        match &next {
            Ok(Some(batch)) => self.given += batch.num_rows() as u64,
            Ok(None) => self.watched.finish(self.given, self.rows.progress(), None),
            Err(error) => self.watched.finish(self.given, self.rows.progress(), Some(error)),
        }
        Some(next)
    }

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<()> {
        self.rows.poll_ready(context)
    }

    fn progress(&self) -> Progress {
        self.rows.progress()
    }

    fn summary(&self) -> Summary {
        self.rows.summary()
    }
}
