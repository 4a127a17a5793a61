//! What DataFusion's planner asks while it plans one statement: tables, functions, types, settings.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::sync::Arc;

use arrow::datatypes::{DataType, SchemaRef};
use datafusion_common::config::ConfigOptions;
use datafusion_common::{DFSchema, DataFusionError, TableReference};
use datafusion_expr::planner::{ContextProvider, ExprPlanner, RelationPlanner, TypePlanner};
use datafusion_expr::simplify::SimplifyContext;
use datafusion_expr::{AggregateUDF, Expr, HigherOrderUDF, LogicalPlan, ScalarUDF, TableSource, WindowUDF};
use datafusion_optimizer::simplify_expressions::ExprSimplifier;
use datafusion_sql::planner::SqlToRel;
use nyala_schema::lookup::{ResolvedTable, TableContent, TableLookup};
use nyala_schema::{Error, ErrorCode, Result};
use sqlparser::ast::{ColumnDef, DataType as SqlType, Ident, Query, Statement as SqlStatement};

use crate::diagnose::{Scope, translate};
use crate::parse::parse;
use crate::registry::{Registry, TABLE_FUNCTIONS};
use crate::relation::Relations;
use crate::series::SeriesHandle;
use crate::shape::Shape;
use crate::statement::Statement;
use crate::suggest::{did_you_mean, nearest, quoted};
use crate::table::TableHandle;
use crate::types::Types;
use crate::view::{VIEW_DEPTH_MAX, VIEW_USES_MAX, ViewSource};

/// Lives while one statement is planned.
pub(crate) struct Context<'a> {
    registry: &'static Registry,
    tables: &'a dyn TableLookup,
    config: Arc<ConfigOptions>,
    relations: [Arc<dyn RelationPlanner>; 1],
    types: Arc<dyn TypePlanner>,
    /// Every table is asked for once, so that all uses of it in a statement agree.
    resolved: RefCell<HashMap<String, Arc<ResolvedTable>>>,
    /// The views that are being planned, outermost first.
    views: RefCell<Vec<String>>,
    /// Views planned so far.
    view_uses: Cell<usize>,
    stack: StackSize,
    needs_large_stack: Cell<bool>,
}

/// What the thread that plans has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum StackSize {
    Usual,
    Large,
}

/// Views inside each other that the usual stack has room for.
const USUAL_STACK_VIEWS: usize = 3;

impl<'a> Context<'a> {
    pub(crate) fn new(tables: &'a dyn TableLookup, config: Arc<ConfigOptions>, stack: StackSize) -> Self {
        let time_zone = config.execution.time_zone.as_deref().unwrap_or("UTC").into();
        Self {
            registry: Registry::get(),
            tables,
            config,
            relations: [Arc::new(Relations)],
            types: Arc::new(Types { time_zone }),
            resolved: RefCell::default(),
            views: RefCell::default(),
            view_uses: Cell::new(0),
            stack,
            needs_large_stack: Cell::new(false),
        }
    }

    /// Whether planning failed only because a view in it wants a large stack.
    pub(crate) fn needs_large_stack(&self) -> bool {
        self.needs_large_stack.get()
    }

    /// The plan of a query as it was written, neither checked for types nor optimised.
    ///
    /// # Errors
    /// What is wrong with `query`, with positions in `sql`.
    pub(crate) fn plan(&self, sql: &str, query: &Query) -> Result<LogicalPlan> {
        let statement = SqlStatement::Query(Box::new(query.clone()));
        let planned = SqlToRel::new(self).sql_statement_to_plan(statement);
        planned.map_err(|error| translate(error, &self.scope(sql)))
    }

    pub(crate) fn scope<'s>(&'s self, sql: &'s str) -> Scope<'s> {
        Scope { sql, registry: self.registry }
    }

    fn resolve(&self, name: &str) -> Result<Arc<ResolvedTable>> {
        if let Some(table) = self.resolved.borrow().get(name) {
            return Ok(Arc::clone(table));
        }
        let table = self.tables.table(name)?.ok_or_else(|| self.unknown_table(name))?;
        self.resolved.borrow_mut().insert(name.to_owned(), Arc::clone(&table));
        Ok(table)
    }

    fn unknown_table(&self, name: &str) -> Error {
        let error = Error::new(ErrorCode::UndefinedTable, format!("there is no table {}", quoted(name)));
        let mut names = self.tables.table_names();
        names.sort_unstable();
        if let Some(near) = nearest(name, names.iter().map(String::as_str)) {
            return error.with_hint(did_you_mean(near));
        }
        if names.is_empty() {
            return error
                .with_hint("there are no tables yet: write CREATE EXTERNAL TABLE, or FROM 'file.parquet'");
        }
        error.with_hint("SHOW TABLES lists the tables")
    }

    fn view(&self, view: &ResolvedTable, sql: &str) -> Result<Arc<dyn TableSource>> {
        let fail =
            |code, message: &str| Err(Error::new(code, format!("view {}: {message}", quoted(&view.name))));
        if self.views.borrow().contains(&view.name) {
            return fail(ErrorCode::Dependency, "it reads itself");
        }
        if self.views.borrow().len() >= VIEW_DEPTH_MAX {
            return fail(ErrorCode::TooComplex, "views nest too deep");
        }
        self.view_uses.set(self.view_uses.get() + 1);
        if self.view_uses.get() > VIEW_USES_MAX {
            return fail(ErrorCode::TooComplex, "views in views are used too often");
        }
        let deep = self.views.borrow().len() >= USUAL_STACK_VIEWS || Shape::of(sql).is_large();
        if deep && self.stack == StackSize::Usual {
            self.needs_large_stack.set(true);
            return fail(ErrorCode::TooComplex, "it is too large to be planned here");
        }
        let query = match parse(sql) {
            Ok(Statement::Query(query)) => query,
            Ok(_) => return fail(ErrorCode::Internal, "its text is not a query"),
            Err(error) => return Err(in_view(&view.name, &error)),
        };
        self.views.borrow_mut().push(view.name.clone());
        let planned = self.plan(sql, &query);
        self.views.borrow_mut().pop();
        let plan = planned.map_err(|error| in_view(&view.name, &error))?;
        Ok(Arc::new(ViewSource::new(view, plan)?))
    }

    fn series(&self, function: &str, arguments: Vec<Expr>) -> Result<Arc<dyn TableSource>, DataFusionError> {
        let schema = Arc::new(DFSchema::empty());
        let context = SimplifyContext::builder()
            .with_schema(Arc::clone(&schema))
            .with_config_options(Arc::clone(&self.config))
            .with_current_time()
            .build();
        let simplifier = ExprSimplifier::new(context);
        let mut constants = Vec::with_capacity(arguments.len());
        for argument in arguments {
            let written = argument.to_string();
            match simplifier.simplify(simplifier.coerce(argument, &schema)?)? {
                Expr::Literal(value, _) => constants.push(value),
                _ => {
                    let message = format!("{} takes constants, not {written}", quoted(function));
                    return Err(external(Error::unsupported(message)));
                }
            }
        }
        Ok(Arc::new(SeriesHandle::new(function, &constants).map_err(external)?))
    }
}

/// Positions inside of a view's text mean nothing to who uses it.
fn in_view(name: &str, error: &Error) -> Error {
    let outer = Error::new(error.code(), format!("view {}: {}", quoted(name), error.message()));
    match error.hint() {
        Some(hint) => outer.with_hint(hint),
        None => outer,
    }
}

/// Our error on its way through DataFusion.
pub(crate) fn external(error: Error) -> DataFusionError {
    DataFusionError::External(Box::new(error))
}

/// A name as the catalog has it.
fn table_name(name: &TableReference) -> String {
    match name {
        TableReference::Bare { table } => table.to_string(),
        TableReference::Partial { schema, table } => format!("{schema}.{table}"),
        TableReference::Full { catalog, schema, table } => format!("{catalog}.{schema}.{table}"),
    }
}

impl ContextProvider for Context<'_> {
    fn get_table_source(&self, name: TableReference) -> Result<Arc<dyn TableSource>, DataFusionError> {
        let table = self.resolve(&table_name(&name)).map_err(external)?;
        match &table.content {
            TableContent::Data { .. } => Ok(Arc::new(TableHandle(table))),
            TableContent::View { sql } => self.view(&table, sql).map_err(external),
        }
    }

    fn get_table_function_source(
        &self,
        name: &str,
        args: Vec<Expr>,
    ) -> Result<Arc<dyn TableSource>, DataFusionError> {
        let function = name.to_lowercase();
        if matches!(function.as_str(), "generate_series" | "range") {
            return self.series(&function, args);
        }
        let message = format!("there is no table function {}", quoted(&function));
        let error = Error::new(ErrorCode::UndefinedFunction, message);
        let names = TABLE_FUNCTIONS.iter().map(|(name, _, _)| *name);
        Err(external(match nearest(&function, names.clone()) {
            Some(near) => error.with_hint(did_you_mean(near)),
            None if self.registry.names().contains(&function.as_str()) => {
                error.with_hint(format!("{function} is a function for SELECT, not for FROM"))
            }
            None => error.with_hint(format!("table functions are {}", names.collect::<Vec<_>>().join(", "))),
        }))
    }

    fn create_cte_work_table(
        &self,
        name: &str,
        _: SchemaRef,
    ) -> Result<Arc<dyn TableSource>, DataFusionError> {
        Err(external(Error::unsupported(format!("WITH RECURSIVE is not supported (in {})", quoted(name)))))
    }

    fn get_expr_planners(&self) -> &[Arc<dyn ExprPlanner>] {
        &self.registry.expr_planners
    }

    fn get_relation_planners(&self) -> &[Arc<dyn RelationPlanner>] {
        &self.relations
    }

    fn get_type_planner(&self) -> Option<Arc<dyn TypePlanner>> {
        Some(Arc::clone(&self.types))
    }

    fn get_function_meta(&self, name: &str) -> Option<Arc<ScalarUDF>> {
        self.registry.scalar.get(name).cloned()
    }

    fn get_higher_order_meta(&self, name: &str) -> Option<Arc<HigherOrderUDF>> {
        self.registry.higher_order.get(name).cloned()
    }

    fn get_aggregate_meta(&self, name: &str) -> Option<Arc<AggregateUDF>> {
        self.registry.aggregate.get(name).cloned()
    }

    fn get_window_meta(&self, name: &str) -> Option<Arc<WindowUDF>> {
        self.registry.window.get(name).cloned()
    }

    fn get_variable_type(&self, _: &[String]) -> Option<DataType> {
        None
    }

    fn options(&self) -> &ConfigOptions {
        &self.config
    }

    fn udf_names(&self) -> Vec<String> {
        self.registry.scalar.keys().cloned().collect()
    }

    fn higher_order_function_names(&self) -> Vec<String> {
        self.registry.higher_order.keys().cloned().collect()
    }

    fn udaf_names(&self) -> Vec<String> {
        self.registry.aggregate.keys().cloned().collect()
    }

    fn udwf_names(&self) -> Vec<String> {
        self.registry.window.keys().cloned().collect()
    }
}

/// No tables: for what needs none.
struct NoTables;

impl TableLookup for NoTables {
    fn version(&self) -> u64 {
        0
    }

    fn table(&self, _: &str) -> Result<Option<Arc<ResolvedTable>>> {
        Ok(None)
    }

    fn table_names(&self) -> Vec<String> {
        Vec::new()
    }
}

/// The type that a column definition names.
///
/// # Errors
/// `Unsupported` for a type that does not exist here.
pub(crate) fn data_type_of(sql_type: &SqlType) -> Result<DataType> {
    let context = Context::new(&NoTables, crate::optimize::default_config(), StackSize::Usual);
    let column = ColumnDef { name: Ident::new("c"), data_type: sql_type.clone(), options: vec![] };
    let schema = SqlToRel::new(&context)
        .build_schema(vec![column])
        .map_err(|error| translate(error, &context.scope("")))?;
    Ok(schema.field(0).data_type().clone())
}
