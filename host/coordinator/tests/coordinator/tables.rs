//! Tables in memory, the same on every node.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use arrow::array::{ArrayRef, Int64Array};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use nyala_executor::Scans;
use nyala_schema::option::Options;
use nyala_schema::scan::TableScan;
use nyala_schema::{Error, ErrorCode, Result};
use nyala_storage::{Morsel, MorselReader, Scanner};

pub const MORSEL_ROWS: usize = 100;

/// A table `name` of `rows` rows: `k` counts from 0, `v` is `k % 7`.
#[derive(Default)]
pub struct Tables {
    rows: HashMap<String, usize>,
    /// Which node has read which morsel, in order.
    pub reads: Mutex<Vec<(u64, String, usize)>>,
    /// Tables that cannot be read.
    pub broken: Mutex<Vec<String>>,
}

pub fn schema() -> SchemaRef {
    Arc::new(Schema::new(vec![
        Field::new("k", DataType::Int64, true),
        Field::new("v", DataType::Int64, true),
    ]))
}

impl Tables {
    pub fn new(tables: &[(&str, usize)]) -> Arc<Self> {
        let rows = tables.iter().map(|(name, rows)| ((*name).to_owned(), *rows)).collect();
        Arc::new(Self { rows, ..Self::default() })
    }

    pub fn reads_of(&self, node: u64) -> usize {
        self.reads.lock().unwrap().iter().filter(|(reader, _, _)| *reader == node).count()
    }
}

/// How one node reads them.
pub struct NodeScans {
    pub node: u64,
    pub tables: Arc<Tables>,
    /// What a morsel takes it, milliseconds; for executors with threads.
    pub pace_ms: Arc<AtomicU64>,
}

impl Scans for NodeScans {
    fn open(&self, scan: &TableScan, _: &Options) -> Result<Box<dyn Scanner>> {
        let rows = *self.tables.rows.get(&scan.table).ok_or_else(|| {
            Error::new(ErrorCode::UndefinedTable, format!("there is no table {}", scan.table))
        })?;
        let morsels = (0..rows.div_ceil(MORSEL_ROWS))
            .map(|index| Morsel { index, rows: MORSEL_ROWS.min(rows - index * MORSEL_ROWS) as u64 });
        Ok(Box::new(MemoryScanner {
            node: self.node,
            table: scan.table.clone(),
            projection: scan.projection.clone(),
            morsels: morsels.collect(),
            tables: self.tables.clone(),
            pace_ms: self.pace_ms.clone(),
        }))
    }
}

struct MemoryScanner {
    node: u64,
    table: String,
    projection: Vec<usize>,
    morsels: Vec<Morsel>,
    tables: Arc<Tables>,
    pace_ms: Arc<AtomicU64>,
}

impl Scanner for MemoryScanner {
    fn morsels(&self) -> &[Morsel] {
        &self.morsels
    }

    fn may_contain(&self, morsel: &Morsel, column: usize, min: i128, max: i128) -> bool {
        let first = (morsel.index * MORSEL_ROWS) as i128;
        let last = first + i128::from(morsel.rows) - 1;
        self.projection[column] != 0 || (first <= max && last >= min)
    }

    fn read(&self, morsel: &Morsel) -> Result<Box<dyn MorselReader>> {
        if self.tables.broken.lock().unwrap().contains(&self.table) {
            return Err(Error::new(ErrorCode::CorruptFile, format!("{} is damaged", self.table)));
        }
        std::thread::sleep(Duration::from_millis(self.pace_ms.load(Ordering::Relaxed)));
        self.tables.reads.lock().unwrap().push((self.node, self.table.clone(), morsel.index));
        let first = (morsel.index * MORSEL_ROWS) as i64;
        let rows = first..first + morsel.rows as i64;
        let columns = self.projection.iter().map(|column| -> ArrayRef {
            let value = |k: i64| if *column == 0 { k } else { k % 7 };
            Arc::new(Int64Array::from_iter_values(rows.clone().map(value)))
        });
        Ok(Box::new(MemoryReader {
            columns: columns.collect(),
            rows: morsel.rows as usize,
            next: 0,
            batch: 0..0,
        }))
    }

    fn bytes_read(&self) -> u64 {
        0
    }
}

struct MemoryReader {
    columns: Vec<ArrayRef>,
    rows: usize,
    next: usize,
    batch: std::ops::Range<usize>,
}

impl MorselReader for MemoryReader {
    fn next_batch(&mut self, rows_max: usize) -> Result<usize> {
        let end = self.rows.min(self.next + rows_max);
        self.batch = self.next..end;
        self.next = end;
        Ok(self.batch.len())
    }

    fn column(&mut self, index: usize) -> Result<ArrayRef> {
        Ok(self.columns[index].slice(self.batch.start, self.batch.len()))
    }
}
