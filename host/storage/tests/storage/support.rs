//! What the tests of this crate share: scans over files, and random data.

use arrow::array::{Array, ArrayRef, RecordBatch};
use arrow::compute::{cast, concat};
use nyala_schema::scan::{TableScan, physical_type};
use nyala_schema::{Expr, Result};
use nyala_storage::{ResolvedFiles, Storage};

/// A generator of numbers that is the same on every run.
pub struct Random(u64);

impl Random {
    pub fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    pub fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    pub fn below(&mut self, bound: usize) -> usize {
        (self.next() % bound as u64) as usize
    }

    pub fn chance(&mut self, percent: usize) -> bool {
        self.below(100) < percent
    }
}

pub fn scan_of(files: &ResolvedFiles, projection: Vec<usize>, filters: Vec<Expr>) -> TableScan {
    TableScan {
        table: "t".to_owned(),
        source: files.source.clone(),
        table_schema: files.schema.clone(),
        projection,
        filters,
        runtime_filters: vec![],
        limit: None,
        statistics: vec![],
    }
}

/// All rows of all columns, dictionaries expanded.
pub fn read_all(storage: &Storage, files: &ResolvedFiles, rows_max: usize) -> Result<Vec<ArrayRef>> {
    read_scan(storage, &scan_of(files, (0..files.schema.fields().len()).collect(), vec![]), rows_max)
}

pub fn read_scan(storage: &Storage, scan: &TableScan, rows_max: usize) -> Result<Vec<ArrayRef>> {
    let scanner = storage.open(scan)?;
    let mut parts: Vec<Vec<ArrayRef>> = vec![Vec::new(); scan.projection.len()];
    for morsel in scanner.morsels() {
        let mut reader = scanner.read(morsel)?;
        loop {
            let rows = reader.next_batch(rows_max)?;
            if rows == 0 {
                break;
            }
            for (index, part) in parts.iter_mut().enumerate() {
                let column = reader.column(index)?;
                assert_eq!(column.len(), rows);
                part.push(plain(&column, scan, index));
            }
        }
    }
    Ok(joined(parts, scan))
}

/// A column without its dictionary, after a check of its type.
pub fn plain(column: &ArrayRef, scan: &TableScan, index: usize) -> ArrayRef {
    let wanted = physical_type(scan.table_schema.field(scan.projection[index]).data_type());
    if column.data_type() == &wanted {
        return column.clone();
    }
    let text = column.data_type().to_string();
    assert!(text.starts_with("Dictionary(UInt") && text.ends_with("Utf8View)"), "{text} instead of {wanted}");
    cast(column, &wanted).unwrap()
}

pub fn joined(parts: Vec<Vec<ArrayRef>>, scan: &TableScan) -> Vec<ArrayRef> {
    parts
        .into_iter()
        .enumerate()
        .map(|(index, parts)| {
            let parts: Vec<&dyn Array> = parts.iter().map(AsRef::as_ref).collect();
            if parts.is_empty() {
                let field = scan.table_schema.field(scan.projection[index]);
                return arrow::array::new_empty_array(&physical_type(field.data_type()));
            }
            concat(&parts).unwrap()
        })
        .collect()
}

/// The columns of batches in the types in which a scan gives them.
pub fn physical(batch: &RecordBatch) -> Vec<ArrayRef> {
    batch
        .columns()
        .iter()
        .map(|column| {
            let wanted = physical_type(&logical(column));
            cast(column, &wanted).unwrap()
        })
        .collect()
}

fn logical(column: &ArrayRef) -> arrow::datatypes::DataType {
    use arrow::datatypes::{DataType, TimeUnit};
    match column.data_type() {
        DataType::Timestamp(TimeUnit::Second, zone) => {
            DataType::Timestamp(TimeUnit::Millisecond, zone.clone())
        }
        other => other.clone(),
    }
}
