//! TPC-H: every row group is generated and encoded by one thread, and written in order.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Condvar, Mutex, PoisonError};

use arrow::datatypes::SchemaRef;
use arrow::record_batch::RecordBatchReader;
use nyala_schema::{Error, Result};
use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_writer::{ArrowColumnChunk, ArrowRowGroupWriterFactory, compute_leaves};
use tpchgen::generators as rows;
use tpchgen_arrow as columns;

use crate::sink::{
    AtomicFile, ParquetCompression, ROW_GROUP_ROWS, parquet_write_error, parquet_writer_options,
};

use super::{GeneratedTable, Progress, path_of};

pub const TABLES: &[&str] =
    &["region", "nation", "supplier", "customer", "part", "partsupp", "orders", "lineitem"];

/// Row groups that may wait to be written, beside those in work.
const WAITING_MAX: usize = 4;
/// Lines of an order, on average; a little more, so that parts stay below a row group.
const LINES_PER_ORDER: f64 = 4.06;

type Batches = Box<dyn RecordBatchReader>;

pub fn generate(
    scale: f64,
    directory: &Path,
    threads: usize,
    progress: &dyn Fn(Progress),
) -> Result<Vec<GeneratedTable>> {
    TABLES.iter().map(|table| write_table(table, scale, directory, threads, progress)).collect()
}

/// Rows of a table, about.
fn expected_rows(table: &str, scale: f64) -> f64 {
    match table {
        "region" => 5.0,
        "nation" => 25.0,
        "supplier" => 10_000.0 * scale,
        "customer" => 150_000.0 * scale,
        "part" => 200_000.0 * scale,
        "partsupp" => 800_000.0 * scale,
        "orders" => 1_500_000.0 * scale,
        _ => 1_500_000.0 * scale * LINES_PER_ORDER,
    }
}

fn batches(table: &str, scale: f64, part: usize, parts: usize) -> Batches {
    let (part, parts) = (part as i32 + 1, parts as i32);
    macro_rules! source {
        ($columns:ident, $rows:ident) => {
            Box::new(columns::$columns::new(rows::$rows::new(scale, part, parts)))
        };
    }
    match table {
        "region" => source!(RegionArrow, RegionGenerator),
        "nation" => source!(NationArrow, NationGenerator),
        "supplier" => source!(SupplierArrow, SupplierGenerator),
        "customer" => source!(CustomerArrow, CustomerGenerator),
        "part" => source!(PartArrow, PartGenerator),
        "partsupp" => source!(PartSuppArrow, PartSuppGenerator),
        "orders" => source!(OrderArrow, OrderGenerator),
        _ => source!(LineItemArrow, LineItemGenerator),
    }
}

/// Row groups between the threads that make them and the one that writes them.
struct Exchange {
    done: Mutex<BTreeMap<usize, Result<RowGroup>>>,
    changed: Condvar,
    next: AtomicUsize,
    written: AtomicUsize,
    stopped: AtomicBool,
}

struct RowGroup {
    chunks: Vec<ArrowColumnChunk>,
    rows: u64,
}

fn write_table(
    table: &'static str,
    scale: f64,
    directory: &Path,
    threads: usize,
    progress: &dyn Fn(Progress),
) -> Result<GeneratedTable> {
    let path = path_of(directory, table);
    let schema = batches(table, scale, 0, 1).schema();
    let parts = (expected_rows(table, scale) / ROW_GROUP_ROWS as f64).ceil().max(1.0) as usize;
    let file = AtomicFile::create(&path)?;
    let options = parquet_writer_options(&schema, ParquetCompression::Snappy);
    let failed = |error| parquet_write_error(&path, error);
    let writer = ArrowWriter::try_new_with_options(file, schema.clone(), options).map_err(failed)?;
    let (mut writer, factory) = writer.into_serialized_writer().map_err(failed)?;
    let exchange = Exchange {
        done: Mutex::default(),
        changed: Condvar::new(),
        next: AtomicUsize::new(0),
        written: AtomicUsize::new(0),
        stopped: AtomicBool::new(false),
    };
    let mut rows = 0;
    let result = std::thread::scope(|scope| {
        for _ in 0..threads.min(parts) {
            scope.spawn(|| exchange.work(table, scale, parts, &schema, &factory));
        }
        let written: Result<()> = (0..parts).try_for_each(|part| {
            let group = exchange.take(part)?;
            let mut target = writer.next_row_group().map_err(failed)?;
            for chunk in group.chunks {
                chunk.append_to_row_group(&mut target).map_err(failed)?;
            }
            target.close().map_err(failed)?;
            rows += group.rows;
            progress(Progress { table, rows, finished: false });
            Ok(())
        });
        exchange.stop();
        written
    });
    result?;
    let bytes = writer.into_inner().map_err(failed)?.commit()?;
    progress(Progress { table, rows, finished: true });
    Ok(GeneratedTable { table, path, rows, bytes })
}

impl Exchange {
    fn work(
        &self,
        table: &'static str,
        scale: f64,
        parts: usize,
        schema: &SchemaRef,
        factory: &ArrowRowGroupWriterFactory,
    ) {
        loop {
            let part = self.next.fetch_add(1, Ordering::Relaxed);
            if part >= parts || !self.wait_for_room(part) {
                return;
            }
            let group = encode(batches(table, scale, part, parts), part, schema, factory);
            self.done.lock().unwrap_or_else(PoisonError::into_inner).insert(part, group);
            self.changed.notify_all();
        }
    }

    /// Waits until few enough row groups are finished and not written; `false` when nobody wants more.
    fn wait_for_room(&self, part: usize) -> bool {
        let mut done = self.done.lock().unwrap_or_else(PoisonError::into_inner);
        while part > self.written.load(Ordering::Relaxed) + WAITING_MAX
            && !self.stopped.load(Ordering::Relaxed)
        {
            done = self.changed.wait(done).unwrap_or_else(PoisonError::into_inner);
        }
        !self.stopped.load(Ordering::Relaxed)
    }

    fn take(&self, part: usize) -> Result<RowGroup> {
        let mut done = self.done.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            if let Some(group) = done.remove(&part) {
                self.written.store(part + 1, Ordering::Relaxed);
                self.changed.notify_all();
                return group;
            }
            done = self.changed.wait(done).unwrap_or_else(PoisonError::into_inner);
        }
    }

    fn stop(&self) {
        let _done = self.done.lock().unwrap_or_else(PoisonError::into_inner);
        self.stopped.store(true, Ordering::Relaxed);
        self.changed.notify_all();
    }
}

fn encode(
    batches: Batches,
    part: usize,
    schema: &SchemaRef,
    factory: &ArrowRowGroupWriterFactory,
) -> Result<RowGroup> {
    let failed = |error| Error::internal(format!("cannot encode a row group: {error}"));
    let mut writers = factory.create_column_writers(part).map_err(failed)?;
    let mut rows = 0;
    for batch in batches {
        let batch = batch?;
        rows += batch.num_rows() as u64;
        let mut writer = writers.iter_mut();
        for (field, column) in schema.fields().iter().zip(batch.columns()) {
            for leaf in compute_leaves(field, column).map_err(failed)? {
                let writer = writer.next().ok_or_else(|| Error::internal("a column has no writer"))?;
                writer.write(&leaf).map_err(failed)?;
            }
        }
    }
    let chunks = writers.into_iter().map(|writer| writer.close().map_err(failed)).collect::<Result<_>>()?;
    Ok(RowGroup { chunks, rows })
}
