//! What commands do to managed tables.

use std::sync::Arc;

use arrow::datatypes::DataType;
use nyala_catalog::Snapshot;
use nyala_schema::ErrorCode::{self, *};
use nyala_schema::bound::Bound;
use nyala_schema::command::{Command, CommentTarget, ObjectKind, OnConflict, TableRead};
use nyala_schema::id::{ColumnId, FileId};
use nyala_schema::managed::*;
use nyala_schema::value::Value;

use crate::draw::*;

fn with_rows() -> Snapshot {
    let mut s = Snapshot::default();
    apply(&mut s, &create("t", 1));
    let command = insert(&s, "t", rows(&[5, 7]));
    apply(&mut s, &command);
    let command = insert(&s, "t", parquet("x", 10));
    apply(&mut s, &command);
    s
}

fn summary(s: &Snapshot) -> (u64, Option<Bound>, Option<Bound>) {
    let summary = &table(s, "t").summary;
    let column = &summary.columns[&ColumnId(0)];
    (summary.rows, column.min.clone(), column.max.clone())
}

#[test]
fn inserts_make_versions_and_keep_the_summary() {
    let s = with_rows();
    let t = table(&s, "t");
    assert_eq!((t.version, t.files.len(), t.next_file), (3, 2, 3));
    assert_eq!(t.files.iter().map(|file| (file.id.0, file.added_in)).collect::<Vec<_>>(), [(1, 2), (2, 3)]);
    assert_eq!(summary(&s), (12, Some(Bound::Int(0)), Some(Bound::Int(10))));
    assert_eq!(t.summary.bytes, 16 + 100);
    assert_eq!(t.summary.columns[&ColumnId(1)].nulls, 2);
    assert!(!t.summary.columns[&ColumnId(1)].is_bounded, "nothing is known of some values");
    let lines: Vec<&str> = s.journal.values().map(|line| line.what.as_str()).collect();
    assert_eq!(lines, ["CREATE TABLE t", "INSERT INTO t: 2 rows", "INSERT INTO t: 10 rows"]);
    assert_eq!(t.history[&3].catalog_version, 3);
    assert_eq!((t.history[&3].rows_added, t.history[&3].rows, t.history[&3].files), (10, 12, 2));
}

#[test]
fn deletes_retire_files_and_versions_keep_them() {
    let mut s = with_rows();
    let delete = change(&s, "t", TableOperation::Delete);
    let delete = TableChange { delete: vec![(FileId(2), gone(4))], remove: vec![FileId(1)], ..delete };
    apply(&mut s, &Command::ChangeTable(delete.clone()));
    let t = table(&s, "t");
    assert_eq!(t.summary.rows, 6);
    assert_eq!(t.files.iter().map(|f| (f.id.0, f.live_rows())).collect::<Vec<_>>(), [(3, 6)]);
    assert_eq!(t.retired.keys().map(|(v, id)| (*v, id.0)).collect::<Vec<_>>(), [(4, 1), (4, 2)]);
    assert_eq!(s.journal[&4].what, "DELETE FROM t: 6 rows");
    let before = t.files_at(3).unwrap();
    assert_eq!(before.iter().map(|f| (f.id.0, f.live_rows())).collect::<Vec<_>>(), [(1, 2), (2, 10)]);
    refused(
        &s,
        &Command::ChangeTable(delete),
        SerializationFailure,
        &["another commit changed rows of \"t\""],
    );
    let rest = change(&s, "t", TableOperation::Delete);
    apply(&mut s, &Command::ChangeTable(TableChange { delete: vec![(FileId(3), gone(10))], ..rest }));
    assert_eq!(table(&s, "t").files.len(), 0, "a file of which every row is gone is gone");
    let command = insert(&s, "t", rows(&[100]));
    apply(&mut s, &command);
    let hundred = Some(Bound::Int(100));
    assert_eq!(summary(&s), (1, hundred.clone(), hundred), "bounds begin anew in an empty table");
}

#[test]
fn what_a_statement_was_planned_on_must_be_there() {
    let mut s = with_rows();
    let old = s.clone();
    let append = insert(&old, "t", rows(&[1]));
    let replace = TableChange {
        remove: vec![FileId(1)],
        requirement: Requirement::Version,
        ..change(&old, "t", TableOperation::Overwrite)
    };
    let replace = Command::ChangeTable(replace);
    apply(&mut s, &append);
    apply(&mut s, &append);
    assert_eq!(table(&s, "t").version, 5, "who only adds is not disturbed by others");
    refused(&s, &replace, SerializationFailure, &["from version 3 to 5", "again"]);
    apply(&mut s, &add_column("t", "c"));
    refused(&s, &append, SerializationFailure, &["was altered"]);
    let again = insert(&s, "t", rows(&[1]));
    apply(&mut s, &Command::RenameTable { from: "t".into(), to: "u".into() });
    refused(&s, &again, SerializationFailure, &["\"t\"", "dropped or renamed"]);
    apply(&mut s, &create("t", 2));
    refused(&s, &again, SerializationFailure, &["another table has this name"]);
    let twice = TableChange { remove: vec![FileId(1), FileId(1)], ..change(&s, "u", TableOperation::Delete) };
    refused(&s, &Command::ChangeTable(twice), Internal, &["touches file 1 twice"]);
}

#[test]
fn names_and_schemas() {
    let mut s = with_rows();
    refused(&s, &create("t", 9), DuplicateTable, &["OR REPLACE"]);
    refused(&s, &create("s.t", 9), UndefinedSchema, &["CREATE SCHEMA s"]);
    refused(&s, &create("a.b.c", 9), InvalidParameter, &["has a dot"]);
    let schema = |name: &str| Command::CreateSchema { name: name.into(), if_not_exists: false };
    refused(&s, &schema("a.b"), InvalidParameter, &["dot"]);
    apply(&mut s, &schema("s"));
    refused(&s, &schema("s"), DuplicateSchema, &["IF NOT EXISTS"]);
    refused(&s, &create_as("s.t", 9, shape(&["a", "a"]), OnConflict::Fail), DuplicateColumn, &["\"a\""]);
    refused(&s, &create_as("s.t", 9, shape(&[]), OnConflict::Fail), InvalidParameter, &["needs a column"]);
    apply(&mut s, &create("s.t", 2));
    apply(&mut s, &view("s.v"));
    let drop = |cascade| Command::DropSchema { name: "s".into(), if_exists: false, cascade };
    refused(&s, &drop(false), Dependency, &["CASCADE", "2 tables"]);
    refused(
        &s,
        &Command::RenameTable { from: "t".into(), to: "s.t".into() },
        DuplicateTable,
        &["another name"],
    );
    apply(&mut s, &Command::RenameTable { from: "t".into(), to: "s.u".into() });
    apply(&mut s, &drop(true));
    assert!(s.tables.is_empty());
    let main = Command::DropSchema { name: "main".into(), if_exists: false, cascade: true };
    refused(&s, &main, Dependency, &["always"]);
}

#[test]
fn alterations() {
    use TableAlteration::*;
    let mut s = with_rows();
    apply(&mut s, &add_column("t", "c"));
    let column = |nullable, initial| NewColumn {
        name: "d".into(),
        data_type: DataType::Int64,
        nullable,
        default: None,
        initial,
    };
    let add = |column| alter("t", AddColumn { column, if_not_exists: false });
    refused(&s, &add(column(false, None)), NotNullViolation, &["\"d\"", "DEFAULT"]);
    refused(&s, &add(column(true, Some(Value::utf8("x")))), DatatypeMismatch, &["another type"]);
    apply(&mut s, &add(column(false, Some(Value::int64(7)))));
    let t = table(&s, "t");
    assert_eq!(t.shape.column("d").unwrap().id, ColumnId(3));
    assert_eq!(t.summary.columns[&ColumnId(3)].min, Some(Bound::Int(7)));
    assert_eq!((t.summary.columns[&ColumnId(2)].nulls, t.version), (12, 5));
    refused(&s, &add(column(true, None)), DuplicateColumn, &["\"d\""]);
    let check = CheckConstraint { name: "positive".into(), sql: "A > 0 AND 'd' <> ''".into() };
    refused(&s, &alter("t", AddCheck(check.clone())), Internal, &["in which version"]);
    let checked =
        |alteration, requires| Command::AlterTable { name: "t".into(), alteration, requires: Some(requires) };
    refused(&s, &checked(AddCheck(check.clone()), 4), SerializationFailure, &["from version 4 to 5"]);
    apply(&mut s, &checked(AddCheck(check), 5));
    let drop = |name: &str| alter("t", DropColumn { name: name.into(), if_exists: false });
    let rename = |from: &str, to: &str| alter("t", RenameColumn { from: from.into(), to: to.into() });
    refused(&s, &drop("a"), Dependency, &["positive", "DROP CONSTRAINT"]);
    refused(&s, &rename("a", "z"), Dependency, &["positive"]);
    refused(&s, &drop("x"), UndefinedColumn, &["\"x\""]);
    apply(&mut s, &drop("d"));
    apply(&mut s, &alter("t", DropCheck { name: "positive".into(), if_exists: false }));
    let comment = CommentTarget::Column("t".into(), "a".into());
    apply(&mut s, &Command::Comment { target: comment, text: Some("first".into()) });
    apply(&mut s, &rename("a", "z"));
    assert_eq!(s.comments[&CommentTarget::Column("t".into(), "z".into())].as_ref(), "first");
    let sort = SortField { column: ColumnId(0), descending: false, nulls_first: false };
    apply(&mut s, &alter("t", SetSortBy(vec![sort])));
    refused(&s, &drop("z"), Dependency, &["SORTED BY"]);
    refused(
        &s,
        &alter("t", SetProperties(vec![("retention".into(), Some("soon".into()))])),
        InvalidParameter,
        &["7 days"],
    );
    let version = table(&s, "t").version;
    apply(&mut s, &alter("t", SetProperties(vec![("retention".into(), Some("1 day".into()))])));
    assert_eq!(table(&s, "t").version, version, "properties have no versions");
    let not_null = SetNullable { column: "b".into(), nullable: false };
    refused(&s, &alter("t", not_null.clone()), Internal, &["SET NOT NULL"]);
    apply(&mut s, &checked(not_null, version));
    apply(&mut s, &alter("t", SetSortBy(vec![])));
    apply(&mut s, &drop("b"));
    apply(&mut s, &drop("c"));
    refused(&s, &drop("z"), Dependency, &["the only column"]);
    apply(&mut s, &add_column("t", "d"));
    assert_eq!(table(&s, "t").shape.column("d").unwrap().id, ColumnId(4), "ids are never given again");
}

#[test]
fn transactions_are_all_or_nothing() {
    let mut s = with_rows();
    apply(&mut s, &create("u", 2));
    let read = |name: &str, version| TableRead { name: name.into(), version };
    let both = |reads| Command::Transaction {
        reads,
        commands: vec![insert(&s, "t", rows(&[1])), insert(&s, "u", rows(&[2])), drop_table("x")],
    };
    refused(&s, &both(vec![]), UndefinedTable, &["command 3"]);
    let reads = vec![read("t", 3), read("x", 0)];
    let commands = vec![insert(&s, "t", rows(&[1])), insert(&s, "u", rows(&[2]))];
    let good = Command::Transaction { reads, commands };
    let old = s.clone();
    apply(&mut s, &good);
    assert_eq!((table(&s, "t").version, table(&s, "u").version, s.version), (4, 2, 5));
    assert_eq!(s.journal[&5].what, "TRANSACTION: INSERT INTO t: 1 row; INSERT INTO u: 1 row");
    refused(&s, &good, SerializationFailure, &["\"t\"", "has read"]);
    // The second change removes what the first one added, under the id that it would have had.
    let mut planned = old.clone();
    let first = insert(&planned, "t", rows(&[1]));
    apply(&mut planned, &first);
    let own = table(&planned, "t").files.iter().last().unwrap().id;
    let second = TableChange { remove: vec![own], ..change(&planned, "t", TableOperation::Delete) };
    let twice = Command::Transaction { reads: vec![], commands: vec![first, Command::ChangeTable(second)] };
    assert_eq!(table(&try_apply(&old, &twice).unwrap(), "t").summary.rows, 12);
    refused(&s, &twice, SerializationFailure, &["changes twice"]);
    let nested = Command::Transaction { reads: vec![], commands: vec![twice] };
    refused(&s, &nested, Internal, &["inside"]);
}

#[test]
fn versions_expire_by_number_and_by_time() {
    let mut s = Snapshot::default();
    apply(&mut s, &create("t", 1));
    let keep = ("retention_versions".to_owned(), Some("3".to_owned()));
    apply(&mut s, &alter("t", TableAlteration::SetProperties(vec![keep])));
    for n in 0..20 {
        let all: Vec<FileId> = table(&s, "t").files.iter().map(|file| file.id).collect();
        let overwrite = change(&s, "t", TableOperation::Overwrite);
        apply(&mut s, &Command::ChangeTable(TableChange { add: vec![rows(&[n])], remove: all, ..overwrite }));
    }
    let t = table(&s, "t");
    assert_eq!(t.history.keys().copied().collect::<Vec<_>>(), [19, 20, 21]);
    assert_eq!(t.retired.keys().map(|(version, _)| *version).collect::<Vec<_>>(), [20, 21]);
    let before_ms = t.history[&21].at_ms + 1;
    apply(&mut s, &Command::Expire { table: Some("t".into()), before_ms });
    let t = table(&s, "t");
    assert_eq!((t.history.len(), t.retired.len(), t.files.len()), (1, 0, 1), "the newest stays");
    assert!(s.journal.len() > 20);
    let expire = Command::Expire { table: None, before_ms: s.at_ms };
    apply(&mut s, &expire);
    assert_eq!(s.journal.len(), 2);
}

#[test]
fn sketches_are_merged_and_analyze_does_not_narrow_what_it_cannot_know() {
    use datasketches::hll::{HllSketch, HllType};
    let sketch = |values: std::ops::Range<i64>| {
        let mut sketch = HllSketch::new(12, HllType::Hll8).unwrap();
        values.for_each(|value| sketch.update(value));
        bytes::Bytes::from(sketch.serialize())
    };
    let mut s = Snapshot::default();
    apply(&mut s, &create("t", 1));
    for range in [0..1000, 500..1500] {
        let mut insert = change(&s, "t", TableOperation::Insert);
        insert.add = vec![parquet("x", 1000)];
        insert.sketches = vec![ColumnSketch { column: ColumnId(0), sketch: sketch(range), width: Some(4.0) }];
        apply(&mut s, &Command::ChangeTable(insert));
    }
    let column = &table(&s, "t").summary.columns[&ColumnId(0)];
    let distinct = HllSketch::deserialize(column.sketch.as_ref().unwrap()).unwrap().estimate();
    assert!((1400.0..1600.0).contains(&distinct), "{distinct}");
    let broken = ColumnSketch { column: ColumnId(0), sketch: vec![1u8, 2, 3].into(), width: None };
    let insert = change(&s, "t", TableOperation::Insert);
    let insert = TableChange { add: vec![rows(&[1])], sketches: vec![broken], ..insert };
    refused(&s, &Command::ChangeTable(insert), InvalidParameter, &["sketch"]);
    let found =
        ColumnSummary { min: Some(Bound::Int(3)), max: Some(Bound::Int(4)), ..ColumnSummary::default() };
    let histogram = Arc::new(Histogram { bounds: vec![Bound::Int(3), Bound::Int(4)] });
    let found = ColumnSummary { histogram: Some(histogram), ..found };
    let analyze = |id| Command::SetSummary {
        name: "t".into(),
        id,
        columns: vec![(ColumnId(0), found.clone())],
        rows: 2000,
    };
    let id = table(&s, "t").id;
    apply(&mut s, &analyze(id));
    assert_eq!(summary(&s), (2000, Some(Bound::Int(0)), Some(Bound::Int(1000))));
    assert_eq!(table(&s, "t").summary.analyzed, Some((s.at_ms, 2000)));
    let stranger = nyala_schema::id::TableId(77);
    let code: ErrorCode = SerializationFailure;
    refused(&s, &analyze(stranger), code, &["not the one"]);
}

#[test]
fn comments_need_what_they_are_on_and_go_with_it() {
    let mut s = with_rows();
    let on = |target, text: Option<&str>| Command::Comment { target, text: text.map(Into::into) };
    let object = |name: &str| CommentTarget::Object(ObjectKind::Table, name.into());
    apply(&mut s, &on(object("t"), Some("mine")));
    apply(&mut s, &on(CommentTarget::Column("t".into(), "b".into()), Some("second")));
    refused(&s, &on(object("tt"), None), UndefinedTable, &["\"tt\""]);
    refused(&s, &on(CommentTarget::Column("t".into(), "x".into()), None), UndefinedColumn, &["\"x\""]);
    apply(&mut s, &Command::RenameTable { from: "t".into(), to: "u".into() });
    assert_eq!(s.comments[&object("u")].as_ref(), "mine");
    assert_eq!(s.comments.len(), 2);
    apply(&mut s, &drop_table("u"));
    assert!(s.comments.is_empty());
}
