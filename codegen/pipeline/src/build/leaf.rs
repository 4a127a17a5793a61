//! Sources: scans, constant rows, series, rows from other fragments.

use arrow::array::{RecordBatch, RecordBatchOptions};
use arrow::datatypes::{Field, Schema};
use nyala_schema::id::FragmentId;
use nyala_schema::operator::{OperatorKind, SortKey};
use nyala_schema::scan::{TableScan, physical_type};
use nyala_schema::{Error, Expr, Result};
use std::sync::Arc;

use super::sort::key_columns;
use super::stream::Stream;
use super::{Builder, Consume, Node};
use crate::lower::Lowering;
use crate::pipeline::{Compute, Source};

impl Builder {
    pub(super) fn scan<'a>(
        &mut self,
        node: &'a Node<'a>,
        scan: &TableScan,
        consume: Consume<'_, 'a>,
    ) -> Result<()> {
        let filter = scan_filter(node, scan)?;
        let source = Source::Scan { operator: node.operator.id, scan: scan.clone(), filter };
        consume(self, Stream::new(source, node, 0..node.columns.len()))
    }

    pub(super) fn values<'a>(
        &mut self,
        node: &'a Node<'a>,
        batch: &RecordBatch,
        consume: Consume<'_, 'a>,
    ) -> Result<()> {
        let source = Source::Values { operator: node.operator.id, batch: physical_batch(batch)? };
        consume(self, Stream::new(source, node, 0..node.columns.len()))
    }

    pub(super) fn series<'a>(&mut self, node: &'a Node<'a>, consume: Consume<'_, 'a>) -> Result<()> {
        let OperatorKind::Series { start, stop, step, inclusive } = &node.operator.kind else {
            return Err(Error::internal("not a series"));
        };
        let data_type = node.operator.schema.field(0).data_type();
        let source = Source::Series {
            operator: node.operator.id,
            start: start.cast(data_type)?,
            stop: stop.cast(data_type)?,
            step: step.clone(),
            inclusive: *inclusive,
        };
        consume(self, Stream::new(source, node, 0..node.columns.len()))
    }

    pub(super) fn receive<'a>(
        &mut self,
        node: &'a Node<'a>,
        from: FragmentId,
        order: &[SortKey],
        consume: Consume<'_, 'a>,
    ) -> Result<()> {
        let types = node.columns.iter().map(|column| column.ty.clone()).collect();
        let order = key_columns(order, |key| match key {
            Expr::Column { index, .. } => Ok(*index),
            other => Err(Error::internal(format!("rows are merged by {other}, which is no column"))),
        })?;
        let ordered = !order.is_empty();
        let source = Source::Receive { operator: node.operator.id, from, types, order };
        let mut stream = Stream::new(source, node, 0..node.columns.len());
        stream.ordered = ordered;
        consume(self, stream)
    }
}

fn scan_filter(node: &Node<'_>, scan: &TableScan) -> Result<Option<Compute>> {
    let Some(predicate) = Expr::and_all(scan.filters.iter().cloned()) else { return Ok(None) };
    let base: Vec<Option<usize>> = (0..node.columns.len()).map(Some).collect();
    let mut lowering = Lowering::new(&node.columns, &base, &[]);
    lowering.filter(&predicate, 0)?;
    let finished = lowering.finish(&[], &[])?;
    Ok(Some(Compute { code: finished.code, inputs: finished.inputs, kept: vec![] }))
}

/// The rows in the types that scans would give.
fn physical_batch(batch: &RecordBatch) -> Result<RecordBatch> {
    let mut fields = vec![];
    let mut columns = vec![];
    for (field, column) in batch.schema().fields().iter().zip(batch.columns()) {
        let data_type = physical_type(field.data_type());
        columns.push(arrow::compute::cast(column, &data_type)?);
        fields.push(Field::new(field.name(), data_type, field.is_nullable()));
    }
    let options = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
    Ok(RecordBatch::try_new_with_options(Arc::new(Schema::new(fields)), columns, &options)?)
}
