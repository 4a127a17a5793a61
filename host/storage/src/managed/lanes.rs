//! The rows of each partition, until there are enough of them for a file.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use arrow::array::{ArrayRef, RecordBatch, UInt32Array};
use arrow::compute::{concat_batches, take};
use arrow_row::{RowConverter, SortField};
use nyala_schema::managed::TableShape;
use nyala_schema::{Result, Value};

use super::partition::partition_values;
use super::run::gathered;
use super::target::{compact_batch, row_bytes};

/// Rows of one partition.
#[derive(Default)]
pub struct Lane {
    pub partition: Vec<Value>,
    pub batches: Vec<RecordBatch>,
    pub rows: usize,
    pub bytes: usize,
}

/// All partitions; one when the table has no PARTITIONED BY.
pub struct Lanes {
    converter: Option<RowConverter>,
    lanes: HashMap<Box<[u8]>, Lane>,
    bytes: usize,
}

impl Lanes {
    /// # Errors
    /// DatatypeMismatch for a transform that a column does not have.
    pub fn new(shape: &TableShape) -> Result<Self> {
        let fields = shape.partition_by.iter().filter_map(|field| {
            let column = shape.column_by_id(field.column)?;
            Some(SortField::new(field.transform.result_type(&column.data_type)))
        });
        let fields: Vec<SortField> = fields.collect();
        let converter = if fields.is_empty() { None } else { Some(RowConverter::new(fields)?) };
        Ok(Self { converter, lanes: HashMap::new(), bytes: 0 })
    }

    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// Of the lane that has most.
    pub fn largest_bytes(&self) -> usize {
        self.lanes.values().map(|lane| lane.bytes).max().unwrap_or(0)
    }

    /// Puts the rows of some batches into their partitions.
    ///
    /// # Errors
    /// As [`partition_values`].
    pub fn add(&mut self, shape: &TableShape, batches: Vec<RecordBatch>) -> Result<()> {
        let Some(converter) = &self.converter else {
            let lane = self.lanes.entry(Box::default()).or_default();
            batches.into_iter().for_each(|batch| self.bytes += lane.push(batch));
            return Ok(());
        };
        // Places of the rows of each partition, in the order in which partitions come.
        let mut shares: Vec<Vec<(u32, u32)>> = Vec::new();
        let mut share_of: HashMap<Box<[u8]>, usize> = HashMap::new();
        let mut values: Vec<Vec<ArrayRef>> = Vec::new();
        for (at, batch) in batches.iter().enumerate() {
            let of_batch = partition_values(shape, batch)?;
            let keys = converter.convert_columns(&of_batch)?;
            let mut last: Option<(usize, usize)> = None;
            for (row, key) in keys.iter().enumerate() {
                let as_last = last.filter(|(before, _)| keys.row(*before) == key);
                let share = as_last.map(|(_, share)| share).or_else(|| share_of.get(key.as_ref()).copied());
                let share = share.unwrap_or_else(|| {
                    share_of.insert(key.as_ref().into(), shares.len());
                    shares.push(Vec::new());
                    shares.len() - 1
                });
                shares[share].push((at as u32, row as u32));
                last = Some((row, share));
            }
            values.push(of_batch);
        }
        for (key, share) in share_of {
            let places = &shares[share];
            let (batch, row) = places[0];
            let lane = match self.lanes.entry(key) {
                Entry::Occupied(lane) => lane.into_mut(),
                Entry::Vacant(place) => {
                    let partition = partition_at(&values[batch as usize], row)?;
                    place.insert(Lane { partition, ..Lane::default() })
                }
            };
            self.bytes += lane.push(rows_at(&batches, places)?);
            self.bytes -= lane.merge_small()?;
        }
        Ok(())
    }

    /// Takes the lane with the most bytes; `None` when there is none.
    pub fn take_largest(&mut self) -> Option<Lane> {
        let (key, _) = self.lanes.iter().max_by_key(|(_, lane)| lane.bytes)?;
        let key = key.clone();
        let lane = self.lanes.remove(&key)?;
        self.bytes -= lane.bytes;
        Some(lane)
    }

    /// Takes what is left, partition after partition.
    pub fn take_all(&mut self) -> Vec<Lane> {
        self.bytes = 0;
        let mut lanes: Vec<_> = self.lanes.drain().collect();
        lanes.sort_by(|a, b| a.0.cmp(&b.0));
        lanes.into_iter().map(|(_, lane)| lane).collect()
    }
}

impl Lane {
    /// Gives the bytes that came.
    fn push(&mut self, batch: RecordBatch) -> usize {
        let bytes = row_bytes(&batch);
        self.rows += batch.num_rows();
        self.bytes += bytes;
        self.batches.push(batch);
        bytes
    }

    /// Makes one batch of the last ones when all are small: their arrays would cost more than their rows. Gives the
    /// bytes that went.
    fn merge_small(&mut self) -> Result<usize> {
        const BATCHES: usize = 16;
        const SMALL_ROWS: usize = 1024;
        let Some(start) = self.batches.len().checked_sub(BATCHES) else { return Ok(0) };
        if self.batches[start..].iter().any(|batch| batch.num_rows() > SMALL_ROWS) {
            return Ok(0);
        }
        let small = self.batches.split_off(start);
        let merged = compact_batch(&concat_batches(&small[0].schema(), &small)?)?;
        let before: usize = small.iter().map(row_bytes).sum();
        let freed = before.saturating_sub(row_bytes(&merged));
        self.bytes -= freed;
        self.batches.push(merged);
        Ok(freed)
    }
}

/// Values of one row, without the arrays that they are in: they stay as long as the table.
fn partition_at(arrays: &[ArrayRef], row: u32) -> Result<Vec<Value>> {
    let row = UInt32Array::from(vec![row]);
    arrays.iter().map(|array| Ok(Value::new(take(array, &row, None)?))).collect()
}

/// Some rows of some batches as one, without the buffers of the others.
pub fn rows_at(batches: &[RecordBatch], places: &[(u32, u32)]) -> Result<RecordBatch> {
    let schema = batches[0].schema();
    let columns: Vec<ArrayRef> =
        (0..schema.fields().len()).map(|at| gathered(batches, at, places)).collect::<Result<_>>()?;
    compact_batch(&RecordBatch::try_new(schema, columns)?)
}
