//! The catalog of a process: its newest snapshot, and the one way to change it.

use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::{SystemTime, UNIX_EPOCH};

use nyala_schema::command::{Command, Entry};
use nyala_schema::{Error, ErrorCode, Result, wire};

use crate::apply::apply;
use crate::snapshot::Snapshot;
use crate::store::Store;

/// Commands that are kept one by one before they are folded into a snapshot.
const COMMANDS_PER_SNAPSHOT: u64 = 64;

pub struct Catalog {
    store: Box<dyn Store>,
    newest: RwLock<Arc<Snapshot>>,
    /// One commit at a time; holds the version of the last saved snapshot.
    committing: Mutex<u64>,
    clock: Box<Clock>,
}

/// Milliseconds since 1970.
pub type Clock = dyn Fn() -> i64 + Send + Sync;

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
        let (snapshot, commands) = store.load()?;
        let mut current = snapshot.as_deref().map(Snapshot::decode).transpose()?.unwrap_or_default();
        let saved = current.version;
        for (version, bytes) in commands.into_iter().filter(|(version, _)| *version > saved) {
            if version != current.version + 1 {
                return Err(Error::new(
                    ErrorCode::Store,
                    format!("catalog version {} is missing", current.version + 1),
                ));
            }
            let entry = wire::decode_entry(&bytes)?;
            current = apply(&current, &entry)
                .map_err(|error| error.context(format!("catalog version {version} cannot be applied")))?;
        }
        Ok(Self { store, newest: RwLock::new(Arc::new(current)), committing: Mutex::new(saved), clock })
    }

    /// The newest snapshot. A query takes it once and keeps it.
    pub fn snapshot(&self) -> Arc<Snapshot> {
        self.newest.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Applies a command and keeps it; when this returns it is durable and visible.
    ///
    /// # Errors
    /// Those of [`apply`] and of the store; nothing has changed then.
    pub fn commit(&self, command: &Command) -> Result<Arc<Snapshot>> {
        let mut saved = self.committing.lock().unwrap_or_else(PoisonError::into_inner);
        let entry = Entry { at_ms: (self.clock)(), command: command.clone() };
        let next = Arc::new(apply(&self.snapshot(), &entry)?);
        self.store.append(next.version, &wire::encode_entry(&entry)?)?;
        *self.newest.write().unwrap_or_else(PoisonError::into_inner) = next.clone();
        if *saved == 0 || next.version - *saved >= COMMANDS_PER_SNAPSHOT {
            self.store.save_snapshot(next.version, &next.encode()?)?;
            *saved = next.version;
        }
        Ok(next)
    }

    /// Temporary.
    ///
    /// # Errors
    /// Store.
    pub fn checkpoint(&self) -> Result<()> {
        Ok(())
    }

    /// Temporary.
    ///
    /// # Errors
    /// Store.
    pub fn install(&self, snapshot: Snapshot) -> Result<()> {
        *self.newest.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(snapshot);
        self.checkpoint()
    }
}
