//! Measures opening a scan of a managed table: `open_files [FILES]`, milliseconds with and without a filter.

use std::sync::Arc;
use std::time::Instant;

use arrow::datatypes::DataType;
use nyala_schema::expr::CompareOp;
use nyala_schema::id::{ColumnId, FileId, TableId};
use nyala_schema::managed::{
    DataFile, FileColumn, FileContent, FileList, FileStatistics, TableColumn, TableShape,
};
use nyala_schema::scan::{ManagedScan, ScanColumn, ScanSource, TableScan};
use nyala_schema::{Bound, Expr, Result, Value};
use nyala_storage::Storage;

const REPEATS: usize = 5;
/// As many as TPC-H's lineitem has.
const COLUMNS: u32 = 16;

fn main() -> Result<()> {
    let files = std::env::args().nth(1).and_then(|files| files.parse().ok()).unwrap_or(100_000);
    let columns = (0..COLUMNS).map(|id| TableColumn {
        id: ColumnId(id),
        name: format!("c{id}"),
        data_type: if id % 3 == 2 { DataType::Utf8 } else { DataType::Int64 },
        nullable: true,
        default: None,
        initial: None,
    });
    let shape = TableShape { columns: columns.collect(), ..TableShape::default() };
    let list: FileList = (0..files).map(|id| Arc::new(file(id))).collect();
    let storage = Storage::new();
    let equal = |column: usize, value: Value| Expr::Compare {
        op: CompareOp::Equal,
        left: Box::new(Expr::Column { index: column, data_type: value.data_type().clone(), nullable: true }),
        right: Box::new(Expr::Literal(value)),
    };
    let filters = [
        ("no filter", vec![]),
        ("first column", vec![equal(0, Value::int64(5005))]),
        ("last column", vec![equal(15, Value::int64(5005))]),
        ("text", vec![equal(14, Value::utf8("value 00005005"))]),
    ];
    for (name, filters) in filters {
        let scan = scan(&shape, &list, filters);
        let mut best = f64::MAX;
        let mut morsels = 0;
        for _ in 0..REPEATS {
            let started = Instant::now();
            morsels = storage.open(&scan)?.morsels().len();
            best = best.min(started.elapsed().as_secs_f64());
        }
        println!("{name:14} {files} files, {morsels} morsels: {:.2} ms", best * 1e3);
    }
    Ok(())
}

fn file(id: u64) -> DataFile {
    let column = |column: u32| {
        let bound = |number: u64| match column % 3 {
            2 => Bound::Text(format!("value {number:08}").into_bytes()),
            _ => Bound::Int(i128::from(number)),
        };
        FileColumn {
            id: ColumnId(column),
            min: Some(bound(id * 1000)),
            max: Some(bound(id * 1000 + 999)),
            nulls: 0,
        }
    };
    let columns: Vec<FileColumn> = (0..COLUMNS).map(column).collect();
    DataFile {
        id: FileId(id + 1),
        added_in: 1,
        content: FileContent::Parquet {
            path: format!("{id:032x}.parquet").into(),
            size: 100_000_000,
            row_groups: vec![122_880; 8].into(),
        },
        rows: 8 * 122_880,
        partition: vec![],
        statistics: FileStatistics::of(&columns),
        deletions: None,
    }
}

fn scan(shape: &TableShape, files: &FileList, filters: Vec<Expr>) -> TableScan {
    let columns = shape.columns.iter().map(|column| ScanColumn { id: column.id, initial: None }).collect();
    let managed = ManagedScan { table: TableId(1), columns, files: files.clone(), row_identity: false };
    TableScan {
        table: "t".to_owned(),
        source: ScanSource::Managed(managed),
        table_schema: shape.schema(),
        projection: (0..shape.columns.len()).collect(),
        filters,
        runtime_filters: vec![],
        limit: None,
        statistics: vec![],
    }
}
