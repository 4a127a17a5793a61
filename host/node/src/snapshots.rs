//! The snapshots of the catalog that statements still work on.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError, Weak};

use nyala_catalog::{CatalogHandle, Snapshot};
use nyala_schema::id::TableId;

/// What is handed out is remembered as long as somebody holds it, so that files are not removed under a reader.
#[derive(Default)]
pub struct Snapshots(Mutex<Handed>);

#[derive(Default)]
struct Handed {
    snapshots: Vec<Weak<Snapshot>>,
    /// From this many on those that nobody holds are looked for.
    sweep_at: usize,
}

/// Fewer than this are not worth a sweep.
const SWEEP_MIN: usize = 64;

impl Snapshots {
    /// The newest snapshot: taken and remembered in one step, so that whoever asks [`files`](Self::files) afterwards either
    /// sees it or it is newer.
    pub fn newest(&self, catalog: &dyn CatalogHandle) -> Arc<Snapshot> {
        let mut handed = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let snapshot = catalog.snapshot();
        handed.add(&snapshot);
        snapshot
    }

    /// Remembers a snapshot that was made of others.
    pub fn add(&self, snapshot: &Arc<Snapshot>) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).add(snapshot);
    }

    /// The files that statements which run now may still read.
    pub fn files(&self) -> BTreeMap<TableId, BTreeSet<Arc<str>>> {
        let handed = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let held: Vec<Arc<Snapshot>> = handed.snapshots.iter().filter_map(Weak::upgrade).collect();
        drop(handed);
        let mut files = BTreeMap::<TableId, BTreeSet<Arc<str>>>::new();
        for (table, paths) in held.iter().flat_map(|snapshot| snapshot.warehouse_files()) {
            files.entry(table).or_default().extend(paths);
        }
        files
    }
}

impl Handed {
    fn add(&mut self, snapshot: &Arc<Snapshot>) {
        let known = |held: &Weak<Snapshot>| std::ptr::eq(held.as_ptr(), Arc::as_ptr(snapshot));
        if self.snapshots.last().is_some_and(known) {
            return;
        }
        if self.snapshots.len() >= self.sweep_at {
            self.snapshots.retain(|held| held.strong_count() > 0);
            self.sweep_at = (2 * self.snapshots.len()).max(SWEEP_MIN);
        }
        self.snapshots.push(Arc::downgrade(snapshot));
    }
}
