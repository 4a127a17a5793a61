//! Operators without inputs.

use arrow::array::{RecordBatch, RecordBatchOptions};
use nyala_schema::lookup::TableContent;
use nyala_schema::operator::OperatorKind;
use nyala_schema::scan::{RuntimeFilterUse, TableScan};
use nyala_schema::statistics::ColumnStatistics;
use nyala_schema::{Error, Result};

use super::{Emitted, Emitter, Incoming, Unneeded};
use crate::column::{ColumnId, ColumnSet};
use crate::relation::Scan;

impl Emitter<'_> {
    pub(super) fn leaf(&self, kind: OperatorKind, columns: Vec<ColumnId>, rows: f64) -> Emitted {
        let fields = columns.iter().map(|&id| self.columns.field(id, self.columns.get(id).nullable));
        Emitted::new(kind, vec![], fields.collect(), columns, rows)
    }

    /// The needed columns first, then those that only filters read.
    pub(super) fn scan(
        &self,
        scan: &Scan,
        needed: &ColumnSet,
        incoming: &[Incoming],
        rows: f64,
    ) -> Result<Emitted> {
        let TableContent::Data { source, statistics } = &scan.table.content else {
            return Err(Error::internal(format!("the view {} in a scan", scan.table.name)));
        };
        let mut filtered = ColumnSet::default();
        scan.filters.iter().for_each(|filter| filtered.insert_used(filter));
        let is_needed = |&&(id, _): &&(ColumnId, usize)| needed.contains(id);
        let is_filtered = |&&(id, _): &&(ColumnId, usize)| !needed.contains(id) && filtered.contains(id);
        let read = scan.columns.iter().filter(is_needed).chain(scan.columns.iter().filter(is_filtered));
        let (columns, projection): (Vec<ColumnId>, Vec<usize>) = read.copied().unzip();
        let uses = incoming.iter().filter_map(|incoming| {
            let column = columns.iter().position(|id| *id == incoming.column)?;
            Some(RuntimeFilterUse { filter: incoming.filter, column })
        });
        let known = projection.iter().map(|&position| match statistics.columns.get(position) {
            // What scans need of them are bounds and counts; the way through several nodes is still to be found.
            Some(known) if self.unneeded == Unneeded::Stays => {
                ColumnStatistics { histogram: None, ..known.clone() }
            }
            Some(known) => known.clone(),
            None => ColumnStatistics::default(),
        });
        let kind = TableScan {
            table: scan.table.name.clone(),
            source: source.clone(),
            table_schema: scan.table.schema.clone(),
            projection: projection.clone(),
            filters: vec![],
            runtime_filters: uses.collect(),
            limit: scan.limit,
            statistics: known.collect(),
        };
        let mut emitted = self.leaf(OperatorKind::Scan(kind), columns, rows);
        let filters = emitted.layout().exprs(&scan.filters)?;
        if let OperatorKind::Scan(kind) = &mut emitted.operator.kind {
            kind.filters = filters;
        }
        Ok(emitted)
    }

    pub(super) fn values(
        &self,
        columns: &[ColumnId],
        batch: &RecordBatch,
        needed: &ColumnSet,
        rows: f64,
    ) -> Result<Emitted> {
        let kept: Vec<usize> = (0..columns.len()).filter(|&index| needed.contains(columns[index])).collect();
        let schema = batch.schema().project(&kept)?;
        let arrays = kept.iter().map(|&index| batch.column(index).clone()).collect();
        let options = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
        let batch = RecordBatch::try_new_with_options(schema.into(), arrays, &options)?;
        let kept_columns = kept.iter().map(|&index| columns[index]).collect();
        let fields = batch.schema().fields().iter().map(|field| field.as_ref().clone()).collect();
        Ok(Emitted::new(OperatorKind::Values(batch), vec![], fields, kept_columns, rows))
    }
}
