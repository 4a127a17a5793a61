//! Which number a column name stands for.

use arrow::datatypes::FieldRef;
use datafusion_common::{Column, DFSchema, ExprSchema, Result as DataFusionResult, plan_datafusion_err};
use nyala_schema::{Error, Result};

use crate::column::ColumnId;

/// The columns that an expression may name: those of one input, or of both inputs of a join.
#[derive(Debug)]
pub struct Scope<'a> {
    parts: Vec<(&'a DFSchema, &'a [ColumnId])>,
}

impl<'a> Scope<'a> {
    pub fn new(schema: &'a DFSchema, columns: &'a [ColumnId]) -> Self {
        Self { parts: vec![(schema, columns)] }
    }

    pub fn and(mut self, schema: &'a DFSchema, columns: &'a [ColumnId]) -> Self {
        self.parts.push((schema, columns));
        self
    }

    /// For expressions that read no columns.
    pub fn empty() -> Self {
        Self { parts: vec![] }
    }

    fn find(&self, column: &Column) -> Option<(ColumnId, &'a FieldRef)> {
        let unqualified = |part: &&(&'a DFSchema, &'a [ColumnId])| {
            let schema: &'a DFSchema = part.0;
            schema.iter().position(|(qualifier, field)| qualifier.is_none() && *field.name() == column.name)
        };
        // Names that the optimizer makes up have no qualifier and win over columns that happen to be called so.
        if column.relation.is_none()
            && let Some((part, index)) = self.parts.iter().find_map(|part| Some((part, unqualified(&part)?)))
        {
            return Some((part.1[index], part.0.field(index)));
        }
        self.parts.iter().find_map(|(schema, ids)| {
            let index = schema.maybe_index_of_column(column)?;
            Some((ids[index], schema.field(index)))
        })
    }

    /// # Errors
    /// `Internal`: names have been resolved long before.
    pub fn column(&self, column: &Column) -> Result<(ColumnId, &'a FieldRef)> {
        self.find(column).ok_or_else(|| Error::internal(format!("no column {column} in the planner's scope")))
    }
}

impl ExprSchema for Scope<'_> {
    fn field_from_column(&self, column: &Column) -> DataFusionResult<&FieldRef> {
        let (_, field) = self.find(column).ok_or_else(|| plan_datafusion_err!("no column {column}"))?;
        Ok(field)
    }
}
