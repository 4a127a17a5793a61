//! A store in sled, with everything once more in plain files beside it.
//!
//! sled 0.34 has open reports of files that it cannot read after a crash, and of space that never comes back. So an entry is
//! in a journal file and in sled before it is acknowledged; now and then all of the catalog goes into a snapshot file. A
//! sled folder that cannot be read is put aside and filled again from these, and these from it. See
//! `docs/decisions/0009-entries-are-kept-twice.md`.
//!
//! Reading order: `recovery` finds out what there is; `database` is sled's part, `journal_file` and
//! `snapshot_files` are the plain files.

mod database;
mod inspection;
mod journal_file;
mod recovery;
mod snapshot_files;

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use nyala_schema::Result;

use self::database::Database;
pub use self::inspection::snapshot_paths;
pub(crate) use self::inspection::{check_database, check_journals};
use self::journal_file::Journal;
use self::recovery::Recovered;
use self::snapshot_files::Newest;
use crate::disk;
use crate::parts::{Pair, Part};
use crate::store::{Kept, Store};

/// How old a snapshot file gets before there is another: a day.
const SNAPSHOT_INTERVAL_MS: i64 = 86_400_000;
/// A journal of so many bytes, and of so many times the snapshot file's, makes for another snapshot file. A start reads the
/// newest journal.
const JOURNAL_BYTES_MIN: u64 = 16 << 20;
const JOURNAL_PER_SNAPSHOT: u64 = 1;
/// A sled folder of so many bytes, and of so many times its content's, is rewritten.
const SLED_BYTES_MIN: u64 = 64 << 20;
const SLED_PER_CONTENT: u64 = 8;

/// Values written since sled was opened that make it worth to open it again: only then does it note where everything is,
/// which the next start needs not find out from its whole log.
const WRITTEN_MAX: usize = 50_000;

pub struct SledStore {
    folder: PathBuf,
    state: Mutex<State>,
    /// Held as long as the store is there.
    _lock: File,
}

struct State {
    /// `None` after a failure: it is opened again when it is needed.
    database: Option<Database>,
    journal: Journal,
    /// The last version that somebody was told of.
    acknowledged: u64,
    newest_file: Option<Newest>,
    /// Values written since sled was opened.
    written: usize,
    /// What was read at the start, until it is asked for.
    kept: Option<Kept>,
    interval_ms: i64,
}

impl SledStore {
    /// Opens or creates the store in `folder`, which is created when missing. Damage is mended from whatever copy is whole.
    ///
    /// # Errors
    /// `Store` when another process holds the folder, its format is not known, or no copy of the catalog is whole; `ReadOnly`
    /// and `DiskFull` when it cannot be written.
    pub fn open(folder: &Path) -> Result<Self> {
        fs::create_dir_all(folder).map_err(|e| disk::failed("created", folder, &e))?;
        let lock = disk::lock(folder)?;
        let Recovered { database, journal, kept, newest } = recovery::recover(folder)?;
        let state = State {
            database: Some(database),
            journal,
            acknowledged: newest,
            newest_file: snapshot_files::newest(folder),
            written: 0,
            kept: Some(kept),
            interval_ms: SNAPSHOT_INTERVAL_MS,
        };
        Ok(Self { folder: folder.to_owned(), state: Mutex::new(state), _lock: lock })
    }

    /// With another schedule of snapshot files.
    #[must_use]
    pub fn with_snapshot_interval(self, interval_ms: i64) -> Self {
        self.state().interval_ms = interval_ms;
        self
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Opens sled again after a failure; what nobody was told of is forgotten.
    fn reopen<'a>(&self, state: &'a mut State) -> Result<&'a Database> {
        if state.database.is_none() {
            let Recovered { database, journal, .. } = recovery::recover(&self.folder)?;
            database.forget_after(state.acknowledged)?;
            state.journal = journal;
            state.database = Some(database);
            state.written = 0;
        }
        state.database.as_ref().ok_or_else(|| nyala_schema::Error::internal("sled is not open"))
    }

    /// The plain files are of what was here before another catalog was put in its place.
    fn begin_anew(&self, state: &mut State, version: u64, parts: &[Part]) -> Result<()> {
        let all = parts.iter().filter_map(|part| Some((part.key.clone(), part.value.clone()?)));
        snapshot_files::remove_all_but(&self.folder, version)?;
        snapshot_files::write(&self.folder, version, all.collect())?;
        state.journal = Journal::create(&self.folder, version + 1)?;
        state.newest_file = snapshot_files::newest(&self.folder);
        state.acknowledged = version;
        Ok(())
    }

    /// A look at everything that sled keeps, too: damage is found while there are other copies.
    fn refresh(&self, state: &mut State) {
        if state.written < WRITTEN_MAX {
            return;
        }
        state.database = None;
        if let Err(error) = self.reopen(state) {
            tracing::warn!(%error, "the catalog's store could not be opened again yet");
        }
    }

    fn rewrite_if_large(&self, state: &mut State) {
        let Some(database) = &state.database else { return };
        let content = state.newest_file.map_or(0, |file| file.bytes);
        let size = database.size_on_disk().unwrap_or(0);
        if size < SLED_BYTES_MIN.max(content.saturating_mul(SLED_PER_CONTENT)) {
            return;
        }
        let Some(database) = state.database.take() else { return };
        match recovery::rewrite(&self.folder, database) {
            Ok(database) => state.database = Some(database),
            Err(error) => tracing::warn!(%error, "the catalog's store could not be rewritten"),
        }
    }
}

impl Store for SledStore {
    fn load(&self) -> Result<Kept> {
        let mut state = self.state();
        if let Some(kept) = state.kept.take() {
            return Ok(kept);
        }
        state.database = None;
        let recovered = recovery::recover(&self.folder)?;
        state.journal = recovered.journal;
        state.acknowledged = recovered.newest;
        state.database = Some(recovered.database);
        Ok(recovered.kept)
    }

    fn append(&self, entries: &[(u64, Vec<u8>)]) -> Result<()> {
        let mut state = self.state();
        state.kept = None;
        self.reopen(&mut state)?;
        let before = state.journal.bytes();
        state.journal.append(entries)?;
        let stored = state.database.as_ref().map_or(Ok(()), |database| database.append(entries));
        if let Err(error) = stored {
            // sled does nothing more after a failure, and may have kept them.
            state.journal.cut_back(before);
            state.database = None;
            return Err(error);
        }
        state.written += entries.len();
        if let Some((last, _)) = entries.last() {
            state.acknowledged = *last;
        }
        Ok(())
    }

    fn save_snapshot(&self, base: Option<u64>, version: u64, parts: &[Part]) -> Result<()> {
        let mut state = self.state();
        state.kept = None;
        if let Err(error) = self.reopen(&mut state)?.save(base, version, parts) {
            state.database = None;
            return Err(error);
        }
        state.written += parts.len();
        if version > state.acknowledged {
            self.begin_anew(&mut state, version, parts)?;
        }
        Ok(())
    }

    fn wants_checkpoint(&self, now_ms: i64) -> bool {
        let state = self.state();
        match state.newest_file {
            None => true,
            Some(file) => {
                let bound = file.bytes.saturating_mul(JOURNAL_PER_SNAPSHOT).max(JOURNAL_BYTES_MIN);
                now_ms.saturating_sub(file.written_ms) >= state.interval_ms || state.journal.bytes() > bound
            }
        }
    }

    fn checkpoint(&self, version: u64, now_ms: i64, parts: Vec<Pair>) -> Result<()> {
        let bytes = snapshot_files::write(&self.folder, version, parts)?;
        let mut state = self.state();
        state.newest_file = Some(Newest { bytes, written_ms: now_ms });
        if version == state.acknowledged {
            let before = std::mem::replace(&mut state.journal, Journal::create(&self.folder, version + 1)?);
            before.remove_if_empty(&state.journal)?;
        }
        snapshot_files::remove_old(&self.folder)?;
        self.rewrite_if_large(&mut state);
        self.refresh(&mut state);
        Ok(())
    }
}
