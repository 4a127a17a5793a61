//! Commits of many at once, and stores that fail.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Barrier, mpsc};
use std::time::Duration;

use nyala_catalog::parts::{Pair, Part};
use nyala_catalog::store::Kept;
use nyala_catalog::{Catalog, MemoryStore, SledStore, Store};
use nyala_schema::{Error, ErrorCode, Result};

use crate::draw::*;

const WRITERS: u64 = 32;
const COMMITS: u64 = 8;

fn many_writers(store: Box<dyn Store>) -> Catalog {
    let catalog = Catalog::open(store).unwrap();
    catalog.commit(&create("t", 1)).unwrap();
    let start = Barrier::new(WRITERS as usize);
    let write = |writer: u64| {
        start.wait();
        let mut versions = Vec::new();
        for n in 0..COMMITS {
            let value = (writer * COMMITS + n) as i64;
            let command = insert(&catalog.snapshot(), "t", rows(&[value]));
            let made = catalog.commit(&command).unwrap();
            assert!(catalog.snapshot().version >= made.version, "what was answered is visible");
            versions.push(made.version);
            let refused = catalog.commit(&create("t", 2)).unwrap_err();
            assert_eq!(refused.code(), ErrorCode::DuplicateTable);
        }
        versions
    };
    let write = &write;
    let versions: Vec<Vec<u64>> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..WRITERS).map(|writer| scope.spawn(move || write(writer))).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    assert!(versions.iter().all(|own| own.is_sorted()));
    let all: BTreeSet<u64> = versions.into_iter().flatten().collect();
    assert_eq!(all, (2..2 + WRITERS * COMMITS).collect(), "each commit is a version of its own");
    assert_eq!(table(&catalog.snapshot(), "t").summary.rows, WRITERS * COMMITS);
    assert_eq!(nyala_catalog::check_snapshot(&catalog.snapshot()), []);
    catalog
}

#[test]
fn many_writers_over_both_stores() {
    many_writers(Box::new(MemoryStore::default()));
    let folder = tempfile::tempdir().unwrap();
    let expected = many_writers(Box::new(SledStore::open(folder.path()).unwrap())).snapshot();
    let again = Catalog::open(Box::new(SledStore::open(folder.path()).unwrap())).unwrap();
    assert_eq!(*again.snapshot(), *expected);
}

#[test]
fn stores_keep_the_same() {
    let folder = tempfile::tempdir().unwrap();
    let sled = SledStore::open(folder.path()).unwrap();
    let memory = MemoryStore::default();
    for store in [&sled as &dyn Store, &memory] {
        let part = |key: &str, value: Option<&str>| Part {
            key: key.into(),
            value: value.map(|value| value.as_bytes().to_vec()),
        };
        let entry = |version: u64| (version, vec![version as u8]);
        store.append(&[entry(1), entry(2)]).unwrap();
        store.append(&[entry(3)]).unwrap();
        store.save_snapshot(None, 2, &[part("a", Some("1")), part("b", Some("2"))]).unwrap();
        store.save_snapshot(Some(2), 2, &[part("a", None), part("c", Some("3"))]).unwrap();
        let pair = |key: &str, value: &str| (key.as_bytes().to_vec(), value.as_bytes().to_vec());
        let kept = Kept { parts: vec![pair("b", "2"), pair("c", "3")], entries: vec![entry(3)] };
        assert_eq!(store.load().unwrap(), kept);
        store.save_snapshot(None, 3, &[part("d", Some("4"))]).unwrap();
        assert_eq!(store.load().unwrap(), Kept { parts: vec![pair("d", "4")], entries: vec![] });
    }
    assert!(sled.save_snapshot(Some(2), 4, &[]).is_err(), "a difference from what is not there");
}

/// A store over which a test has power.
#[derive(Default)]
struct Wilful {
    inner: MemoryStore,
    is_full: AtomicBool,
    appends: AtomicUsize,
    /// Waits for a word before it keeps anything.
    gate: std::sync::Mutex<Option<mpsc::Receiver<()>>>,
}

struct Handle(Arc<Wilful>);

impl Store for Handle {
    fn load(&self) -> Result<Kept> {
        self.0.inner.load()
    }

    fn append(&self, entries: &[(u64, Vec<u8>)]) -> Result<()> {
        self.0.appends.fetch_add(1, SeqCst);
        if let Some(gate) = self.0.gate.lock().unwrap().as_ref() {
            gate.recv().unwrap();
        }
        if self.0.is_full.load(SeqCst) {
            return Err(Error::new(ErrorCode::DiskFull, "no room"));
        }
        self.0.inner.append(entries)
    }

    fn save_snapshot(&self, base: Option<u64>, version: u64, parts: &[Part]) -> Result<()> {
        self.0.inner.save_snapshot(base, version, parts)
    }

    fn wants_checkpoint(&self, _now_ms: i64) -> bool {
        false
    }

    fn checkpoint(&self, _version: u64, _now_ms: i64, _parts: Vec<Pair>) -> Result<()> {
        Ok(())
    }
}

#[test]
fn a_full_disk_changes_nothing_and_work_goes_on_when_there_is_room() {
    let store = Arc::new(Wilful::default());
    let catalog = Catalog::open(Box::new(Handle(store.clone()))).unwrap();
    catalog.commit(&create("t", 1)).unwrap();
    let before = catalog.snapshot();
    store.is_full.store(true, SeqCst);
    let error = catalog.commit(&create("u", 2)).unwrap_err();
    assert_eq!(error.code(), ErrorCode::DiskFull);
    assert_eq!(*catalog.snapshot(), *before);
    store.is_full.store(false, SeqCst);
    assert_eq!(catalog.commit(&create("u", 2)).unwrap().version, 2);
    let reopened = Catalog::open(Box::new(Handle(store))).unwrap();
    assert_eq!(*reopened.snapshot(), *catalog.snapshot());
}

#[test]
fn nothing_is_visible_before_it_is_kept_and_who_waits_is_one_group() {
    let store = Arc::new(Wilful::default());
    let (open, gate) = mpsc::channel();
    let catalog = Catalog::open(Box::new(Handle(store.clone()))).unwrap();
    *store.gate.lock().unwrap() = Some(gate);
    let commit = |n: u64| catalog.commit(&create(&format!("t{n}"), u128::from(n) + 1)).unwrap();
    let commit = &commit;
    std::thread::scope(|scope| {
        let first = scope.spawn(move || commit(0));
        while store.appends.load(SeqCst) == 0 {
            std::thread::sleep(Duration::from_millis(1));
        }
        let others: Vec<_> = (1..10).map(|n| scope.spawn(move || commit(n))).collect();
        assert_eq!(catalog.snapshot().version, 0, "not kept, not visible");
        // The others have time to come; whether they do changes how many groups they are, not what is true.
        std::thread::sleep(Duration::from_millis(100));
        for _ in 0..10 {
            open.send(()).unwrap();
        }
        assert_eq!(first.join().unwrap().version, 1);
        others.into_iter().for_each(|other| drop(other.join().unwrap()));
    });
    assert_eq!(catalog.snapshot().version, 10);
    assert!(store.appends.load(SeqCst) <= 10);
}

#[test]
fn time_does_not_go_back() {
    let clock = Arc::new(AtomicI64::new(1_000_000));
    let reads = clock.clone();
    let clock_of = Box::new(move || reads.load(SeqCst));
    let catalog = Catalog::open_with_clock(Box::new(MemoryStore::default()), clock_of).unwrap();
    catalog.commit(&create("t", 1)).unwrap();
    clock.store(5, SeqCst);
    assert_eq!(catalog.commit(&create("u", 2)).unwrap().at_ms, 1_000_000);
}

#[test]
fn a_folder_that_vanished_is_noticed() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let catalog = Catalog::open(Box::new(SledStore::open(&data).unwrap())).unwrap();
    catalog.commit(&create("t", 1)).unwrap();
    let elsewhere = folder.path().join("elsewhere");
    std::fs::rename(&data, &elsewhere).unwrap();
    let error = catalog.commit(&create("u", 2)).unwrap_err();
    assert_eq!(error.code(), ErrorCode::Store);
    assert!(error.hint().is_some(), "{error:?}");
    assert_eq!(catalog.snapshot().version, 1);
    std::fs::rename(&elsewhere, &data).unwrap();
    assert_eq!(catalog.commit(&create("u", 2)).unwrap().version, 2);
}
