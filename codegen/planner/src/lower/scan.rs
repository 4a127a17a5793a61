//! Tables and series.

use std::sync::Arc;

use datafusion_common::DFSchema;
use datafusion_expr::logical_plan::TableScan;
use nyala_frontend::{SeriesHandle, TableHandle};
use nyala_schema::lookup::{ResolvedTable, TableContent};
use nyala_schema::{Error, Result};

use super::{Lowered, Lowering, Scope, from_datafusion};
use crate::column::{ColumnId, ColumnInfo, plan_type};
use crate::estimate::{ColumnEstimate, table_rows};
use crate::relation::{Relation, RelationKind, Scan};

impl Lowering<'_> {
    pub(super) fn scan(&mut self, scan: &TableScan) -> Result<Lowered> {
        if let Some(TableHandle(table)) = scan.source.downcast_ref::<TableHandle>() {
            return self.table(scan, table);
        }
        if let Some(series) = scan.source.downcast_ref::<SeriesHandle>() {
            return self.series(scan, series);
        }
        self.recursion_input(scan)
            .ok_or_else(|| Error::internal(format!("a table of unknown kind: {}", scan.table_name)))
    }

    fn table(&mut self, scan: &TableScan, table: &Arc<ResolvedTable>) -> Result<Lowered> {
        let read = Read::new(scan, table)?;
        let rows_table = table_rows(read.statistics()?, &table.schema);
        let mut columns = vec![];
        for &position in &read.positions {
            let field = table.schema.field(position);
            let data_type = plan_type(field.data_type());
            let known = read.statistics()?.columns.get(position);
            let estimate = ColumnEstimate::of_table(known, &data_type, rows_table);
            let info =
                ColumnInfo { name: field.name().clone(), data_type, nullable: field.is_nullable(), estimate };
            columns.push((self.columns.add(info), position));
        }
        self.columns.share_origin(columns.iter().map(|(id, _)| *id));
        let ids: Vec<ColumnId> = columns.iter().map(|(id, _)| *id).collect();
        let node = Scan { table: table.clone(), columns, filters: vec![], limit: None, rows_table };
        let relation = Relation::new(RelationKind::Scan(node));
        self.filtered(scan, relation, &read.schema, ids, read.projected)
    }

    /// The filters and the row limit of a scan; the first `projected` of `ids` are its columns.
    fn filtered(
        &mut self,
        scan: &TableScan,
        relation: Relation,
        schema: &DFSchema,
        mut ids: Vec<ColumnId>,
        projected: usize,
    ) -> Result<Lowered> {
        let scope = Scope::new(schema, &ids);
        let mut predicates = vec![];
        for filter in &scan.filters {
            predicates.extend(self.conjuncts(filter, &scope)?);
        }
        let mut relation = self.with_subqueries(relation).filter(predicates);
        if let Some(rows) = scan.fetch {
            let input = Box::new(relation);
            relation = Relation::new(RelationKind::Limit { input, skip: 0, fetch: Some(rows as u64) });
        }
        ids.truncate(projected);
        Ok(Lowered { relation, columns: ids })
    }

    fn series(&mut self, scan: &TableScan, series: &SeriesHandle) -> Result<Lowered> {
        let field = &scan.source.schema().fields()[0].clone();
        let column = self.columns.add_new(field.name(), plan_type(field.data_type()), false);
        let relation = Relation::new(RelationKind::Series {
            column,
            start: series.start.clone(),
            stop: series.stop.clone(),
            step: series.step.clone(),
            inclusive: series.inclusive,
        });
        let schema = full_schema(scan)?;
        let projected = scan.projection.as_ref().map_or(1, Vec::len);
        self.filtered(scan, relation, &schema, vec![column], projected)
    }

    /// The rows of the last round, when the table is a recursive query around this place.
    fn recursion_input(&mut self, scan: &TableScan) -> Option<Lowered> {
        let name = scan.table_name.table();
        let id = self.recursions.iter().rev().find(|recursion| recursion.name == name)?.id;
        let fields = scan.source.schema();
        let add = |field: &Arc<arrow::datatypes::Field>| {
            self.columns.add_new(field.name(), plan_type(field.data_type()), true)
        };
        let all: Vec<ColumnId> = fields.fields().iter().map(add).collect();
        let relation = Relation::new(RelationKind::RecursionInput { id, columns: all.clone() });
        let schema = full_schema(scan).ok()?;
        let lowered = self.filtered(scan, relation, &schema, all.clone(), all.len()).ok()?;
        let columns = match &scan.projection {
            Some(projection) => projection.iter().map(|&position| all[position]).collect(),
            None => all,
        };
        Some(Lowered { relation: lowered.relation, columns })
    }
}

fn full_schema(scan: &TableScan) -> Result<DFSchema> {
    DFSchema::try_from_qualified_schema(scan.table_name.clone(), &scan.source.schema())
        .map_err(from_datafusion)
}

/// Which columns of a table are read: the projection's, then those that only filters read.
struct Read<'a> {
    table: &'a ResolvedTable,
    positions: Vec<usize>,
    projected: usize,
    /// The fields at `positions`.
    schema: DFSchema,
}

impl<'a> Read<'a> {
    fn new(scan: &TableScan, table: &'a ResolvedTable) -> Result<Self> {
        let mut positions = match &scan.projection {
            Some(projection) => projection.clone(),
            None => (0..table.schema.fields().len()).collect(),
        };
        let projected = positions.len();
        let used = scan.filters.iter().flat_map(|filter| filter.column_refs());
        let mut extra =
            used.map(|column| table.schema.index_of(&column.name)).collect::<Result<Vec<_>, _>>()?;
        extra.sort_unstable();
        for position in extra {
            if !positions.contains(&position) {
                positions.push(position);
            }
        }
        let schema = table.schema.project(&positions)?;
        let schema =
            DFSchema::try_from_qualified_schema(scan.table_name.clone(), &schema).map_err(from_datafusion)?;
        Ok(Self { table, positions, projected, schema })
    }

    fn statistics(&self) -> Result<&'a nyala_schema::statistics::TableStatistics> {
        match &self.table.content {
            TableContent::Data { statistics, .. } => Ok(statistics),
            TableContent::View { .. } => {
                Err(Error::internal(format!("the view {} has not been expanded", self.table.name)))
            }
        }
    }
}
