//! The catalog over both stores: one suite.

use std::sync::Arc;

use arrow::datatypes::{DataType, Field, Schema};
use nyala_catalog::{Catalog, MemoryStore, SledStore, Store};
use nyala_schema::ErrorCode;
use nyala_schema::command::{Command, DropKind, OnConflict};
use nyala_schema::scan::{CsvOptions, FileFormat};
use nyala_schema::table::{ExternalTable, TableDefinition};

fn external(location: &str) -> TableDefinition {
    TableDefinition::External(ExternalTable {
        schema: Arc::new(Schema::new(vec![Field::new("a", DataType::Int64, true)])),
        format: FileFormat::Csv(CsvOptions { null_text: Some("NA".into()), ..CsvOptions::default() }),
        location: location.into(),
        partition_columns: 1,
    })
}

fn view() -> TableDefinition {
    let schema = Arc::new(Schema::new(vec![Field::new("b", DataType::Utf8View, false)]));
    TableDefinition::View {
        sql: "SELECT 'x' AS b".into(),
        columns: Some(vec!["b".into()]),
        schema,
        uses: vec![],
    }
}

fn create(name: &str, definition: TableDefinition, on_conflict: OnConflict) -> Command {
    Command::CreateTable { name: name.into(), definition, on_conflict }
}

fn drop_command(name: &str, kind: DropKind) -> Command {
    Command::DropTable { name: name.into(), if_exists: false, kind }
}

fn suite(store: Box<dyn Store>) -> Catalog {
    let catalog = Catalog::open(store).unwrap();
    let before = catalog.snapshot();
    catalog.commit(&create("t", external("one"), OnConflict::Fail)).unwrap();
    assert!(before.table("t").is_none(), "a snapshot never changes");
    let duplicate = catalog.commit(&create("t", external("two"), OnConflict::Fail)).unwrap_err();
    assert_eq!(duplicate.code(), ErrorCode::DuplicateTable);
    assert_eq!(catalog.snapshot().version, 1, "a refused command leaves no trace");
    catalog.commit(&create("t", external("two"), OnConflict::Keep)).unwrap();
    assert_eq!(**catalog.snapshot().table("t").unwrap(), external("one"));
    catalog.commit(&create("t", external("two"), OnConflict::Replace)).unwrap();
    assert_eq!(**catalog.snapshot().table("t").unwrap(), external("two"));
    catalog.commit(&create("v", view(), OnConflict::Fail)).unwrap();
    let wrong = catalog.commit(&drop_command("v", DropKind::Table)).unwrap_err();
    assert_eq!(wrong.code(), ErrorCode::DatatypeMismatch);
    let unknown = catalog.commit(&drop_command("tt", DropKind::Table)).unwrap_err();
    assert_eq!(unknown.code(), ErrorCode::UndefinedTable);
    catalog
}

#[test]
fn memory_store() {
    suite(Box::new(MemoryStore::default()));
}

#[test]
fn sled_store_survives_restarts() {
    let folder = tempfile::tempdir().unwrap();
    let expected = suite(Box::new(SledStore::open(folder.path()).unwrap())).snapshot();
    let again = Catalog::open(Box::new(SledStore::open(folder.path()).unwrap())).unwrap();
    assert_eq!(*again.snapshot(), *expected);
    for n in 0..100 {
        again.commit(&create(&format!("t{n}"), external("x"), OnConflict::Fail)).unwrap();
    }
    drop(again);
    let reopened = Catalog::open(Box::new(SledStore::open(folder.path()).unwrap())).unwrap();
    assert_eq!(reopened.snapshot().tables.len(), 102);
}

#[test]
fn a_second_process_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let _first = SledStore::open(folder.path()).unwrap();
    let second = SledStore::open(folder.path()).map(|_| ()).unwrap_err();
    assert_eq!(second.code(), ErrorCode::Store);
    assert!(second.hint().is_some(), "{second:?}");
}

#[test]
fn a_damaged_store_is_put_aside_and_rebuilt() {
    let folder = tempfile::tempdir().unwrap();
    let catalog = Catalog::open(Box::new(SledStore::open(folder.path()).unwrap())).unwrap();
    for n in 0..70 {
        catalog.commit(&create(&format!("t{n}"), external("x"), OnConflict::Fail)).unwrap();
    }
    drop(catalog);
    std::fs::write(folder.path().join("catalog.sled/db"), b"not a database").unwrap();
    std::fs::write(folder.path().join("catalog.sled/conf"), b"nor a configuration").unwrap();
    let rebuilt = Catalog::open(Box::new(SledStore::open(folder.path()).unwrap())).unwrap();
    assert_eq!(rebuilt.snapshot().tables.len(), 70, "nothing that was acknowledged is lost");
    assert!(folder.path().join("catalog.sled.damaged-1").exists());
}
