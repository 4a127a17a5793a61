//! Files that are damaged: always noticed, and mended as long as one copy is whole.

use std::fs;
use std::path::{Path, PathBuf};

use nyala_catalog::{Catalog, SledStore, Snapshot, Store, check_folder};
use nyala_schema::ErrorCode;
use nyala_schema::command::Entry;
use nyala_schema::wire;

use crate::draw::*;
use crate::random;

/// Entries of a random history, with the snapshot after each.
fn history(seed: u64, count: usize) -> Vec<(Snapshot, Vec<u8>)> {
    let mut random = Random(seed);
    let mut newest = Snapshot::default();
    let mut made = Vec::new();
    while made.len() < count {
        let entry = Entry { at_ms: newest.at_ms + 10, command: random::command(&mut random, &newest) };
        if let Ok(next) = nyala_catalog::apply(&newest, &entry) {
            newest = next;
            made.push((newest.clone(), wire::encode_entry(&entry).unwrap()));
        }
    }
    made
}

/// A folder with several snapshot files, journals and a stored snapshot, as a process leaves it; and what it keeps.
fn fill(folder: &Path) -> Snapshot {
    let store = SledStore::open(folder).unwrap();
    let history = history(7, 240);
    let mut saved = Snapshot::default();
    for (index, (snapshot, bytes)) in history.iter().enumerate() {
        store.append(&[(snapshot.version, bytes.clone())]).unwrap();
        if index % 40 == 20 {
            store.checkpoint(snapshot.version, 0, snapshot.parts().unwrap()).unwrap();
        }
        if index % 70 == 50 {
            let base = (saved.version > 0).then_some(saved.version);
            store.save_snapshot(base, snapshot.version, &snapshot.parts_since(&saved).unwrap()).unwrap();
            saved = snapshot.clone();
        }
    }
    history.last().unwrap().0.clone()
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        match path.is_dir() {
            true => found.extend(files(&path)),
            false if path.ends_with("catalog.lock") => {}
            false => found.push(path),
        }
    }
    found.sort();
    found
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        let target = to.join(path.file_name().unwrap());
        if path.is_dir() {
            copy(&path, &target);
        } else {
            fs::copy(&path, &target).unwrap();
        }
    }
}

fn open(folder: &Path) -> nyala_schema::Result<Snapshot> {
    let catalog = Catalog::open(Box::new(SledStore::open(folder)?))?;
    Ok(catalog.snapshot().as_ref().clone())
}

fn flip(random: &mut Random, file: &Path) {
    let mut bytes = fs::read(file).unwrap();
    if bytes.is_empty() {
        return;
    }
    let at = random.below(bytes.len() as u64) as usize;
    match random.below(4) {
        0 => bytes.truncate(at),
        1 => bytes.iter_mut().skip(at).take(100).for_each(|byte| *byte = 0),
        _ => bytes[at] ^= 1 << random.below(8),
    }
    fs::write(file, bytes).unwrap();
}

#[test]
fn damage_of_any_file_is_mended() {
    let origin = tempfile::tempdir().unwrap();
    let expected = fill(origin.path());
    assert_eq!(open(origin.path()).unwrap(), expected);
    assert_eq!(check_folder(origin.path()).unwrap().problems, []);
    let all = files(origin.path());
    let count = |part: &str| all.iter().filter(|path| path.to_string_lossy().contains(part)).count();
    assert!(count("catalog.snapshot-") == 3 && count("catalog.journal-") >= 3 && count("catalog.sled") > 0);
    let mut random = Random(1);
    for trial in 0..60 {
        let folder = tempfile::tempdir().unwrap();
        copy(origin.path(), folder.path());
        let file = random.pick(&files(folder.path())).unwrap().clone();
        flip(&mut random, &file);
        let opened =
            open(folder.path()).unwrap_or_else(|e| panic!("trial {trial}, {}: {e:?}", file.display()));
        assert!(opened == expected, "trial {trial}: {} gave version {}", file.display(), opened.version);
        assert!(open(folder.path()).unwrap() == expected, "trial {trial}: mended is mended");
    }
}

#[test]
fn damage_everywhere_is_never_another_catalog() {
    let origin = tempfile::tempdir().unwrap();
    let expected = fill(origin.path());
    let mut random = Random(2);
    let (mut whole, mut refused) = (0, 0);
    for trial in 0..25 {
        let folder = tempfile::tempdir().unwrap();
        copy(origin.path(), folder.path());
        for file in files(folder.path()) {
            // The end of the journal is what tells that there was more.
            let newest = file.to_string_lossy().contains("catalog.journal-");
            if !newest && random.below(3) > 0 {
                flip(&mut random, &file);
            }
        }
        match open(folder.path()) {
            Ok(opened) => {
                assert!(opened == expected, "trial {trial}: version {}", opened.version);
                whole += 1;
            }
            Err(error) => {
                assert_eq!(error.code(), ErrorCode::Store);
                assert!(error.hint().is_some(), "{error:?}");
                refused += 1;
            }
        }
    }
    assert!(whole > 0 && whole + refused == 25, "{whole} {refused}");
}

#[test]
fn a_torn_tail_is_cut_off_and_the_rest_is_there() {
    let folder = tempfile::tempdir().unwrap();
    let expected = fill(folder.path());
    let journal =
        files(folder.path()).into_iter().filter(|f| f.to_string_lossy().contains("journal-")).next_back();
    let journal = journal.unwrap();
    let mut bytes = fs::read(&journal).unwrap();
    let whole = bytes.len();
    bytes.extend_from_slice(&[0xa7, 0x4e, 0x59, 0x0d, 0, 0, 1, 0, 0, 0, 0]);
    fs::write(&journal, &bytes).unwrap();
    assert_eq!(open(folder.path()).unwrap(), expected);
    assert_eq!(fs::metadata(&journal).unwrap().len() as usize, whole);
}

#[test]
fn without_sled_and_the_newest_snapshot_the_older_ones_lead_on() {
    let folder = tempfile::tempdir().unwrap();
    let expected = fill(folder.path());
    fs::remove_dir_all(folder.path().join("catalog.sled")).unwrap();
    let mut snapshots: Vec<_> =
        files(folder.path()).into_iter().filter(|f| f.to_string_lossy().contains("snapshot-")).collect();
    fs::write(snapshots.pop().unwrap(), b"nothing").unwrap();
    fs::write(snapshots.pop().unwrap(), b"").unwrap();
    let report = check_folder(folder.path()).unwrap();
    assert_eq!(report.problems.iter().filter(|p| p.place.contains("snapshot-")).count(), 2, "{report:?}");
    assert_eq!(open(folder.path()).unwrap(), expected);
    assert_eq!(open(folder.path()).unwrap(), expected);
}

#[test]
fn a_snapshot_file_fills_an_empty_folder() {
    let folder = tempfile::tempdir().unwrap();
    fill(folder.path());
    let (version, path) = nyala_catalog::sled_store::snapshot_paths(folder.path()).unwrap().pop().unwrap();
    let bytes = fs::read(path).unwrap();
    let empty = tempfile::tempdir().unwrap();
    let store = SledStore::open(empty.path()).unwrap();
    assert_eq!(nyala_catalog::restore(&bytes, &store).unwrap(), version);
    assert_eq!(nyala_catalog::restore(&bytes, &store).unwrap_err().code(), ErrorCode::Store);
    drop(store);
    let restored = Snapshot::decode(&bytes).unwrap();
    assert_eq!(open(empty.path()).unwrap(), restored);
    assert_eq!(check_folder(empty.path()).unwrap().problems, []);
    let text = nyala_catalog::dump(&restored);
    assert!(text.contains(&format!("catalog version {version}")) && text.contains("journal "), "{text}");
    let catalog = Catalog::open(Box::new(SledStore::open(empty.path()).unwrap())).unwrap();
    assert_eq!(catalog.commit(&create("after", 99)).unwrap().version, version + 1);
}

#[test]
fn a_snapshot_is_installed_in_place_of_an_empty_catalog() {
    let snapshot = history(3, 60).pop().unwrap().0;
    let folder = tempfile::tempdir().unwrap();
    let catalog = Catalog::open(Box::new(SledStore::open(folder.path()).unwrap())).unwrap();
    catalog.commit(&create("t", 1)).unwrap();
    let error = catalog.install(snapshot.clone()).unwrap_err();
    assert_eq!(error.code(), ErrorCode::InvalidParameter);
    catalog.commit(&drop_table("t")).unwrap();
    assert_eq!(*catalog.install(snapshot.clone()).unwrap(), snapshot);
    let version = catalog.commit(&create("after", 99)).unwrap().version;
    assert_eq!(version, snapshot.version + 1);
    let expected = catalog.snapshot();
    drop(catalog);
    assert_eq!(check_folder(folder.path()).unwrap().problems, []);
    fs::remove_dir_all(folder.path().join("catalog.sled")).unwrap();
    assert_eq!(open(folder.path()).unwrap(), *expected);
}

#[test]
fn a_store_of_another_format_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("catalog.snapshot"), b"of before").unwrap();
    let error = SledStore::open(folder.path()).map(|_| ()).unwrap_err();
    assert_eq!(error.code(), ErrorCode::Store);
    assert!(error.message().contains("older format") && error.hint().is_some(), "{error:?}");
}
