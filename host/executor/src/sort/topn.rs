//! The first rows of an order: each worker keeps a few, and drops what comes after the last of them unseen.

use std::sync::Arc;

use arrow::array::{ArrayRef, UInt32Array};
use arrow::datatypes::DataType;
use nyala_pipeline::state::{SortColumn, SortSpec};
use nyala_schema::Result;

use crate::column::concat::{compact, concat};
use crate::column::size::bytes_of_all;
use crate::column::{Chunk, Indices};
use crate::keep::{Keeper, Kept};
use crate::memory::Reservation;
use crate::sort::keys::{KeyEncoder, SortKeys, Threshold};
use crate::state::{SinkWorker, data_types};

/// Rows beyond the wanted ones that are gathered before the best are picked out again.
const SPARE_ROWS_MIN: usize = 2048;

pub(crate) struct TopNSink {
    fetch: usize,
    types: Vec<DataType>,
    columns: Vec<usize>,
    keys: Vec<SortColumn>,
    /// For each column its batches.
    parts: Vec<Vec<ArrayRef>>,
    rows: usize,
    /// The key of the last row that is wanted as far as is known.
    threshold: Option<Threshold>,
    reservation: Option<Reservation>,
    kept: Arc<Kept>,
}

impl TopNSink {
    pub(crate) fn new(
        spec: &SortSpec,
        fetch: usize,
        columns: &[usize],
        kept: &Arc<Kept>,
        reservation: Reservation,
    ) -> Self {
        Self {
            fetch,
            types: data_types(&spec.types),
            columns: columns.to_vec(),
            keys: spec.keys.clone(),
            parts: vec![Vec::new(); columns.len()],
            rows: 0,
            threshold: None,
            reservation: Some(reservation),
            kept: kept.clone(),
        }
    }

    fn encode(&self, columns: &[ArrayRef], rows: usize) -> Result<SortKeys> {
        let types: Vec<DataType> = columns.iter().map(|column| column.data_type().clone()).collect();
        KeyEncoder::new(&types, &self.keys)?.encode(columns, rows)
    }

    /// Keeps the best rows only.
    fn pick(&mut self) -> Result<()> {
        let columns = self.parts.iter().zip(&self.types).map(|(parts, ty)| concat(parts, ty));
        let columns = columns.collect::<Result<Vec<_>>>()?;
        let key_columns: Vec<ArrayRef> = self.keys.iter().map(|key| columns[key.index].clone()).collect();
        let keys = self.encode(&key_columns, self.rows)?;
        let order = keys.order(self.fetch);
        self.rows = order.len();
        self.threshold = order.last().filter(|_| order.len() == self.fetch).map(|&row| keys.threshold(row));
        let order = UInt32Array::from(order);
        for (parts, column) in self.parts.iter_mut().zip(&columns) {
            *parts = vec![compact(arrow::compute::take(column, &order, None)?, true)?];
        }
        let bytes = self.parts.iter().map(|parts| bytes_of_all(parts)).sum();
        self.reservation.as_mut().map_or(Ok(()), |reservation| reservation.set(bytes))
    }
}

impl SinkWorker for TopNSink {
    fn consume(&mut self, mut chunk: Chunk) -> Result<()> {
        if self.fetch == 0 {
            return Ok(());
        }
        if let Some(threshold) = &self.threshold {
            let positions: Vec<usize> = self.keys.iter().map(|key| self.columns[key.index]).collect();
            let keys = self.encode(&chunk.materialise_all(&positions)?, chunk.rows)?;
            let better = keys.below(threshold);
            if better.is_empty() {
                return Ok(());
            }
            if better.len() < chunk.rows {
                chunk = chunk.select(&Indices::ascending(better))?;
            }
        }
        let arrays = chunk.materialise_all(&self.columns)?;
        if let Some(reservation) = &mut self.reservation {
            reservation.grow(bytes_of_all(&arrays))?;
        }
        self.parts.iter_mut().zip(arrays).for_each(|(parts, array)| parts.push(array));
        self.rows += chunk.rows;
        if self.rows > self.fetch + self.fetch.max(SPARE_ROWS_MIN) {
            self.pick()?;
        }
        Ok(())
    }

    fn finish(&mut self) -> Result<()> {
        let Some(mut reservation) = self.reservation.take() else { return Ok(()) };
        if self.rows == 0 {
            return Ok(());
        }
        self.pick()?;
        reservation.set(0)?;
        let mut keeper = Keeper::new(self.parts.len(), reservation);
        let columns = self.parts.iter_mut().filter_map(Vec::pop).collect();
        keeper.add(columns, self.rows)?;
        self.kept.absorb(keeper)
    }
}
