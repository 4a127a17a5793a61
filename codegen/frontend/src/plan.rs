//! The front end as a whole: a query's text to its optimised plan.

use std::sync::Arc;

use datafusion_common::DFSchema;
use datafusion_expr::LogicalPlan;
use nyala_schema::function::FunctionDeclaration;
use nyala_schema::lookup::{AsOf, World};
use nyala_schema::option::Options;
use nyala_schema::{Error, Result};
use sqlparser::ast::{Query, Spanned};

use crate::balance::balance_plan;
use crate::context::{Context, NoTables, StackSize};
use crate::diagnose::{at, translate};
use crate::locate::position_of;
use crate::optimize::{Rules, config_for, default_config};
use crate::point_in_time::time_of;
use crate::registry::{FunctionInfo, Registry};
use crate::shape::Shape;
use crate::statement::PointInTime;

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
    /// [`SeriesHandle`](crate::SeriesHandle); views are planned in place. Calls of user-defined functions are
    /// [`GuestUdf`](crate::GuestUdf) and [`GuestUdaf`](crate::GuestUdaf) with their function chosen; table functions and
    /// operators are [`TableFunctionNode`](crate::TableFunctionNode) and [`GuestOperatorNode`](crate::GuestOperatorNode). There are no subqueries in expressions: all
    /// have become joins.
    ///
    /// # Errors
    /// Whatever is wrong with the query: names, types, grouping, with position and hint; those of `world`;
    /// `TooComplex`; `Unsupported`.
    pub fn plan_query(
        &self,
        sql: &str,
        query: &Query,
        world: &dyn World,
        options: &Options,
    ) -> Result<LogicalPlan> {
        self.plan_query_with_uses(sql, query, world, options).map(|planned| planned.plan)
    }

    /// As [`plan_query`](Self::plan_query), with the functions and operators that the query names, for what a view depends on.
    ///
    /// # Errors
    /// Those of [`plan_query`](Self::plan_query).
    pub fn plan_query_with_uses(
        &self,
        sql: &str,
        query: &Query,
        world: &dyn World,
        options: &Options,
    ) -> Result<PlannedQuery> {
        let shape = Shape::of(sql);
        let request = Request { sql, query, world, options };
        if !shape.is_large()
            && let Some(planned) = shape.run(|| request.plan(StackSize::Usual))?
        {
            return Ok(planned);
        }
        let planned = Shape::large().run(|| request.plan(StackSize::Large))?;
        planned.ok_or_else(|| Error::internal("no stack is large enough"))
    }

    /// Checks the body of a function that is to be created in SQL: an expression over the arguments, of a type that can be
    /// cast to the one returned. Gives the user-defined functions in it, sorted.
    ///
    /// # Errors
    /// What is wrong with the body, with the function's name.
    pub fn check_sql_body(
        &self,
        declaration: &FunctionDeclaration,
        body: &str,
        world: &dyn World,
    ) -> Result<Vec<String>> {
        let shape = Shape::of(body);
        shape.check()?;
        shape.run(|| Context::new(world, default_config(), StackSize::Usual).check_body(declaration, body))
    }

    /// Which point of a history is meant: times are in the session's time zone where they name none. `sql` is the text
    /// that it stands in.
    ///
    /// # Errors
    /// `InvalidDatetime` and `InvalidParameter` for what is no time.
    pub fn as_of(&self, sql: &str, point: &PointInTime, options: &Options) -> Result<AsOf> {
        let expr = match point {
            PointInTime::Version(number) => return Ok(AsOf::Version(*number)),
            PointInTime::Time(expr) => expr,
        };
        Shape::of(sql).run(|| {
            let config = config_for(options);
            let context = Context::new(&NoTables, Arc::clone(&config), StackSize::Usual);
            let planned = context.plan_expr(sql, expr, &DFSchema::empty())?;
            let time = time_of(planned, &config).map_err(|error| translate(error, &context.scope(sql)));
            time.map_err(|error| at(error, position_of(expr.span().start)))
        })
    }

    /// Whether SQL has a function of this name by itself, which a user-defined one cannot take.
    pub fn is_builtin(&self, name: &str) -> bool {
        Registry::get().is_builtin(&name.to_lowercase())
    }

    /// Every function by name, aliases too, sorted.
    pub fn function_names(&self) -> Vec<FunctionInfo> {
        Registry::get().describe()
    }
}

/// A query's plan, and the user-defined functions and operators that the query itself names: not those of views and of
/// functions in it. Sorted.
#[derive(Debug, Clone)]
pub struct PlannedQuery {
    pub plan: LogicalPlan,
    pub uses: Vec<String>,
}

/// What is to be planned.
#[derive(Clone, Copy)]
struct Request<'a> {
    sql: &'a str,
    query: &'a Query,
    world: &'a dyn World,
    options: &'a Options,
}

impl Request<'_> {
    /// `None` when a view turned up that wants a large stack.
    fn plan(&self, stack: StackSize) -> Result<Option<PlannedQuery>> {
        let config = config_for(self.options);
        let context = Context::new(self.world, Arc::clone(&config), stack);
        let plan = match context.plan(self.sql, self.query) {
            Err(_) if context.needs_large_stack() => return Ok(None),
            planned => planned?,
        };
        let optimized = Rules::get().run(plan, &config);
        let optimized = optimized.map_err(|error| translate(error, &context.scope(self.sql)))?;
        let plan = match stack {
            StackSize::Usual => optimized,
            StackSize::Large => balance_plan(optimized)?,
        };
        Ok(Some(PlannedQuery { plan, uses: context.uses() }))
    }
}

/// The plan as text, one node a line, inputs indented.
pub fn logical_text(plan: &LogicalPlan) -> String {
    plan.display_indent().to_string()
}
