//! Figures of the catalog on this machine: commits per second, and how soon a large catalog is open.
//! `cargo run -p nyala-catalog -p nyala-features --example figures [folder]`

use std::sync::Arc;
use std::time::Instant;

use arrow::array::{Int64Array, RecordBatch};
use arrow::datatypes::{DataType, Field, Schema};
use nyala_catalog::{Catalog, MemoryStore, SledStore, Snapshot, Store};
use nyala_schema::Result;
use nyala_schema::bound::Bound;
use nyala_schema::command::{Command, Entry, OnConflict};
use nyala_schema::id::{ColumnId, FileId, TableId};
use nyala_schema::managed::*;
use nyala_schema::table::TableDefinition;

const WRITERS: u64 = 32;
const COMMITS_PER_WRITER: u64 = 250;
const TABLES: u64 = 100_000;
const FILES: u64 = 100_000;

fn create(name: String, id: u64) -> Command {
    let column = |id: u32, name: &str, data_type| TableColumn {
        id: ColumnId(id),
        name: name.to_owned(),
        data_type,
        nullable: true,
        default: None,
        initial: None,
    };
    let columns = vec![column(0, "id", DataType::Int64), column(1, "name", DataType::Utf8View)];
    let shape = TableShape { columns, next_column: 2, ..TableShape::default() };
    let table = ManagedTable::new(TableId(id.into()), shape, TableProperties::default());
    Command::CreateTable { name, definition: TableDefinition::Managed(table), on_conflict: OnConflict::Fail }
}

fn insert(snapshot: &Snapshot, name: &str, content: FileContent, rows: u64) -> Option<Command> {
    let table = snapshot.managed(name)?;
    let bound = |value: i128| Some(Bound::Int(value));
    let column = FileColumn { id: ColumnId(0), min: bound(1), max: bound(rows.into()), nulls: 0 };
    let file = DataFile {
        id: FileId(0),
        added_in: 0,
        content,
        rows,
        partition: vec![],
        statistics: FileStatistics::of(&[column]),
        deletions: None,
    };
    Some(Command::ChangeTable(TableChange {
        table: name.to_owned(),
        id: table.id,
        base: table.version,
        operation: TableOperation::Insert,
        add: vec![file],
        remove: vec![],
        delete: vec![],
        requirement: Requirement::Nothing,
        sketches: vec![],
    }))
}

fn one_row() -> Result<FileContent> {
    let schema = Arc::new(Schema::new(vec![Field::new("id", DataType::Int64, true)]));
    let batch = RecordBatch::try_new(schema, vec![Arc::new(Int64Array::from(vec![1]))])?;
    Ok(FileContent::Rows(InlineRows { columns: [ColumnId(0)].into(), batch }))
}

fn commits(what: &str, store: Box<dyn Store>) -> Result<()> {
    let catalog = Catalog::open(store)?;
    catalog.commit(&create("t".into(), 1))?;
    let start = Instant::now();
    let refused: usize = std::thread::scope(|scope| {
        let write = || {
            let write_one = || {
                let command = insert(&catalog.snapshot(), "t", one_row()?, 1);
                command.map_or(Ok(()), |command| catalog.commit(&command).map(|_| ()))
            };
            (0..COMMITS_PER_WRITER).filter(|_| write_one().is_err()).count()
        };
        let threads: Vec<_> = (0..WRITERS).map(|_| scope.spawn(write)).collect();
        threads.into_iter().map(|thread| thread.join().unwrap_or(usize::MAX)).sum()
    });
    let seconds = start.elapsed().as_secs_f64();
    let done = WRITERS * COMMITS_PER_WRITER;
    println!(
        "{what}: {done} commits, {refused} refused, {WRITERS} writers: {:.0} per second",
        done as f64 / seconds
    );
    Ok(())
}

fn apply(snapshot: &Snapshot, command: Command) -> Result<Snapshot> {
    nyala_catalog::apply(snapshot, &Entry { at_ms: 1, command })
}

fn many_tables(folder: &std::path::Path) -> Result<()> {
    let mut snapshot = Snapshot::default();
    let start = Instant::now();
    for n in 0..TABLES {
        snapshot = apply(&snapshot, create(format!("t{n:06}"), n + 1))?;
    }
    println!("{TABLES} tables: {:.1} µs to create one", start.elapsed().as_micros() as f64 / TABLES as f64);
    let store = SledStore::open(folder)?;
    let all = snapshot.parts_since(&Snapshot::default())?;
    store.save_snapshot(None, snapshot.version, &all)?;
    store.checkpoint(snapshot.version, 0, snapshot.parts()?)?;
    drop(store);
    let start = Instant::now();
    let store = SledStore::open(folder)?;
    println!("{TABLES} tables: {} ms to read and verify the store", start.elapsed().as_millis());
    let catalog = Catalog::open(Box::new(store))?;
    println!("{TABLES} tables: {} ms to open the catalog", start.elapsed().as_millis());
    assert_eq!(catalog.snapshot().tables.len() as u64, TABLES);
    let start = Instant::now();
    for _ in 0..100 {
        if let Some(command) = insert(&snapshot, "t000777", one_row()?, 1) {
            snapshot = apply(&snapshot, command)?;
        }
    }
    println!("{TABLES} tables: {} µs to apply an insert", start.elapsed().as_micros() / 100);
    Ok(())
}

fn many_files() -> Result<()> {
    let mut snapshot = apply(&Snapshot::default(), create("t".into(), 1))?;
    for n in 0..FILES {
        let path = format!("{n:032x}.parquet").into();
        let content = FileContent::Parquet { path, size: 1 << 20, row_groups: [100_000].into() };
        if let Some(command) = insert(&snapshot, "t", content, 100_000) {
            snapshot = apply(&snapshot, command)?;
        }
    }
    let start = Instant::now();
    for _ in 0..100 {
        if let Some(command) = insert(&snapshot, "t", one_row()?, 1) {
            let next = apply(&snapshot, command)?;
            snapshot = next;
        }
    }
    println!("{FILES} files: {} µs to apply an insert", start.elapsed().as_micros() / 100);
    let base = snapshot.clone();
    if let Some(command) = insert(&snapshot, "t", one_row()?, 1) {
        snapshot = apply(&snapshot, command)?;
    }
    let start = Instant::now();
    let parts = snapshot.parts_since(&base)?.len();
    println!("{FILES} files: {} µs to find the {parts} parts that differ", start.elapsed().as_micros());
    Ok(())
}

fn main() -> Result<()> {
    let folder = std::env::args().nth(1).map_or_else(std::env::temp_dir, Into::into);
    let folder = folder.join(format!("nyala-figures-{}", std::process::id()));
    commits("memory", Box::new(MemoryStore::default()))?;
    commits("sled", Box::new(SledStore::open(&folder.join("commits"))?))?;
    many_tables(&folder.join("tables"))?;
    many_files()?;
    if let Err(error) = std::fs::remove_dir_all(&folder) {
        println!("{} stays: {error}", folder.display());
    }
    Ok(())
}
