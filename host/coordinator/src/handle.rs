//! A running query as its client sees it.

use std::time::Duration;

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use nyala_executor::{Profile, Progress};
use nyala_schema::deploy::QueryStatus;
use nyala_schema::{Error, Result};

/// Rows as they are made. Dropping it cancels the query.
pub struct QueryHandle {}

/// Cancels a query from any thread; does not keep it alive.
#[derive(Clone)]
pub struct QueryCancel {}

impl QueryHandle {
    pub fn schema(&self) -> SchemaRef {
        todo!()
    }

    /// The next batch; `None` when there was none within `wait`, `Some(Ok(None))` at the end. After an error, and
    /// after the end, every call gives the same again.
    ///
    /// # Errors
    /// The first error of the query that no further attempt mends; `Cancelled` when that was what ended it.
    pub fn next(&mut self, wait: Duration) -> Option<Result<Option<RecordBatch>>> {
        let _ = wait;
        todo!()
    }

    pub fn cancel_handle(&self) -> QueryCancel {
        todo!()
    }

    /// Over all nodes, as last reported.
    pub fn progress(&self) -> Progress {
        todo!()
    }

    /// Of all nodes together; complete soon after [`next`](Self::next) has given the end: waits for the last reports, a
    /// moment at most.
    pub fn profile(&self) -> Profile {
        todo!()
    }

    /// The query with its instances.
    pub fn detail(&self) -> QueryStatus {
        todo!()
    }
}

impl QueryCancel {
    /// Ends the query with the error `Cancelled`, unless it has ended already.
    pub fn cancel(&self) {
        self.fail(Error::cancelled());
    }

    /// Ends the query with an error, unless it has ended already.
    pub fn fail(&self, reason: Error) {
        let _ = reason;
        todo!()
    }

    /// How far the query is; `None` when it is over.
    pub fn progress(&self) -> Option<Progress> {
        todo!()
    }
}
