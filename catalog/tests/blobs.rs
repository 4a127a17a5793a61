//! Both places for bytes of modules: one suite.

use std::collections::BTreeSet;

use nyala_catalog::{Blobs, FileBlobs, MemoryBlobs};
use nyala_schema::ErrorCode;

fn suite(blobs: &dyn Blobs) {
    let one = blobs.put(b"one").unwrap();
    assert_eq!(one.to_string(), "7692c3ad3540bb803c020b3aee66cd8887123234ea0c6e7143c0add73ff431ed");
    assert_eq!(blobs.put(b"one").unwrap(), one);
    let two = blobs.put(b"two").unwrap();
    assert_eq!(blobs.get(one).unwrap().as_deref(), Some(b"one".as_slice()));
    blobs.retain(&BTreeSet::from([two])).unwrap();
    assert_eq!(blobs.get(one).unwrap(), None);
    assert_eq!(blobs.get(two).unwrap().as_deref(), Some(b"two".as_slice()));
}

#[test]
fn memory_blobs() {
    suite(&MemoryBlobs::default());
}

#[test]
fn file_blobs_survive_and_notice_damage() {
    let folder = tempfile::tempdir().unwrap();
    suite(&FileBlobs::open(folder.path()).unwrap());
    let blobs = FileBlobs::open(folder.path()).unwrap();
    let two = nyala_catalog::blob::hash(b"two");
    assert!(blobs.get(two).unwrap().is_some());
    std::fs::write(blobs.path(two), b"tw0").unwrap();
    let damage = blobs.get(two).unwrap_err();
    assert_eq!(damage.code(), ErrorCode::Store);
    assert!(damage.message().contains(&two.to_string()), "{damage:?}");
    assert_eq!(blobs.put(b"two").unwrap(), two);
    assert!(blobs.get(two).unwrap().is_some(), "put again, it is whole again");
    let left_by_a_crash = blobs.path(two).with_extension("new");
    std::fs::write(&left_by_a_crash, b"t").unwrap();
    blobs.retain(&BTreeSet::from([two])).unwrap();
    assert!(!left_by_a_crash.exists() && blobs.path(two).exists());
}
