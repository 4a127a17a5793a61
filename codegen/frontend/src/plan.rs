//! The front end as a whole: a query's text to its optimised plan.

use std::sync::Arc;

use datafusion_expr::LogicalPlan;
use nyala_schema::lookup::TableLookup;
use nyala_schema::option::Options;
use nyala_schema::{Error, Result};
use sqlparser::ast::Query;

use crate::balance::balance_plan;
use crate::context::{Context, StackSize};
use crate::diagnose::translate;
use crate::optimize::{Rules, config_for};
use crate::registry::{FunctionInfo, Registry};
use crate::shape::Shape;

/// Plans queries. Free to make: what it needs is built on first use and shared by all.
#[derive(Debug, Default, Clone, Copy)]
pub struct Frontend;

impl Frontend {
    pub fn new() -> Self {
        Self
    }

    /// The optimised plan of `query`, which [`parse`](crate::parse()) made. `sql` is the whole text that the query
    /// stands in, for the positions of errors.
    ///
    /// Scans of tables read a [`TableHandle`](crate::TableHandle), those of series a
    /// [`SeriesHandle`](crate::SeriesHandle); views are planned in place. There are no subqueries in expressions: all
    /// have become joins.
    ///
    /// # Errors
    /// Whatever is wrong with the query: names, types, grouping, with position and hint; those of `tables`;
    /// `TooComplex`; `Unsupported`.
    pub fn plan_query(
        &self,
        sql: &str,
        query: &Query,
        tables: &dyn TableLookup,
        options: &Options,
    ) -> Result<LogicalPlan> {
        let shape = Shape::of(sql);
        let request = Request { sql, query, tables, options };
        if !shape.is_large()
            && let Some(planned) = shape.run(|| request.plan(StackSize::Usual))?
        {
            return Ok(planned);
        }
        let planned = Shape::large().run(|| request.plan(StackSize::Large))?;
        planned.ok_or_else(|| Error::internal("no stack is large enough"))
    }

    /// Every function by name, aliases too, sorted.
    pub fn function_names(&self) -> Vec<FunctionInfo> {
        Registry::get().describe()
    }
}

/// What is to be planned.
#[derive(Clone, Copy)]
struct Request<'a> {
    sql: &'a str,
    query: &'a Query,
    tables: &'a dyn TableLookup,
    options: &'a Options,
}

impl Request<'_> {
    /// `None` when a view turned up that wants a large stack.
    fn plan(&self, stack: StackSize) -> Result<Option<LogicalPlan>> {
        let config = config_for(self.options);
        let context = Context::new(self.tables, Arc::clone(&config), stack);
        let plan = match context.plan(self.sql, self.query) {
            Err(_) if context.needs_large_stack() => return Ok(None),
            planned => planned?,
        };
        let optimized = Rules::get().run(plan, &config);
        let optimized = optimized.map_err(|error| translate(error, &context.scope(self.sql)))?;
        match stack {
            StackSize::Usual => Ok(Some(optimized)),
            StackSize::Large => balance_plan(optimized).map(Some),
        }
    }
}

/// The plan as text, one node a line, inputs indented.
pub fn logical_text(plan: &LogicalPlan) -> String {
    plan.display_indent().to_string()
}
