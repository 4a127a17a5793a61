//! What a change costs, counted in what is shared and what is stored.

use std::sync::Arc;

use nyala_catalog::Snapshot;
use nyala_catalog::parts::FORMAT_VERSION;
use nyala_schema::ErrorCode;
use nyala_schema::managed::*;

use crate::draw::*;

const MANY: u64 = 100_000;

/// Definitions that are not shared.
fn tables_copied(before: &Snapshot, after: &Snapshot) -> usize {
    let same = |(name, table): (&String, &Arc<_>)| {
        before.tables.get(name).is_some_and(|before| Arc::ptr_eq(before, table))
    };
    after.tables.iter().filter(|pair| !same(*pair)).count()
}

#[test]
fn a_commit_to_a_table_of_many_files_changes_one_chunk() {
    let mut s = Snapshot::default();
    apply(&mut s, &create("t", 1));
    let mut load = change(&s, "t", TableOperation::Insert);
    load.add = (0..MANY).map(|n| parquet(&format!("{n}.parquet"), 100)).collect();
    s = try_apply(&s, &nyala_schema::command::Command::ChangeTable(load)).unwrap();
    let next = try_apply(&s, &insert(&s, "t", rows(&[1]))).unwrap();
    let (before, after) = (table(&s, "t"), table(&next, "t"));
    assert_eq!(after.files.len() as u64, MANY + 1);
    assert_eq!(after.files.changed_chunks(&before.files).len(), 1);
    let parts = next.parts_since(&s).unwrap();
    assert!(parts.len() <= 5, "root, table, files, versions, journal: {}", parts.len());
    let bytes: usize = parts.iter().map(|part| part.value.as_ref().map_or(0, Vec::len)).sum();
    let whole: usize = next.parts().unwrap().iter().map(|(_, value)| value.len()).sum();
    assert!(bytes * 50 < whole, "{bytes} of {whole} bytes");
    assert_eq!(Snapshot::from_parts(next.parts().unwrap()).unwrap(), next);
}

#[test]
fn a_commit_to_a_catalog_of_many_tables_changes_one() {
    let mut s = Snapshot::default();
    for n in 0..5_000 {
        s = try_apply(&s, &create(&format!("t{n}"), n + 1)).unwrap();
    }
    let next = try_apply(&s, &insert(&s, "t77", rows(&[1]))).unwrap();
    assert_eq!(tables_copied(&s, &next), 1);
    assert!(next.parts_since(&s).unwrap().len() <= 5);
    let next = try_apply(&s, &drop_table("t77")).unwrap();
    assert_eq!(tables_copied(&s, &next), 0);
    assert_eq!(next.retired.len(), 1);
}

#[test]
fn another_format_and_lacking_parts_are_refused() {
    let mut s = Snapshot::default();
    apply(&mut s, &create("t", 1));
    let command = insert(&s, "t", rows(&[1]));
    apply(&mut s, &command);
    let parts = s.parts().unwrap();
    let without = |index: usize| {
        let mut parts = parts.clone();
        parts.remove(index);
        Snapshot::from_parts(parts)
    };
    let refusals = (0..parts.len()).filter(|index| without(*index).is_err()).count();
    assert!(refusals >= 2, "the root, and the table of which there are pieces: {refusals}");
    let mut other = parts.clone();
    other[0].1[..4].copy_from_slice(&(FORMAT_VERSION + 1).to_be_bytes());
    let error = Snapshot::from_parts(other).unwrap_err();
    assert_eq!(error.code(), ErrorCode::Store);
    assert!(error.message().contains("format 3") && error.hint().is_some(), "{error:?}");
    for at in 0..s.encode().unwrap().len() {
        let mut bytes = s.encode().unwrap();
        bytes[at] ^= 1 << (at % 8);
        assert!(Snapshot::decode(&bytes).is_err(), "byte {at}");
    }
}
