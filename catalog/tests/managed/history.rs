//! What was, and how it comes back.

use nyala_catalog::{Snapshot, check_snapshot, table_at};
use nyala_schema::ErrorCode::*;
use nyala_schema::command::{Command, ObjectKind, OnConflict};
use nyala_schema::id::{FileId, TableId};
use nyala_schema::lookup::AsOf;
use nyala_schema::managed::*;

use crate::draw::*;

fn undrop(kind: ObjectKind, name: &str, renamed: Option<&str>) -> Command {
    Command::Undrop { kind, name: name.into(), renamed: renamed.map(Into::into) }
}

#[test]
fn a_table_as_it_was() {
    let mut s = Snapshot::default();
    apply(&mut s, &create("t", 1));
    let one = insert(&s, "t", rows(&[1, 2]));
    apply(&mut s, &one);
    apply(&mut s, &add_column("t", "c"));
    let all = TableChange { remove: vec![FileId(1)], ..change(&s, "t", TableOperation::Truncate) };
    apply(&mut s, &Command::ChangeTable(all));
    let t = table(&s, "t");
    let was = table_at(t, &AsOf::Version(2)).unwrap();
    assert_eq!((was.summary.rows, was.shape.columns.len(), was.files.len()), (2, 2, 1));
    assert_eq!(table_at(t, &AsOf::Time(3999)).unwrap().version, 3);
    assert_eq!(table_at(t, &AsOf::Time(i64::MAX)).unwrap(), *t);
    for at in [AsOf::Version(0), AsOf::Version(5), AsOf::Time(999)] {
        let error = table_at(t, &at).unwrap_err();
        assert_eq!(error.code(), UndefinedVersion);
        assert!(error.hint().unwrap().contains("versions 1 to 4 are kept"), "{error:?}");
    }
    apply(&mut s, &Command::RollbackTable { name: "t".into(), to: 2 });
    let t = table(&s, "t");
    assert_eq!((t.version, t.summary.rows, t.shape.columns.len()), (5, 2, 2));
    assert_eq!(t.shape.next_column, 3, "ids of columns are never given again");
    assert_eq!(t.history[&5].operation, TableOperation::Rollback(2));
    assert_eq!(table_at(t, &AsOf::Version(4)).unwrap().summary.rows, 0);
    refused(&s, &Command::RollbackTable { name: "t".into(), to: 9 }, UndefinedVersion, &["table \"t\""]);
}

#[test]
fn what_was_dropped_comes_back_once() {
    let mut s = Snapshot::default();
    apply(&mut s, &create("t", 1));
    let command = insert(&s, "t", rows(&[1]));
    apply(&mut s, &command);
    let before = s.clone();
    apply(&mut s, &drop_table("t"));
    let files = s.warehouse_files();
    assert!(files.contains_key(&TableId(1)), "what can come back keeps its files");
    refused(&s, &undrop(ObjectKind::Table, "x", None), UndefinedObject, &["dropped last: t"]);
    let mut back = s.clone();
    apply(&mut back, &undrop(ObjectKind::Table, "t", Some("u")));
    assert_eq!(table(&back, "u"), table(&before, "t"));
    refused(&back, &undrop(ObjectKind::Table, "t", None), UndefinedObject, &["no dropped table"]);
    apply(&mut s, &create("t", 2));
    refused(&s, &undrop(ObjectKind::Table, "t", None), DuplicateTable, &["UNDROP TABLE t AS"]);
    apply(&mut s, &create_as("t", 3, shape(&["z"]), OnConflict::Replace));
    apply(&mut s, &undrop(ObjectKind::Table, "t", Some("old")));
    assert_eq!(table(&s, "old").id, TableId(1), "what was replaced was not dropped");
}

#[test]
fn a_schema_comes_back_with_its_tables() {
    let mut s = Snapshot::default();
    let schema = |name: &str| Command::CreateSchema { name: name.into(), if_not_exists: false };
    apply(&mut s, &schema("s"));
    apply(&mut s, &create("s.t", 1));
    apply(&mut s, &create("s.early", 2));
    apply(&mut s, &drop_table("s.early"));
    apply(&mut s, &view("s.v"));
    apply(&mut s, &Command::DropSchema { name: "s".into(), if_exists: false, cascade: true });
    apply(&mut s, &undrop(ObjectKind::Schema, "s", Some("r")));
    assert_eq!(s.names(ObjectKind::Table), ["r.t", "r.v"]);
    assert_eq!(s.names(ObjectKind::Schema), ["main", "r"]);
}

#[test]
fn renamed_tables_are_not_dropped() {
    let mut s = Snapshot::default();
    apply(&mut s, &create("t", 1));
    apply(&mut s, &Command::RenameTable { from: "t".into(), to: "u".into() });
    refused(&s, &undrop(ObjectKind::Table, "t", None), UndefinedObject, &["no dropped"]);
    let was = s.at(&AsOf::Version(1)).unwrap();
    assert_eq!(was.names(ObjectKind::Table), ["t"]);
    let now = s.at(&AsOf::Time(s.at_ms)).unwrap();
    assert_eq!(now.names(ObjectKind::Table), ["u"]);
    apply(&mut s, &Command::RollbackCatalog { to: 1 });
    assert_eq!(s.names(ObjectKind::Table), ["t"]);
    let error = s.at(&AsOf::Version(4)).unwrap_err();
    assert_eq!((error.code(), error.hint().is_some()), (UndefinedVersion, true), "{error:?}");
}

#[test]
fn a_table_that_goes_back_to_a_name_of_another_is_not_dropped() {
    let mut s = Snapshot::default();
    apply(&mut s, &create("t", 1));
    apply(&mut s, &Command::RenameTable { from: "t".into(), to: "u".into() });
    apply(&mut s, &create("t", 2));
    apply(&mut s, &Command::RollbackCatalog { to: 1 });
    assert_eq!(s.names(ObjectKind::Table), ["t"]);
    assert_eq!(table(&s, "t").id, TableId(1));
    assert_eq!(check_snapshot(&s), []);
    refused(&s, &undrop(ObjectKind::Table, "u", None), UndefinedObject, &["no dropped"]);
}

#[test]
fn the_whole_catalog_goes_back() {
    let mut s = Snapshot::default();
    apply(&mut s, &create("kept", 1));
    apply(&mut s, &create("gone", 2));
    let one = insert(&s, "kept", rows(&[1]));
    apply(&mut s, &one);
    let two = insert(&s, "gone", rows(&[1, 2]));
    apply(&mut s, &two);
    let remembered = s.clone();
    apply(&mut s, &drop_table("gone"));
    let three = insert(&s, "kept", rows(&[3]));
    apply(&mut s, &three);
    apply(&mut s, &create("newer", 3));
    apply(&mut s, &Command::RollbackCatalog { to: remembered.version });
    assert_eq!(s.names(ObjectKind::Table), ["gone", "kept"]);
    assert_eq!((table(&s, "kept").summary.rows, table(&s, "kept").version), (1, 4));
    assert_eq!(table(&s, "gone").summary.rows, 2);
    refused(&s, &undrop(ObjectKind::Table, "gone", Some("twin")), UndefinedObject, &["no dropped"]);
    apply(&mut s, &undrop(ObjectKind::Table, "newer", None));
    assert_eq!(s.names(ObjectKind::Table), ["gone", "kept", "newer"]);
}
