//! What clients did, and what they were told.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde::Serialize;

/// A client, and which of its writes.
pub type Key = (u64, u64);

/// What a write does. Of each it can be seen how often it was done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shape {
    /// One row, kept in the catalog.
    Row,
    /// The rows of a query.
    Rows,
    /// A transaction of two statements.
    Pair,
    /// A table, which can be made once.
    Table,
    /// Counts up.
    Count,
}

/// Rows of a [`Shape::Rows`].
const ROWS: u64 = 40;

impl Shape {
    pub const ALL: [Self; 5] = [Self::Row, Self::Rows, Self::Pair, Self::Table, Self::Count];

    /// The last commits.
    pub fn statements(self, (c, n): Key) -> Vec<String> {
        let row = |p: u64| format!("INSERT INTO ledger VALUES ({c}, {n}, {p})");
        match self {
            Self::Row => vec![row(0)],
            Self::Rows => vec![format!("INSERT INTO ledger SELECT {c}, {n}, k FROM t WHERE k < {ROWS}")],
            Self::Pair => vec!["BEGIN".to_owned(), row(0), row(1), "COMMIT".to_owned()],
            Self::Table => vec![format!("CREATE TABLE {} (a BIGINT)", table((c, n)))],
            Self::Count => vec![format!("UPDATE counts SET n = n + 1 WHERE c = {c}")],
        }
    }

    /// Rows of the ledger.
    pub fn rows(self) -> Option<u64> {
        match self {
            Self::Row => Some(1),
            Self::Rows => Some(ROWS),
            Self::Pair => Some(2),
            Self::Table | Self::Count => None,
        }
    }
}

pub fn table((c, n): Key) -> String {
    format!("w{c}_{n}")
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Told {
    Done,
    /// It has not been done, and never will be.
    Never,
    /// Nobody could say.
    Unknown,
}

#[derive(Debug, Clone, Copy)]
pub struct Write {
    pub shape: Shape,
    pub told: Told,
}

/// The ledger, as a client saw it at one of some versions of the catalog.
#[derive(Debug, Default, Clone)]
pub struct LedgerRead {
    pub from: u64,
    pub to: u64,
    pub rows: Vec<String>,
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Counts {
    pub answers: u64,
    /// Reads that no node could answer in time.
    pub given_up: u64,
    pub done: u64,
    pub never: u64,
    pub unknown: u64,
    pub crashes: u64,
}

#[derive(Default)]
pub struct Story {
    writes: Mutex<BTreeMap<Key, Write>>,
    reads: Mutex<Vec<LedgerRead>>,
    counts: Mutex<Counts>,
    failures: Mutex<Vec<String>>,
    sessions: AtomicUsize,
}

/// A statement that runs, for whomever.
pub struct Present(Arc<Story>);

impl Drop for Present {
    fn drop(&mut self) {
        self.0.sessions.fetch_sub(1, Ordering::Relaxed);
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Story {
    pub fn enter(self: &Arc<Self>) -> Present {
        self.sessions.fetch_add(1, Ordering::Relaxed);
        Present(Arc::clone(self))
    }

    pub fn sessions(&self) -> usize {
        self.sessions.load(Ordering::Relaxed)
    }

    pub fn fail(&self, what: String) {
        lock(&self.failures).push(what);
    }

    pub fn failures(&self) -> Vec<String> {
        lock(&self.failures).clone()
    }

    pub fn count(&self, change: impl FnOnce(&mut Counts)) {
        change(&mut lock(&self.counts));
    }

    pub fn counts(&self) -> Counts {
        *lock(&self.counts)
    }

    pub fn begin(&self, key: Key, shape: Shape) {
        lock(&self.writes).insert(key, Write { shape, told: Told::Unknown });
    }

    pub fn tell(&self, key: Key, told: Told) {
        if let Some(write) = lock(&self.writes).get_mut(&key) {
            write.told = told;
        }
        self.count(|counts| match told {
            Told::Done => counts.done += 1,
            Told::Never => counts.never += 1,
            Told::Unknown => counts.unknown += 1,
        });
    }

    pub fn writes(&self) -> BTreeMap<Key, Write> {
        lock(&self.writes).clone()
    }

    /// What a client has been told to be done before it began to read has to be there.
    pub fn has_read(&self, client: u64, read: LedgerRead) {
        let writes = self.writes();
        let own = writes.iter().filter(|((of, _), write)| *of == client && write.told == Told::Done);
        for ((c, n), write) in own {
            let seen = count(&read.rows, (*c, *n));
            if write.shape.rows().is_some_and(|rows| rows != seen) {
                let at = read.to;
                self.fail(format!(
                    "{seen} rows of {:?} ({c}, {n}), done before, at version {at}",
                    write.shape
                ));
            }
        }
        lock(&self.reads).push(read);
    }

    pub fn reads(&self) -> Vec<LedgerRead> {
        lock(&self.reads).clone()
    }

    /// Whether each write was done as often as its client was told: `ledger` has a row `c n p` each, `counts` is the number by
    /// client.
    pub fn compare(&self, ledger: &[String], counts: &BTreeMap<u64, u64>, tables: &BTreeSet<String>) {
        let mut done: BTreeMap<u64, (u64, u64)> = BTreeMap::new();
        for (key, write) in self.writes() {
            let (least, most) = match write.told {
                Told::Done => (1, 1),
                Told::Never => (0, 0),
                Told::Unknown => (0, 1),
            };
            let times = match write.shape {
                Shape::Count => {
                    let (all_least, all_most) = done.entry(key.0).or_default();
                    (*all_least, *all_most) = (*all_least + least, *all_most + most);
                    continue;
                }
                Shape::Table => u64::from(tables.contains(&table(key))),
                Shape::Row | Shape::Rows | Shape::Pair => {
                    let (rows, of_one) = (count(ledger, key), write.shape.rows().unwrap_or(1));
                    if rows % of_one != 0 {
                        self.fail(format!("{rows} rows of {:?} {key:?}: a part of a write", write.shape));
                    }
                    rows / of_one
                }
            };
            if !(least..=most).contains(&times) {
                self.fail(format!(
                    "{:?} {key:?}: told {:?}, and done {times} times",
                    write.shape, write.told
                ));
            }
        }
        for (client, (least, most)) in done {
            let times = counts.get(&client).copied().unwrap_or(0);
            if !(least..=most).contains(&times) {
                self.fail(format!("client {client} counted to {times}, and was told {least} to {most}"));
            }
        }
    }
}

fn count(rows: &[String], (c, n): Key) -> u64 {
    let prefix = format!("{c} {n} ");
    rows.iter().filter(|row| row.starts_with(&prefix)).count() as u64
}
