//! The catalog of a process: its newest snapshot, and the one way to change it.
//!
//! Commits that come at the same time are one group: the first of them leads, applies all that wait in order, each to what
//! the one before made, keeps them with one wait for the disk, and only then shows them. Who comes meanwhile is the
//! next group, led by its first. (Group commit: DeWitt et al., "Implementation techniques for main memory database
//! systems", 1984.)

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, RwLock};
use std::time::{SystemTime, UNIX_EPOCH};

use nyala_schema::command::{Command, Entry};
use nyala_schema::{Error, ErrorCode, Result, wire};

use crate::apply::apply;
use crate::snapshot::Snapshot;
use crate::store::Store;

/// Entries that are kept one by one before they are folded into the stored snapshot.
const ENTRIES_PER_SNAPSHOT: u64 = 512;
/// Bytes of entries that are folded although they are fewer: a start applies them all.
const BYTES_PER_SNAPSHOT: usize = 4 << 20;
/// Commits of one group, at most.
const GROUP_MAX: usize = 1024;

pub struct Catalog {
    store: Box<dyn Store>,
    newest: RwLock<Arc<Snapshot>>,
    queue: Mutex<Queue>,
    /// Held by who changes the store.
    saved: Mutex<Saved>,
    clock: Box<Clock>,
}

/// Milliseconds since 1970.
pub type Clock = dyn Fn() -> i64 + Send + Sync;

#[derive(Default)]
struct Queue {
    waiting: Vec<Arc<Waiter>>,
    /// Whether somebody commits, or has been told to.
    has_leader: bool,
}

/// What the store has as its snapshot.
struct Saved {
    /// `None` when that is not known, because saving has failed: then all is saved.
    snapshot: Option<Arc<Snapshot>>,
    /// The version at which it was tried last.
    tried_at: u64,
    /// Bytes of the entries since then.
    bytes: usize,
}

/// A commit in the queue.
struct Waiter {
    command: Command,
    state: Mutex<State>,
    changed: Condvar,
}

enum State {
    Waiting,
    /// It is this one's turn to commit for all.
    Leads,
    Answered(Result<Arc<Snapshot>>),
}

/// The clock of this machine.
pub fn system_clock() -> Box<Clock> {
    Box::new(|| {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
    })
}

impl Catalog {
    /// Loads what the store keeps.
    ///
    /// # Errors
    /// `Store` when what is kept cannot be read or applied: the process must not go on with half of it.
    pub fn open(store: Box<dyn Store>) -> Result<Self> {
        Self::open_with_clock(store, system_clock())
    }

    /// As [`open`](Self::open), with another clock.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub fn open_with_clock(store: Box<dyn Store>, clock: Box<Clock>) -> Result<Self> {
        let kept = store.load()?;
        let saved = match kept.parts.is_empty() {
            true => Snapshot::default(),
            false => Snapshot::from_parts(kept.parts)?,
        };
        let saved = Arc::new(saved);
        let bytes = kept.entries.iter().map(|(_, entry)| entry.len()).sum();
        let newest = replay(saved.as_ref().clone(), kept.entries)?;
        Ok(Self {
            store,
            newest: RwLock::new(Arc::new(newest)),
            queue: Mutex::default(),
            saved: Mutex::new(Saved { tried_at: saved.version, bytes, snapshot: Some(saved) }),
            clock,
        })
    }

    /// The newest snapshot. A query takes it once and keeps it.
    pub fn snapshot(&self) -> Arc<Snapshot> {
        self.newest.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Applies a command and keeps it; when this returns it is durable and visible. The snapshot is the one that it made.
    ///
    /// # Errors
    /// Those of [`apply`] and of the store; nothing has changed then.
    pub fn commit(&self, command: &Command) -> Result<Arc<Snapshot>> {
        let waiter = Arc::new(Waiter {
            command: command.clone(),
            state: Mutex::new(State::Waiting),
            changed: Condvar::new(),
        });
        let mut queue = lock(&self.queue);
        queue.waiting.push(waiter.clone());
        let leads = !std::mem::replace(&mut queue.has_leader, true);
        drop(queue);
        if !leads && let Some(answer) = waiter.wait() {
            return answer;
        }
        self.lead();
        waiter.answer_of().unwrap_or_else(|| Err(Error::internal("a commit was not answered")))
    }

    /// Keeps all of the newest snapshot now, apart from everything else that is kept, and says which version it is.
    ///
    /// # Errors
    /// Those of the store.
    pub fn checkpoint(&self) -> Result<u64> {
        let _saved = lock(&self.saved);
        let newest = self.snapshot();
        self.store.checkpoint(newest.version, (self.clock)(), newest.parts()?)?;
        Ok(newest.version)
    }

    /// Puts a snapshot, with all its history, in the place of an empty catalog.
    ///
    /// # Errors
    /// `InvalidParameter` when there is something in the catalog, or it has had more versions; those of the store.
    pub fn install(&self, snapshot: Snapshot) -> Result<Arc<Snapshot>> {
        let mut saved = lock(&self.saved);
        let before = self.snapshot();
        before.must_give_way(&snapshot)?;
        let snapshot = Arc::new(snapshot);
        self.save(None, &snapshot)?;
        *saved = Saved { tried_at: snapshot.version, bytes: 0, snapshot: Some(snapshot.clone()) };
        *self.newest.write().unwrap_or_else(PoisonError::into_inner) = snapshot.clone();
        Ok(snapshot)
    }

    /// Commits what waits, then hands over to the first of those who came meanwhile.
    fn lead(&self) {
        let mut saved = lock(&self.saved);
        let mut queue = lock(&self.queue);
        let count = queue.waiting.len().min(GROUP_MAX);
        let group = Group { catalog: self, waiters: queue.waiting.drain(..count).collect() };
        drop(queue);
        saved.bytes += self.commit_group(&group.waiters);
        // Others can be answered and go on before the store is tidied.
        self.fold(&mut saved);
        drop(saved);
        drop(group);
    }

    /// Bytes of the entries that were kept.
    fn commit_group(&self, group: &[Arc<Waiter>]) -> usize {
        let mut current = self.snapshot();
        let now_ms = (self.clock)();
        let mut entries = Vec::new();
        let mut answers = Vec::new();
        for waiter in group {
            let entry = Entry { at_ms: now_ms.max(current.at_ms), command: waiter.command.clone() };
            let applied = apply(&current, &entry).and_then(|next| Ok((next, wire::encode_entry(&entry)?)));
            answers.push(applied.map(|(next, bytes)| {
                current = Arc::new(next);
                entries.push((current.version, bytes));
                current.clone()
            }));
        }
        if !entries.is_empty() {
            if let Err(error) = self.store.append(&entries) {
                // Also who was refused because of what the others would have done.
                group.iter().for_each(|waiter| waiter.answer(Err(error.clone())));
                return 0;
            }
            *self.newest.write().unwrap_or_else(PoisonError::into_inner) = current;
        }
        group.iter().zip(answers).for_each(|(waiter, answer)| waiter.answer(answer));
        entries.iter().map(|(_, entry)| entry.len()).sum()
    }

    /// Folds entries into the stored snapshot, and writes a snapshot file, when it is time. What fails here is tried again
    /// later: the entries are safe.
    fn fold(&self, saved: &mut Saved) {
        let newest = self.snapshot();
        let entries = newest.version - saved.tried_at;
        if entries >= ENTRIES_PER_SNAPSHOT || saved.bytes >= BYTES_PER_SNAPSHOT {
            (saved.tried_at, saved.bytes) = (newest.version, 0);
            let folded = self.save(saved.snapshot.as_deref(), &newest);
            saved.snapshot = folded.is_ok().then(|| newest.clone());
            if let Err(error) = folded {
                tracing::warn!(%error, "the catalog's entries could not be folded into its stored snapshot");
            }
        }
        let now_ms = (self.clock)();
        if self.store.wants_checkpoint(now_ms) {
            let kept = newest.parts().and_then(|all| self.store.checkpoint(newest.version, now_ms, all));
            if let Err(error) = kept {
                tracing::warn!(%error, "a snapshot file of the catalog could not be written");
            }
        }
    }

    fn save(&self, base: Option<&Snapshot>, newest: &Snapshot) -> Result<()> {
        let empty = Snapshot::default();
        let parts = newest.parts_since(base.unwrap_or(&empty))?;
        let base = base.map(|base| base.version).filter(|version| *version > 0);
        self.store.save_snapshot(base, newest.version, &parts)
    }
}

/// Applies entries that were kept.
///
/// # Errors
/// `Store` when one is missing or cannot be read or applied.
pub(crate) fn replay(mut snapshot: Snapshot, entries: Vec<(u64, Vec<u8>)>) -> Result<Snapshot> {
    for (version, bytes) in entries {
        if version <= snapshot.version {
            continue;
        }
        if version != snapshot.version + 1 {
            let missing = snapshot.version + 1;
            return Err(Error::new(ErrorCode::Store, format!("version {missing} of the catalog is missing")));
        }
        let applied = wire::decode_entry(&bytes).and_then(|entry| apply(&snapshot, &entry));
        snapshot = applied.map_err(|error| {
            let message = format!("version {version} of the catalog cannot be applied: {error}");
            Error::new(ErrorCode::Store, message)
        })?;
    }
    Ok(snapshot)
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Commits that are made together. Whatever happens, each is answered and somebody leads on.
struct Group<'a> {
    catalog: &'a Catalog,
    waiters: Vec<Arc<Waiter>>,
}

impl Drop for Group<'_> {
    fn drop(&mut self) {
        for waiter in &self.waiters {
            waiter.answer_if_open();
        }
        let mut queue = lock(&self.catalog.queue);
        match queue.waiting.first() {
            Some(next) => next.lead(),
            None => queue.has_leader = false,
        }
    }
}

impl Waiter {
    /// The answer, or `None` when it is this one's turn to lead.
    fn wait(&self) -> Option<Result<Arc<Snapshot>>> {
        let mut state = lock(&self.state);
        loop {
            match &*state {
                State::Waiting => state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner),
                State::Leads => return None,
                State::Answered(answer) => return Some(answer.clone()),
            }
        }
    }

    fn lead(&self) {
        *lock(&self.state) = State::Leads;
        self.changed.notify_one();
    }

    fn answer(&self, answer: Result<Arc<Snapshot>>) {
        *lock(&self.state) = State::Answered(answer);
        self.changed.notify_one();
    }

    fn answer_if_open(&self) {
        let mut state = lock(&self.state);
        if !matches!(*state, State::Answered(_)) {
            *state = State::Answered(Err(Error::internal("the commit was given up")));
            self.changed.notify_one();
        }
    }

    fn answer_of(&self) -> Option<Result<Arc<Snapshot>>> {
        match &*lock(&self.state) {
            State::Answered(answer) => Some(answer.clone()),
            State::Waiting | State::Leads => None,
        }
    }
}
