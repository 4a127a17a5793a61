//! Statements that met another's commit and run again.

use std::sync::{MutexGuard, PoisonError, TryLockError};
use std::time::Duration;

use nyala_schema::{ErrorCode, Result};

use crate::session::Session;

/// How often a statement is tried before its user is told.
const ATTEMPTS_MAX: u32 = 50;
/// From this attempt on one statement at a time tries again: whatever the others do, one of them gets through.
const ATTEMPTS_TOGETHER: u32 = 2;
const WAIT_MAX: Duration = Duration::from_millis(20);

impl Session {
    /// Runs what is given the number of the attempt, from 0, until it meets no other's commit. Each attempt must plan
    /// anew: it sees another snapshot. Inside of a transaction there is one attempt.
    ///
    /// # Errors
    /// Those of the statement; `SerializationFailure` when another was faster each time.
    pub(crate) fn retrying<T>(&self, mut statement: impl FnMut(u32) -> Result<T>) -> Result<T> {
        let mut turn = None;
        for attempt in 0.. {
            let error = match statement(attempt) {
                Err(error) if error.code() == ErrorCode::SerializationFailure => error,
                done => return done,
            };
            if self.in_transaction() || attempt + 1 >= ATTEMPTS_MAX {
                return Err(error);
            }
            if attempt + 1 >= ATTEMPTS_TOGETHER && turn.is_none() {
                turn = Some(self.turn());
            }
            self.sleep(wait(attempt));
            self.see_newest()?;
        }
        unreachable!("attempts are counted")
    }

    /// Of the statements that try again.
    fn turn(&self) -> MutexGuard<'_, ()> {
        let turns = &self.engine.trying_again;
        // Where one thread does everything, who has the turn goes on while this one sleeps.
        while let (true, Err(TryLockError::WouldBlock)) = (self.engine.is_simulated(), turns.try_lock()) {
            self.sleep(WAIT_MAX);
        }
        turns.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn sleep(&self, time: Duration) {
        match self.engine.network() {
            Some(network) => network.sleep(time),
            None => std::thread::sleep(time),
        }
    }
}

/// Doubles from 50 µs on; one statement at a time waits long.
fn wait(attempt: u32) -> Duration {
    const FIRST: Duration = Duration::from_micros(50);
    FIRST.saturating_mul(1 << attempt.min(10)).min(WAIT_MAX)
}
