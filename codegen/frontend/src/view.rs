//! A view: its query's plan, in place of a scan.

use std::borrow::Cow;
use std::sync::Arc;

use arrow::datatypes::SchemaRef;
use datafusion_common::DataFusionError;
use datafusion_expr::{Expr, LogicalPlan, LogicalPlanBuilder, TableSource};
use nyala_schema::lookup::ResolvedTable;
use nyala_schema::{Error, ErrorCode, Result};

use crate::suggest::quoted;

/// Views inside views.
pub(crate) const VIEW_DEPTH_MAX: usize = 32;

/// Uses of views in one statement, those inside of views too.
pub(crate) const VIEW_USES_MAX: usize = 1_000;

pub(crate) struct ViewSource {
    schema: SchemaRef,
    plan: LogicalPlan,
}

impl TableSource for ViewSource {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }

    fn get_logical_plan(&self) -> Option<Cow<'_, LogicalPlan>> {
        Some(Cow::Borrowed(&self.plan))
    }
}

impl ViewSource {
    /// In place of a table.
    pub(crate) fn of_plan(schema: SchemaRef, plan: LogicalPlan) -> Self {
        Self { schema, plan }
    }

    /// Gives the plan's columns the names that the view has.
    ///
    /// # Errors
    /// `Dependency` when the query no longer gives as many columns as the view has.
    pub(crate) fn new(view: &ResolvedTable, plan: LogicalPlan) -> Result<Self> {
        let wanted = view.schema.fields();
        let given = plan.schema();
        // A view that was read before its columns were known says nothing of them.
        if wanted.is_empty() {
            return Ok(Self { schema: Arc::clone(given.inner()), plan });
        }
        if wanted.len() != given.fields().len() {
            let message = format!(
                "view {} has {} columns but its query now gives {}",
                quoted(&view.name),
                wanted.len(),
                given.fields().len()
            );
            return Err(Error::new(ErrorCode::Dependency, message)
                .with_hint("what it reads has changed: create it again with CREATE OR REPLACE VIEW"));
        }
        let same = wanted.iter().zip(given.fields()).all(|(wanted, given)| wanted.name() == given.name());
        let plan = if same {
            plan
        } else {
            rename(view, plan).map_err(|error| Error::internal(error.to_string()))?
        };
        Ok(Self { schema: Arc::clone(plan.schema().inner()), plan })
    }
}

fn rename(view: &ResolvedTable, plan: LogicalPlan) -> Result<LogicalPlan, DataFusionError> {
    let columns: Vec<Expr> = plan
        .schema()
        .columns()
        .into_iter()
        .zip(view.schema.fields())
        .map(|(column, field)| Expr::Column(column).alias(field.name().as_str()))
        .collect();
    LogicalPlanBuilder::from(plan).project(columns)?.build()
}
