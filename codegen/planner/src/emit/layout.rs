//! Which column stands where in an operator's rows.

use std::sync::Arc;

use arrow::datatypes::{Field, Schema, SchemaRef};
use nyala_schema::id::OperatorId;
use nyala_schema::operator::{AggregateCall, OperatorKind, SortKey, WindowCall};
use nyala_schema::{Error, Expr, Operator, Result};

use crate::column::{ColumnId, ColumnSet, Columns};

/// An operator and the columns it hands out, in order.
#[derive(Debug)]
pub struct Emitted {
    pub operator: Operator,
    pub columns: Vec<ColumnId>,
}

/// The positions of columns, and whether NULL occurs there.
pub struct Layout<'a> {
    parts: Vec<&'a Emitted>,
}

impl Emitted {
    pub fn new(
        kind: OperatorKind,
        inputs: Vec<Operator>,
        fields: Vec<Field>,
        columns: Vec<ColumnId>,
        rows: f64,
    ) -> Self {
        let schema = Arc::new(Schema::new(fields));
        Self { operator: operator(kind, inputs, schema, rows), columns }
    }

    /// An operator on top with the same columns.
    pub fn above(self, kind: OperatorKind, rows: f64) -> Self {
        let schema = self.operator.schema.clone();
        Self { operator: operator(kind, vec![self.operator], schema, rows), columns: self.columns }
    }

    pub fn layout(&self) -> Layout<'_> {
        Layout { parts: vec![self] }
    }

    pub fn fields(&self) -> Vec<Field> {
        self.operator.schema.fields().iter().map(|field| field.as_ref().clone()).collect()
    }

    pub fn position(&self, id: ColumnId) -> Option<usize> {
        self.columns.iter().position(|known| *known == id)
    }
}

fn operator(kind: OperatorKind, inputs: Vec<Operator>, schema: SchemaRef, rows: f64) -> Operator {
    Operator { id: OperatorId(0), kind, inputs, schema, rows_estimated: rows }
}

impl<'a> Layout<'a> {
    /// Columns of both, one after the other.
    pub fn of_both(first: &'a Emitted, second: &'a Emitted) -> Self {
        Self { parts: vec![first, second] }
    }

    fn find(&self, id: ColumnId) -> Option<(usize, &'a Field)> {
        let mut offset = 0;
        for part in &self.parts {
            if let Some(position) = part.position(id) {
                return Some((offset + position, part.operator.schema.field(position)));
            }
            offset += part.columns.len();
        }
        None
    }

    /// The column itself as an expression.
    ///
    /// # Errors
    /// `Internal` when it is not there.
    pub fn column(&self, id: ColumnId) -> Result<Expr> {
        let (position, field) = self.find(id).ok_or_else(|| missing(id))?;
        Ok(Expr::column(position, field))
    }

    /// `expr` with positions for column numbers.
    ///
    /// # Errors
    /// `Internal` when a column is not there.
    pub fn expr(&self, expr: &Expr) -> Result<Expr> {
        let mut expr = expr.clone();
        self.resolve(&mut expr)?;
        Ok(expr)
    }

    pub fn exprs(&self, exprs: &[Expr]) -> Result<Vec<Expr>> {
        exprs.iter().map(|expr| self.expr(expr)).collect()
    }

    fn resolve(&self, expr: &mut Expr) -> Result<()> {
        if let Expr::Column { index, nullable, .. } = expr {
            let (position, field) = self.find(*index).ok_or_else(|| missing(*index))?;
            *index = position;
            *nullable = field.is_nullable();
            return Ok(());
        }
        expr.children_mut().into_iter().try_for_each(|child| self.resolve(child))
    }

    pub fn sort_keys(&self, keys: &[SortKey]) -> Result<Vec<SortKey>> {
        keys.iter().map(|key| Ok(SortKey { expr: self.expr(&key.expr)?, ..key.clone() })).collect()
    }

    /// With `count` of what cannot be NULL as a count of rows.
    pub fn aggregate(&self, call: &AggregateCall) -> Result<AggregateCall> {
        let mut call = AggregateCall {
            arguments: self.exprs(&call.arguments)?,
            filter: call.filter.as_ref().map(|filter| self.expr(filter)).transpose()?,
            order_by: self.sort_keys(&call.order_by)?,
            ..call.clone()
        };
        if call.function.is("count") && !call.distinct && !call.arguments.iter().any(Expr::nullable) {
            call.arguments.clear();
        }
        Ok(call)
    }

    pub fn window_call(&self, call: &WindowCall) -> Result<WindowCall> {
        Ok(WindowCall {
            arguments: self.exprs(&call.arguments)?,
            filter: call.filter.as_ref().map(|filter| self.expr(filter)).transpose()?,
            ..call.clone()
        })
    }
}

fn missing(id: ColumnId) -> Error {
    Error::internal(format!("the planner lost column {id}"))
}

/// Adds what sort keys read.
pub fn insert_sort_keys(set: &mut ColumnSet, keys: &[SortKey]) {
    keys.iter().for_each(|key| set.insert_used(&key.expr));
}

impl Columns {
    /// The field of a column where it is made.
    pub fn field(&self, id: ColumnId, nullable: bool) -> Field {
        let info = self.get(id);
        Field::new(&info.name, info.data_type.clone(), nullable)
    }
}
