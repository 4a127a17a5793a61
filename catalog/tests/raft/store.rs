//! Both stores of a replica: one suite.

use std::sync::Arc;

use nyala_catalog::raft::store::{Change, Key, check, open, put, read};
use nyala_catalog::raft::{MemoryReplicaStore, Parts, ReplicaStore, SledReplicaStore};
use nyala_schema::ErrorCode;

use crate::cluster::settings;

fn entry(index: u64) -> Change {
    put(Key::Entry(index), &format!("entry {index}")).unwrap()
}

fn indexes(store: &dyn ReplicaStore) -> Vec<u64> {
    store.entries(0..u64::MAX).unwrap().into_iter().map(|(index, _)| index).collect()
}

/// Ends with entries 4 to 6, a vote and a mark, flushed.
fn suite(store: &dyn ReplicaStore) {
    assert_eq!(store.last_entry().unwrap(), None);
    assert_eq!(read::<String>(store, Key::Vote).unwrap(), None);
    store.write(vec![put(Key::Vote, &"one").unwrap()]).unwrap();
    assert_eq!(store.last_entry().unwrap(), None, "a vote is no entry");
    store.write((1..=9).map(entry).collect()).unwrap();
    assert_eq!(store.last_entry().unwrap(), Some(9));
    assert_eq!(store.entries(3..5).unwrap().len(), 2, "the end is not part of it");
    assert!(store.entries(5..5).unwrap().is_empty());
    store.write(vec![Change::RemoveEntries(7..u64::MAX)]).unwrap();
    store.write(vec![put(Key::Purged, &3u64).unwrap(), Change::RemoveEntries(0..4)]).unwrap();
    assert_eq!(indexes(store), [4, 5, 6]);
    store.write(vec![put(Key::Vote, &"two").unwrap()]).unwrap();
    store.flush().unwrap();
    assert_suite_result(store);
}

fn assert_suite_result(store: &dyn ReplicaStore) {
    check(store).unwrap();
    assert_eq!(read::<String>(store, Key::Vote).unwrap().as_deref(), Some("two"));
    assert_eq!(read::<u64>(store, Key::Purged).unwrap(), Some(3));
    assert_eq!(indexes(store), [4, 5, 6]);
    let (index, sealed) = store.entries(5..6).unwrap().remove(0);
    assert_eq!(open::<String>(Key::Entry(index), &sealed).unwrap(), "entry 5");
}

/// Every byte of every value: damage is seen, and so is a value under another name.
fn damage(store: &dyn ReplicaStore) {
    for key in [Key::Vote, Key::Purged, Key::Entry(4), Key::Entry(6)] {
        let whole = store.get(key).unwrap().unwrap();
        for position in 0..whole.len() {
            let mut flipped = whole.clone();
            flipped[position] ^= 0x10;
            store.write(vec![Change::Put(key, flipped)]).unwrap();
            assert_eq!(check(store).unwrap_err().code(), ErrorCode::Store, "{key:?} byte {position}");
        }
        store.write(vec![Change::Put(key, whole[..whole.len() - 1].to_vec())]).unwrap();
        assert_eq!(check(store).unwrap_err().code(), ErrorCode::Store, "{key:?} torn");
        store.write(vec![Change::Put(key, whole)]).unwrap();
        check(store).unwrap();
    }
    let other = store.get(Key::Entry(4)).unwrap().unwrap();
    let whole = store.get(Key::Entry(5)).unwrap().unwrap();
    store.write(vec![Change::Put(Key::Entry(5), other)]).unwrap();
    assert!(check(store).is_err(), "a value under the name of another");
    store.write(vec![Change::RemoveEntries(5..6)]).unwrap();
    assert!(check(store).is_err(), "a hole");
    store.write(vec![Change::Put(Key::Entry(5), whole)]).unwrap();
    check(store).unwrap();
}

#[test]
fn memory_store() {
    let store = MemoryReplicaStore::default();
    suite(&store);
    damage(&store);
}

#[test]
fn a_crash_takes_what_was_not_flushed() {
    let store = MemoryReplicaStore::default();
    suite(&store);
    store.write(vec![entry(7)]).unwrap();
    store.write(vec![entry(8)]).unwrap();
    let after = store.crash(1);
    assert_eq!(indexes(&after), [4, 5, 6, 7], "what came first may be there, never what came later alone");
    assert_eq!(store.get(Key::Vote).unwrap_err().code(), ErrorCode::Store);
    assert_suite_result(&store_after_second_crash(&after));
}

/// What a disk kept without a flush it may still lose.
fn store_after_second_crash(store: &MemoryReplicaStore) -> MemoryReplicaStore {
    store.write(vec![Change::RemoveEntries(7..u64::MAX)]).unwrap();
    store.flush().unwrap();
    store.crash(0)
}

#[test]
fn sled_store_survives_restarts() {
    let folder = tempfile::tempdir().unwrap();
    let store = SledReplicaStore::open(folder.path()).unwrap();
    suite(&store);
    drop(store);
    let store = SledReplicaStore::open(folder.path()).unwrap();
    assert_suite_result(&store);
    damage(&store);
}

#[test]
fn a_damaged_sled_store_is_refused_and_can_be_put_aside() {
    let folder = tempfile::tempdir().unwrap();
    let store = SledReplicaStore::open(folder.path()).unwrap();
    suite(&store);
    store.write(vec![Change::Put(Key::Vote, vec![1, 2, 3])]).unwrap();
    store.flush().unwrap();
    drop(store);
    let refused = SledReplicaStore::open(folder.path()).err().unwrap();
    assert_eq!(refused.code(), ErrorCode::Store);
    assert!(refused.hint().unwrap().contains("new id"), "{refused:?}");
    let aside = SledReplicaStore::put_aside(folder.path()).unwrap();
    assert!(aside.exists());
    let fresh = SledReplicaStore::open(folder.path()).unwrap();
    assert_eq!(fresh.last_entry().unwrap(), None);
}

#[tokio::test]
async fn a_store_belongs_to_one_replica() {
    let store = MemoryReplicaStore::default();
    let network = nyala_catalog::raft::MemoryNetwork::default();
    let parts = |id| Parts {
        id,
        store: Arc::new(store.clone()),
        network: network.end_of(id),
        blobs: Arc::new(nyala_catalog::MemoryBlobs::default()),
        clock: Box::new(|| 0),
        settings: settings(id),
    };
    nyala_catalog::raft::Replica::start(parts(1)).await.unwrap().stop().await;
    let error = nyala_catalog::raft::Replica::start(parts(2)).await.err().unwrap();
    assert_eq!(error.code(), ErrorCode::Store);
    assert!(error.message().contains("replica 1"), "{error:?}");
}
