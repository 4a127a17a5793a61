//! The threads that sessions keep busy: a bounded number, whoever comes.

use std::sync::Arc;
use std::time::Duration;

use nyala_schema::{Error, Result};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, TryAcquireError};

/// Statements that are planned, wait for admission, or write, at the same time.
const STATEMENTS_MAX: usize = 10;
/// Questions for rows, names and the like that wait at the same time. They have threads of their own: rows are fetched
/// while statements wait for the memory that those hold. Together they leave some of [`BLOCKING_THREADS_MAX`](crate::node).
const QUESTIONS_MAX: usize = 8;
/// How long a question for rows may keep a thread while others have none.
const CROWDED_WAIT: Duration = Duration::from_millis(10);

pub struct Threads {
    statements: Arc<Semaphore>,
    questions: Arc<Semaphore>,
}

impl Default for Threads {
    fn default() -> Self {
        Self {
            statements: Arc::new(Semaphore::new(STATEMENTS_MAX)),
            questions: Arc::new(Semaphore::new(QUESTIONS_MAX)),
        }
    }
}

impl Threads {
    /// A thread for what a statement does, as soon as there is one.
    ///
    /// # Errors
    /// Never, while the node lives.
    pub async fn for_statement(&self) -> Result<Thread> {
        acquire(&self.statements).await
    }

    /// Runs what does not take long.
    ///
    /// # Errors
    /// `Internal` when it panicked.
    pub async fn question<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> Result<T> {
        acquire(&self.questions).await?.run(work).await
    }

    /// Runs what waits, which is told how long it may.
    ///
    /// # Errors
    /// `Internal` when it panicked.
    pub async fn wait<T: Send + 'static>(
        &self,
        wait: Duration,
        work: impl FnOnce(Duration) -> T + Send + 'static,
    ) -> Result<T> {
        let is_crowded = matches!(self.questions.try_acquire(), Err(TryAcquireError::NoPermits));
        let wait = if is_crowded { wait.min(CROWDED_WAIT) } else { wait };
        acquire(&self.questions).await?.run(move || work(wait)).await
    }
}

/// The right to keep a thread busy.
pub struct Thread(OwnedSemaphorePermit);

impl Thread {
    /// Goes on to its end also when nobody waits for it any more.
    ///
    /// # Errors
    /// `Internal` when the work panicked.
    pub async fn run<T: Send + 'static>(self, work: impl FnOnce() -> T + Send + 'static) -> Result<T> {
        let working = tokio::task::spawn_blocking(move || {
            let _permit = self.0;
            work()
        });
        working.await.map_err(|error| Error::internal(format!("the work of a session ended early: {error}")))
    }
}

async fn acquire(of: &Arc<Semaphore>) -> Result<Thread> {
    let permit = Arc::clone(of).acquire_owned().await;
    permit.map(Thread).map_err(|_| Error::internal("the threads of sessions have ended"))
}
