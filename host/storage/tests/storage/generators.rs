//! The benchmarks' data at small scales.

use nyala_storage::Storage;
use nyala_storage::generate::{Benchmark, generate, table_names};

#[test]
fn tpch_has_all_tables_with_the_right_rows() {
    let directory = tempfile::tempdir().unwrap();
    let reported = std::cell::Cell::new(0);
    let tables = generate(Benchmark::Tpch, 0.01, directory.path(), &|progress| {
        reported.set(reported.get() + usize::from(progress.finished));
    })
    .unwrap();
    assert_eq!(reported.get(), 8);
    let rows: Vec<(&str, u64)> = tables.iter().map(|table| (table.table, table.rows)).collect();
    assert!(rows.contains(&("lineitem", 60_175)) && rows.contains(&("orders", 15_000)), "{rows:?}");
    let storage = Storage::new();
    let files = storage.resolve(&tables.last().unwrap().path, None, None, &[]).unwrap();
    assert_eq!(files.statistics.rows, Some(60_175.0));
    assert_eq!(files.schema.field(0).name(), "l_orderkey");
}

#[test]
fn tpcds_has_all_tables() {
    let directory = tempfile::tempdir().unwrap();
    let tables = generate(Benchmark::Tpcds, 0.01, directory.path(), &|_| {}).unwrap();
    assert_eq!(tables.len(), table_names(Benchmark::Tpcds).len());
    assert!(tables.iter().all(|table| table.rows > 0), "{tables:?}");
    assert!(generate(Benchmark::Tpcds, -1.0, directory.path(), &|_| {}).is_err());
}
