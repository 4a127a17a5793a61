//! Tables that live in the memory of this process.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};

use arrow::array::{Array, ArrayRef, RecordBatch};
use arrow::datatypes::{DataType, SchemaRef};
use nyala_schema::scan::{TableScan, physical_type};
use nyala_schema::statistics::{ColumnStatistics, TableStatistics};
use nyala_schema::{Error, ErrorCode, Result, Value};

use crate::layout::{conform, plain, text_width};
use crate::prune::{self, Bound, Bounds};
use crate::scanner::{Morsel, MorselReader, Scanner};

/// Rows of a morsel, at most: what one worker takes at a time.
const MORSEL_ROWS: usize = 122_880;

#[derive(Default)]
pub struct MemoryTables {
    tables: RwLock<HashMap<String, Arc<MemoryTable>>>,
}

struct MemoryTable {
    version: u64,
    morsels: Vec<Stored>,
    statistics: TableStatistics,
}

/// Columns of one length in their physical types, with the bounds of each.
struct Stored {
    rows: usize,
    columns: Vec<ArrayRef>,
    bounds: Vec<Bounds>,
}

impl MemoryTables {
    pub fn put(&self, name: &str, version: u64, schema: &SchemaRef, batches: &[RecordBatch]) -> Result<()> {
        let table = Arc::new(MemoryTable::new(version, schema, batches)?);
        self.tables.write().unwrap_or_else(PoisonError::into_inner).insert(name.to_owned(), table);
        Ok(())
    }

    pub fn remove(&self, name: &str) {
        self.tables.write().unwrap_or_else(PoisonError::into_inner).remove(name);
    }

    pub fn statistics(&self, name: &str) -> Option<TableStatistics> {
        self.find(name).map(|table| table.statistics.clone())
    }

    pub fn bytes(&self) -> u64 {
        let tables = self.tables.read().unwrap_or_else(PoisonError::into_inner);
        tables.values().filter_map(|table| table.statistics.bytes).sum()
    }

    pub fn open(&self, name: &str, version: u64, scan: &TableScan) -> Result<Box<dyn Scanner>> {
        let table = self.find(name).filter(|table| table.version == version).ok_or_else(|| {
            Error::new(ErrorCode::UndefinedTable, format!("the rows of table '{name}' are gone"))
                .with_hint("the table was dropped or replaced while the query was planned; run it again")
        })?;
        let projection = scan.projection.clone();
        let morsels = table
            .morsels
            .iter()
            .enumerate()
            .filter(|(_, stored)| {
                prune::may_pass(&scan.filters, &|index| match projection.get(index) {
                    Some(&column) => stored.bounds.get(column).cloned().unwrap_or_default(),
                    None => Bounds::default(),
                })
            })
            .map(|(index, stored)| Morsel { index, rows: stored.rows as u64 })
            .collect();
        Ok(Box::new(MemoryScanner { table, projection, morsels }))
    }

    fn find(&self, name: &str) -> Option<Arc<MemoryTable>> {
        self.tables.read().unwrap_or_else(PoisonError::into_inner).get(name).cloned()
    }
}

impl MemoryTable {
    fn new(version: u64, schema: &SchemaRef, batches: &[RecordBatch]) -> Result<Self> {
        let mut morsels = Vec::new();
        for batch in gathered(schema, batches)? {
            let columns: Vec<ArrayRef> = schema
                .fields()
                .iter()
                .zip(batch.columns())
                .map(|(field, column)| conform(Arc::clone(column), &physical_type(field.data_type())))
                .collect::<Result<_>>()?;
            for start in (0..batch.num_rows()).step_by(MORSEL_ROWS) {
                let rows = MORSEL_ROWS.min(batch.num_rows() - start);
                let columns: Vec<ArrayRef> = columns.iter().map(|column| column.slice(start, rows)).collect();
                let bounds = columns.iter().map(bounds_of).collect();
                morsels.push(Stored { rows, columns, bounds });
            }
        }
        let statistics = statistics(schema, &morsels);
        Ok(Self { version, morsels, statistics })
    }
}

/// Small batches joined, so that a morsel is worth its overhead.
fn gathered(schema: &SchemaRef, batches: &[RecordBatch]) -> Result<Vec<RecordBatch>> {
    let mut result = Vec::new();
    let mut pending: Vec<&RecordBatch> = Vec::new();
    let mut pending_rows = 0;
    for batch in batches.iter().filter(|batch| batch.num_rows() > 0) {
        if batch.num_columns() != schema.fields().len() {
            let message =
                format!("a batch has {} columns, its table {}", batch.num_columns(), schema.fields().len());
            return Err(Error::new(ErrorCode::DatatypeMismatch, message));
        }
        pending.push(batch);
        pending_rows += batch.num_rows();
        if pending_rows >= MORSEL_ROWS {
            result.push(joined(schema, &std::mem::take(&mut pending))?);
            pending_rows = 0;
        }
    }
    if !pending.is_empty() {
        result.push(joined(schema, &pending)?);
    }
    Ok(result)
}

fn joined(schema: &SchemaRef, batches: &[&RecordBatch]) -> Result<RecordBatch> {
    if let [only] = batches {
        return Ok((*only).clone());
    }
    let columns: Vec<ArrayRef> = schema
        .fields()
        .iter()
        .enumerate()
        .map(|(index, field)| {
            let physical = physical_type(field.data_type());
            let parts: Vec<ArrayRef> = batches
                .iter()
                .map(|batch| plain(Arc::clone(batch.column(index)), &physical))
                .collect::<Result<_>>()?;
            let parts: Vec<&dyn Array> = parts.iter().map(AsRef::as_ref).collect();
            Ok(arrow::compute::concat(&parts)?)
        })
        .collect::<Result<_>>()?;
    let fields: Vec<arrow::datatypes::Field> = schema
        .fields()
        .iter()
        .zip(&columns)
        .map(|(field, column)| arrow::datatypes::Field::new(field.name(), column.data_type().clone(), true))
        .collect();
    let rows = batches.iter().map(|batch| batch.num_rows()).sum();
    let options = arrow::array::RecordBatchOptions::new().with_row_count(Some(rows));
    let schema = Arc::new(arrow::datatypes::Schema::new(fields));
    Ok(RecordBatch::try_new_with_options(schema, columns, &options)?)
}

fn bounds_of(column: &ArrayRef) -> Bounds {
    let rows = column.len() as u64;
    let nulls = Some(column.logical_null_count() as u64);
    let Some((min, max)) = extremes(column) else { return Bounds { nulls, rows, ..Bounds::default() } };
    let min = prune::bound_of(&min, min.data_type());
    let max = prune::bound_of(&max, max.data_type());
    Bounds { min, max, nulls, rows }
}

/// The least and the greatest value, for types whose order the bounds of a scan know.
fn extremes(column: &ArrayRef) -> Option<(Value, Value)> {
    let known = column.data_type().is_integer()
        || matches!(
            column.data_type(),
            DataType::Date32
                | DataType::Timestamp(..)
                | DataType::Decimal64(..)
                | DataType::Decimal128(..)
                | DataType::Float32
                | DataType::Float64
                | DataType::Utf8View
        );
    if !known || column.len() == column.null_count() {
        return None;
    }
    let order = |descending| arrow::compute::SortOptions { descending, nulls_first: false };
    let least = arrow::compute::sort_to_indices(column, Some(order(false)), Some(1)).ok()?;
    let greatest = arrow::compute::sort_to_indices(column, Some(order(true)), Some(1)).ok()?;
    let value = |indices: &arrow::array::UInt32Array| {
        arrow::compute::take(column, indices, None).ok().filter(|array| array.len() == 1).map(Value::new)
    };
    Some((value(&least)?, value(&greatest)?))
}

fn statistics(schema: &SchemaRef, morsels: &[Stored]) -> TableStatistics {
    let rows: usize = morsels.iter().map(|stored| stored.rows).sum();
    let bytes: usize =
        morsels.iter().flat_map(|stored| &stored.columns).map(|column| column.get_array_memory_size()).sum();
    let columns = schema
        .fields()
        .iter()
        .enumerate()
        .map(|(index, field)| column_statistics(field.data_type(), index, morsels, rows))
        .collect();
    TableStatistics { rows: Some(rows as f64), bytes: Some(bytes as u64), columns }
}

fn column_statistics(
    data_type: &DataType,
    index: usize,
    morsels: &[Stored],
    rows: usize,
) -> ColumnStatistics {
    let of_column = || morsels.iter().map(move |stored| &stored.bounds[index]);
    let nulls: u64 = of_column().filter_map(|bounds| bounds.nulls).sum();
    let min = of_column().filter_map(|b| b.min.clone()).reduce(|a, b| if b < a { b } else { a });
    let max = of_column().filter_map(|b| b.max.clone()).reduce(|a, b| if b > a { b } else { a });
    let not_null = rows as f64 - nulls as f64;
    let distinct = match (&min, &max) {
        (Some(Bound::Int(min)), Some(Bound::Int(max))) => {
            Some(not_null.min((max.saturating_sub(*min)) as f64 + 1.0))
        }
        _ => None,
    };
    let value = |bound: Option<Bound>| {
        bound.and_then(|bound| crate::parquet::statistics::value_of(&bound, data_type))
    };
    ColumnStatistics {
        min: value(min),
        max: value(max),
        nulls: Some(nulls as f64),
        distinct,
        width: morsels.first().and_then(|stored| text_width(stored.columns[index].as_ref())),
        histogram: None,
    }
}

struct MemoryScanner {
    table: Arc<MemoryTable>,
    projection: Vec<usize>,
    morsels: Vec<Morsel>,
}

impl Scanner for MemoryScanner {
    fn morsels(&self) -> &[Morsel] {
        &self.morsels
    }

    fn may_contain(&self, morsel: &Morsel, column: usize, min: i128, max: i128) -> bool {
        let stored = self.table.morsels.get(morsel.index);
        let bounds = stored.zip(self.projection.get(column)).and_then(|(it, &column)| it.bounds.get(column));
        match bounds.map(|bounds| (&bounds.min, &bounds.max)) {
            Some((Some(Bound::Int(low)), Some(Bound::Int(high)))) => *low <= max && min <= *high,
            _ => true,
        }
    }

    fn read(&self, morsel: &Morsel) -> Result<Box<dyn MorselReader>> {
        let stored = self
            .table
            .morsels
            .get(morsel.index)
            .ok_or_else(|| Error::internal(format!("memory table has no morsel {}", morsel.index)))?;
        let columns = self
            .projection
            .iter()
            .map(|&index| stored.columns.get(index).cloned())
            .collect::<Option<Vec<ArrayRef>>>()
            .ok_or_else(|| Error::internal("a scan projects a column that its memory table lacks"))?;
        Ok(Box::new(MemoryReader { columns, rows: stored.rows, start: 0, length: 0 }))
    }

    fn bytes_read(&self) -> u64 {
        0
    }
}

struct MemoryReader {
    columns: Vec<ArrayRef>,
    rows: usize,
    start: usize,
    length: usize,
}

impl MorselReader for MemoryReader {
    fn next_batch(&mut self, rows_max: usize) -> Result<usize> {
        self.start += self.length;
        self.length = rows_max.min(self.rows - self.start);
        Ok(self.length)
    }

    fn column(&mut self, index: usize) -> Result<ArrayRef> {
        Ok(self.columns[index].slice(self.start, self.length))
    }
}
