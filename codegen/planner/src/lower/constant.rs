//! VALUES, and SELECT without FROM.

use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch, RecordBatchOptions, new_empty_array};
use arrow::datatypes::{Field, Schema};
use datafusion_expr::logical_plan::{EmptyRelation, Values};
use nyala_schema::{Expr, Result};

use super::{Lowered, Lowering, Scope, literal};
use crate::column::{ColumnId, plan_type};
use crate::relation::{Relation, RelationKind};

impl Lowering<'_> {
    pub(super) fn empty_relation(&mut self, empty: &EmptyRelation) -> Result<Lowered> {
        if empty.produce_one_row && empty.schema.fields().is_empty() {
            return Ok(Lowered { relation: one_row()?, columns: vec![] });
        }
        let fields = empty.schema.fields().iter().map(|field| (field.name().as_str(), field.data_type()));
        let mut columns = vec![];
        let mut arrays = vec![];
        for (name, data_type) in fields {
            let data_type = plan_type(data_type);
            columns.push(self.columns.add_new(name, data_type.clone(), true));
            arrays.push(if empty.produce_one_row {
                arrow::array::new_null_array(&data_type, 1)
            } else {
                new_empty_array(&data_type)
            });
        }
        let batch = self.batch(&columns, arrays, usize::from(empty.produce_one_row))?;
        let relation = Relation::new(RelationKind::Values { columns: columns.clone(), batch });
        Ok(Lowered { relation, columns })
    }

    /// A batch when all is constant, otherwise a union of computed rows.
    pub(super) fn values(&mut self, values: &Values) -> Result<Lowered> {
        let fields = values.schema.fields();
        let scope = Scope::empty();
        let mut rows = Vec::with_capacity(values.values.len());
        for row in &values.values {
            let mut lowered = self.expressions(row, &scope)?;
            for (expr, field) in lowered.iter_mut().zip(fields) {
                let data_type = plan_type(field.data_type());
                let untyped = std::mem::replace(expr, literal::boolean(true));
                *expr = constant_cast(literal::cast(untyped, data_type, false))?;
            }
            rows.push(lowered);
        }
        let add = |field: &Arc<Field>| {
            self.columns.add_new(field.name(), plan_type(field.data_type()), field.is_nullable())
        };
        let columns: Vec<ColumnId> = fields.iter().map(add).collect();
        let is_constant = rows.iter().flatten().all(|expr| matches!(expr, Expr::Literal(_)));
        let kind = if is_constant {
            let arrays = (0..columns.len()).map(|column| constants(&rows, column)).collect::<Result<_>>()?;
            RelationKind::Values {
                batch: self.batch(&columns, arrays, rows.len())?,
                columns: columns.clone(),
            }
        } else {
            let branches = rows.into_iter().map(|row| self.computed_row(row)).collect::<Result<_>>()?;
            RelationKind::Union { columns: columns.clone(), branches }
        };
        Ok(Lowered { relation: Relation::new(kind), columns })
    }

    fn computed_row(&mut self, row: Vec<Expr>) -> Result<(Relation, Vec<ColumnId>)> {
        let mut definitions = vec![];
        let ids = row
            .into_iter()
            .map(|expr| match expr {
                // Columns of scalar subqueries.
                Expr::Column { index, .. } => index,
                _ => self.define(expr, "column", &mut definitions),
            })
            .collect();
        let input = self.with_subqueries(one_row()?);
        Ok((input.extend(definitions), ids))
    }

    fn batch(&self, columns: &[ColumnId], arrays: Vec<ArrayRef>, rows: usize) -> Result<RecordBatch> {
        let field = |(&id, array): (&ColumnId, &ArrayRef)| {
            Field::new(&self.columns.get(id).name, array.data_type().clone(), true)
        };
        let fields: Vec<Field> = columns.iter().zip(&arrays).map(field).collect();
        let options = RecordBatchOptions::new().with_row_count(Some(rows));
        Ok(RecordBatch::try_new_with_options(Arc::new(Schema::new(fields)), arrays, &options)?)
    }
}

fn one_row() -> Result<Relation> {
    let options = RecordBatchOptions::new().with_row_count(Some(1));
    let batch = RecordBatch::try_new_with_options(Arc::new(Schema::empty()), vec![], &options)?;
    Ok(Relation::new(RelationKind::Values { columns: vec![], batch }))
}

/// A cast of a constant as a constant.
fn constant_cast(expr: Expr) -> Result<Expr> {
    match expr {
        Expr::Cast { input, data_type, safe: false } => match *input {
            Expr::Literal(value) => Ok(Expr::Literal(value.cast(&data_type)?)),
            input => Ok(Expr::Cast { input: Box::new(input), data_type, safe: false }),
        },
        other => Ok(other),
    }
}

fn constants(rows: &[Vec<Expr>], column: usize) -> Result<ArrayRef> {
    let values: Vec<&dyn arrow::array::Array> = rows
        .iter()
        .filter_map(|row| match &row[column] {
            Expr::Literal(value) => Some(value.array().as_ref()),
            _ => None,
        })
        .collect();
    Ok(arrow::compute::concat(&values)?)
}
