//! What clients did and saw, in the order in which it happened.

use tokio::time::Instant;

/// Moments are counted: no two events are at the same one.
pub type Moment = u64;

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    Read,
    /// The value after it; `None` is no view.
    Write(Option<String>),
    /// CREATE without OR REPLACE: only where there is none.
    Create(String),
    /// DROP without IF EXISTS: only where there is one.
    Drop,
    /// A transaction that read `from` and writes `to`: only if nothing has changed since.
    Swap {
        from: Option<String>,
        to: String,
    },
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    Done,
    /// A read, and what it saw.
    Value(Option<String>),
    /// The catalog said that it does not apply.
    Refused,
    /// Nothing was done, said the replica.
    NotDone,
    /// May have been done, or may be done yet.
    Unknown,
}

#[derive(Debug, Clone)]
pub struct Operation {
    pub register: usize,
    pub action: Action,
    pub outcome: Outcome,
    pub start: Moment,
    pub end: Moment,
    /// Of the catalog: the one that it made, or that it read.
    pub version: Option<u64>,
}

impl Operation {
    pub fn is_read(&self) -> bool {
        self.action == Action::Read
    }
}

#[derive(Default)]
pub struct History {
    pub operations: Vec<Operation>,
    moments: Moment,
    /// In short, for a person and to compare runs.
    pub schedule: Vec<String>,
    began: Option<Instant>,
}

impl History {
    pub fn moment(&mut self) -> Moment {
        self.moments += 1;
        self.moments
    }

    pub fn note(&mut self, what: &str) {
        let began = *self.began.get_or_insert_with(Instant::now);
        self.schedule.push(format!("{} {what}", began.elapsed().as_millis()));
    }

    pub fn add(&mut self, client: usize, operation: Operation) {
        let Operation { register, action, outcome, version, .. } = &operation;
        self.note(&format!("c{client} r{register} {action:?} {outcome:?} {version:?}"));
        self.operations.push(operation);
    }
}
