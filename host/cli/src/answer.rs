//! What a statement gives, from the engine in this process or from a node.

use std::time::Duration;

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use nyala_node::Result;
use nyala_schema::client::{StatementProgress, StatementSummary};

pub enum Answer {
    Rows(Rows),
    /// A command tag such as `CREATE TABLE` or `SELECT 42`.
    Done(String),
}

/// Rows as they come. Dropping it cancels the query.
pub enum Rows {
    Local(nyala_node::RowStream),
    Remote(Box<nyala_client::RowStream>),
}

impl From<nyala_node::Answer> for Answer {
    fn from(answer: nyala_node::Answer) -> Self {
        match answer {
            nyala_node::Answer::Rows(stream) => Self::Rows(Rows::Local(stream)),
            nyala_node::Answer::Done(tag) => Self::Done(tag),
        }
    }
}

impl From<nyala_client::Answer> for Answer {
    fn from(answer: nyala_client::Answer) -> Self {
        match answer {
            nyala_client::Answer::Rows(stream) => Self::Rows(Rows::Remote(stream)),
            nyala_client::Answer::Done(tag) => Self::Done(tag),
        }
    }
}

impl Rows {
    pub fn schema(&self) -> SchemaRef {
        match self {
            Self::Local(stream) => stream.schema(),
            Self::Remote(stream) => stream.schema(),
        }
    }

    /// The next batch, blocking; `None` at the end.
    ///
    /// # Errors
    /// Those of the query.
    pub fn next_batch(&mut self) -> Result<Option<RecordBatch>> {
        match self {
            Self::Local(stream) => stream.next_batch(),
            Self::Remote(stream) => stream.next_batch(),
        }
    }

    /// As [`next_batch`](Self::next_batch), but gives up with `None` after `wait`.
    pub fn next_within(&mut self, wait: Duration) -> Option<Result<Option<RecordBatch>>> {
        match self {
            Self::Local(stream) => stream.next_within(wait),
            Self::Remote(stream) => stream.next_within(wait),
        }
    }

    pub fn progress(&self) -> StatementProgress {
        match self {
            Self::Local(stream) => stream.progress(),
            Self::Remote(stream) => stream.progress().clone(),
        }
    }

    /// What the query took; complete once its rows have ended.
    pub fn summary(&self) -> StatementSummary {
        match self {
            Self::Local(stream) => stream.summary(),
            Self::Remote(stream) => stream.summary().clone(),
        }
    }
}
