//! What the catalog of an engine manages, as a line of JSON: `catalog_speed FOLDER commits SESSIONS`, `files NUMBER` or
//! `tables NUMBER`. The folder must be new. `cargo xtask bench catalog` runs it.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use nyala_catalog::{Catalog, SledStore};
use nyala_node::{Answer, Config, Engine, Error, ErrorCode, Result, Session, default_options};
use nyala_schema::Bound;
use nyala_schema::command::{Command, OnConflict};
use nyala_schema::id::{ColumnId, FileId, TableId};
use nyala_schema::managed::{
    DataFile, FileColumn, FileContent, FileStatistics, ManagedTable, Requirement, TableChange, TableColumn,
    TableOperation, TableProperties, TableShape,
};
use nyala_schema::table::TableDefinition;

const COMMITTING: Duration = Duration::from_secs(5);
/// Files or tables of one commit.
const GROUP: u64 = 1000;
const ROUNDS: usize = 9;

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [folder, what, number] = arguments.as_slice() else { return Err(usage()) };
    let number: u64 = number.parse().map_err(|_| usage())?;
    let folder = Path::new(folder);
    match what.as_str() {
        "commits" => commits(folder, number),
        "files" => files(folder, number),
        "tables" => tables(folder, number),
        _ => Err(usage()),
    }
}

fn usage() -> Error {
    Error::new(ErrorCode::InvalidParameter, "usage: catalog_speed FOLDER commits|files|tables NUMBER")
}

fn engine(folder: &Path) -> Result<Arc<Engine>> {
    let options = default_options();
    Engine::open(Config { data: Some(folder.to_owned()), options, ..Config::default() })
}

fn run(session: &mut Session, sql: &str) -> Result<()> {
    if let Answer::Rows(mut rows) = session.execute(sql)? {
        while rows.next_batch()?.is_some() {}
    }
    Ok(())
}

fn milliseconds(since: Instant) -> f64 {
    since.elapsed().as_secs_f64() * 1e3
}

fn commits(folder: &Path, sessions: u64) -> Result<()> {
    let engine = engine(folder)?;
    run(&mut engine.session(), "CREATE TABLE t (session BIGINT, number BIGINT, note VARCHAR)")?;
    let (is_over, count) = (AtomicBool::new(false), AtomicU64::new(0));
    let started = Instant::now();
    std::thread::scope(|scope| {
        let writers: Vec<_> = (0..sessions)
            .map(|writer| {
                let (engine, is_over, count) = (&engine, &is_over, &count);
                scope.spawn(move || {
                    let mut session = engine.session();
                    for number in 0.. {
                        if is_over.load(Ordering::Relaxed) {
                            break;
                        }
                        run(
                            &mut session,
                            &format!("INSERT INTO t VALUES ({writer}, {number}, 'row {number}')"),
                        )?;
                        count.fetch_add(1, Ordering::Relaxed);
                    }
                    Ok(())
                })
            })
            .collect();
        std::thread::sleep(COMMITTING);
        is_over.store(true, Ordering::Relaxed);
        writers.into_iter().try_for_each(|writer| {
            writer.join().unwrap_or_else(|_| Err(Error::internal("a writer panicked")))
        })
    })?;
    let rate = count.load(Ordering::Relaxed) as f64 / started.elapsed().as_secs_f64();
    println!(r#"{{"commits_per_second": {rate:.0}}}"#);
    Ok(())
}

fn shape() -> TableShape {
    let column = |id, name: &str| TableColumn {
        id: ColumnId(id),
        name: name.to_owned(),
        data_type: arrow::datatypes::DataType::Int64,
        nullable: true,
        default: None,
        initial: None,
    };
    let columns = (1..=10).map(|id| column(id, &format!("c{id}"))).collect();
    TableShape { columns, next_column: 11, ..TableShape::default() }
}

fn create(name: &str, id: u128) -> Command {
    let table = ManagedTable::new(TableId(id), shape(), TableProperties::default());
    let definition = TableDefinition::Managed(table);
    Command::CreateTable { name: name.to_owned(), definition, on_conflict: OnConflict::Fail }
}

/// A file of which only the catalog knows: queries must not come to read it.
fn file(number: u64) -> DataFile {
    let column = |id| FileColumn {
        id: ColumnId(id),
        min: Some(Bound::Int(i128::from(number) * 1000)),
        max: Some(Bound::Int(i128::from(number) * 1000 + 999)),
        nulls: 0,
    };
    DataFile {
        id: FileId(0),
        added_in: 0,
        content: FileContent::Parquet {
            path: format!("{number:08}.parquet").into(),
            size: 1 << 20,
            row_groups: [100_000].into(),
        },
        rows: 100_000,
        partition: Vec::new(),
        statistics: FileStatistics::of(&(1..=10).map(column).collect::<Vec<_>>()),
        deletions: None,
    }
}

fn change(first: u64, files: u64) -> Command {
    Command::ChangeTable(TableChange {
        table: "t".into(),
        id: TableId(1),
        base: 1,
        operation: TableOperation::Insert,
        add: (first..first + files).map(file).collect(),
        remove: Vec::new(),
        delete: Vec::new(),
        requirement: Requirement::Nothing,
        sketches: Vec::new(),
    })
}

fn files(folder: &Path, number: u64) -> Result<()> {
    let catalog = Catalog::open(Box::new(SledStore::open(folder)?))?;
    catalog.commit(&create("t", 1))?;
    for first in (0..number).step_by(GROUP as usize) {
        catalog.commit(&change(first, GROUP.min(number - first)))?;
    }
    let commits = (0..ROUNDS).map(|round| {
        let started = Instant::now();
        catalog.commit(&change(number + round as u64, 1))?;
        Ok(milliseconds(started))
    });
    let commit_ms = median(commits.collect::<Result<_>>()?);
    drop(catalog);
    let mut session = engine(folder)?.session();
    let plans = (0..ROUNDS).map(|_| {
        let started = Instant::now();
        run(&mut session, "SELECT sum(c2) FROM t WHERE c1 < 0")?;
        Ok(milliseconds(started))
    });
    let plan_ms = median(plans.collect::<Result<_>>()?);
    println!(r#"{{"plan_ms": {plan_ms:.3}, "commit_ms": {commit_ms:.3}}}"#);
    Ok(())
}

fn tables(folder: &Path, number: u64) -> Result<()> {
    let catalog = Catalog::open(Box::new(SledStore::open(folder)?))?;
    for first in (0..number).step_by(GROUP as usize) {
        let commands =
            (first..number.min(first + GROUP)).map(|n| create(&format!("table_{n}"), u128::from(n)));
        catalog.commit(&Command::Transaction { reads: Vec::new(), commands: commands.collect() })?;
    }
    drop(catalog);
    let started = Instant::now();
    let engine = engine(folder)?;
    let open_ms = milliseconds(started);
    run(&mut engine.session(), &format!("SELECT count(*) FROM table_{}", number - 1))?;
    println!(r#"{{"open_ms": {open_ms:.1}, "bytes": {}}}"#, bytes_below(folder));
    Ok(())
}

fn bytes_below(folder: &Path) -> u64 {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    entries
        .map(|entry| match entry.metadata() {
            Ok(metadata) if metadata.is_dir() => bytes_below(&entry.path()),
            Ok(metadata) => metadata.len(),
            Err(_) => 0,
        })
        .sum()
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}
