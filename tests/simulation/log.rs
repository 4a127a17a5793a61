//! What has happened, line by line: the same for the same seed.

use std::sync::{Mutex, PoisonError};

use tokio::time::Instant;

pub struct Log {
    began: Instant,
    lines: Mutex<Vec<String>>,
}

impl Log {
    pub fn new() -> Self {
        Self { began: Instant::now(), lines: Mutex::default() }
    }

    pub fn note(&self, what: impl std::fmt::Display) {
        let line = format!("{:>8} {what}", self.began.elapsed().as_micros());
        self.lines.lock().unwrap_or_else(PoisonError::into_inner).push(line);
    }

    pub fn began(&self) -> Instant {
        self.began
    }

    pub fn lines(&self) -> Vec<String> {
        self.lines.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}
