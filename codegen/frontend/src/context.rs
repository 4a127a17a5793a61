//! What DataFusion's planner asks while it plans one statement: tables, functions, types, settings.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeSet, HashMap};
use std::ops::ControlFlow;
use std::sync::Arc;

use arrow::array::ArrayRef;
use arrow::datatypes::{DataType, SchemaRef};
use datafusion_common::config::ConfigOptions;
use datafusion_common::{DFSchema, DataFusionError, TableReference};
use datafusion_expr::planner::{ContextProvider, ExprPlanner, RelationPlanner, TypePlanner};
use datafusion_expr::simplify::SimplifyContext;
use datafusion_expr::{
    AggregateUDF, Expr, ExprSchemable, HigherOrderUDF, LogicalPlan, ScalarUDF, TableSource, WindowUDF,
};
use datafusion_optimizer::simplify_expressions::ExprSimplifier;
use datafusion_sql::planner::{PlannerContext, SqlToRel};
use nyala_schema::function::{FunctionDeclaration, FunctionDefinition, FunctionKind, OperatorDefinition};
use nyala_schema::guest::GuestFunction;
use nyala_schema::lookup::{AsOf, FunctionLookup, ResolvedTable, TableContent, TableLookup, World};
use nyala_schema::table::TableName;
use nyala_schema::{Error, ErrorCode, Result};
use sqlparser::ast::{
    ColumnDef, DataType as SqlType, Expr as SqlExpr, Ident, Query, Statement as SqlStatement, TableFactor,
    Visit, Visitor,
};

use crate::assignment::check_assignments;
use crate::constant::folded;
use crate::diagnose::{Scope, translate};
use crate::guest_function::{GuestUdaf, GuestUdf};
use crate::inline::BodyId;
use crate::parse::parse;
use crate::registry::{Registry, TABLE_FUNCTIONS};
use crate::relation::{Relations, call};
use crate::series::SeriesHandle;
use crate::session_function::SessionFunction;
use crate::shape::Shape;
use crate::statement::Statement;
use crate::suggest::{did_you_mean, nearest, quoted};
use crate::table::TableHandle;
use crate::table_read::{TableRead, without_row_identity};
use crate::types::Types;
use crate::view::{VIEW_DEPTH_MAX, VIEW_USES_MAX, ViewSource};

/// Lives while one statement is planned.
pub(crate) struct Context<'a> {
    registry: &'static Registry,
    world: &'a dyn World,
    config: Arc<ConfigOptions>,
    calls: Arc<Relations>,
    relations: [Arc<dyn RelationPlanner>; 1],
    user_defined: UserDefined,
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

/// What the statement has asked the world about user-defined functions.
#[derive(Default)]
struct UserDefined {
    any: Cell<bool>,
    overloads: RefCell<HashMap<String, Arc<[Arc<FunctionDefinition>]>>>,
    uses: RefCell<BTreeSet<String>>,
    /// Views and bodies around what counts as the statement's own.
    own_depth: Cell<usize>,
    /// Bodies of functions in SQL, read once.
    bodies: RefCell<HashMap<BodyId, Expr>>,
    /// Those that are being read, outermost first.
    reading: RefCell<Vec<BodyId>>,
}

/// Tells of every call in FROM.
struct Calls<'a>(&'a mut dyn FnMut(&str));

impl Visitor for Calls<'_> {
    type Break = ();

    fn pre_visit_table_factor(&mut self, factor: &TableFactor) -> ControlFlow<()> {
        if let Some((name, ..)) = call(factor) {
            (self.0)(&name);
        }
        ControlFlow::Continue(())
    }
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
    pub(crate) fn new(world: &'a dyn World, config: Arc<ConfigOptions>, stack: StackSize) -> Self {
        let time_zone = config.execution.time_zone.as_deref().unwrap_or("UTC").into();
        let calls = Arc::new(Relations::new(Arc::clone(&config)));
        Self {
            registry: Registry::get(),
            world,
            config,
            relations: [Arc::clone(&calls) as Arc<dyn RelationPlanner>],
            calls,
            user_defined: UserDefined::default(),
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
        self.look_up_calls(query);
        let statement = SqlStatement::Query(Box::new(query.clone()));
        let planned = SqlToRel::new(self).sql_statement_to_plan(statement);
        let planned = planned.and_then(|plan| self.resolve_plan(plan)).and_then(|plan| {
            check_assignments(&plan)?;
            Ok(plan)
        });
        planned.map_err(|error| translate(error, &self.scope(sql)))
    }

    /// An expression over the columns of `schema`, neither checked for types nor simplified.
    ///
    /// # Errors
    /// What is wrong with it, with positions in `sql`.
    pub(crate) fn plan_expr(&self, sql: &str, expr: &SqlExpr, schema: &DFSchema) -> Result<Expr> {
        let planned = SqlToRel::new(self).sql_to_expr(expr.clone(), schema, &mut PlannerContext::new());
        let planned = planned.and_then(|expr| Ok(self.resolve_expr(expr, schema)?.data));
        planned.map_err(|error| translate(error, &self.scope(sql)))
    }

    /// Tells the planner of FROM what the calls there may mean.
    fn look_up_calls(&self, query: &Query) {
        let _: ControlFlow<()> = query.visit(&mut Calls(&mut |name| {
            if TABLE_FUNCTIONS.iter().any(|(known, ..)| *known == name) {
                return;
            }
            let overloads = self.overloads(name);
            if overloads.iter().any(|overload| overload.kind == FunctionKind::Table) {
                self.note_use(name);
                self.calls.add_function(name, overloads);
            }
            match self.world.operator(name) {
                Some(operator) => {
                    self.user_defined.any.set(true);
                    self.note_use(name);
                    self.calls.add_operator(name, operator);
                }
                None => self.calls.set_names(self.world.function_names()),
            }
        }));
    }

    /// All overloads of a user-defined function, asked for once.
    fn overloads(&self, name: &str) -> Arc<[Arc<FunctionDefinition>]> {
        if let Some(known) = self.user_defined.overloads.borrow().get(name) {
            return Arc::clone(known);
        }
        let found: Arc<[Arc<FunctionDefinition>]> = self.world.functions(name).into();
        self.user_defined.any.set(self.user_defined.any.get() || !found.is_empty());
        self.user_defined.overloads.borrow_mut().insert(name.to_owned(), Arc::clone(&found));
        found
    }

    fn of_kind(&self, name: &str, kind: FunctionKind) -> Option<Arc<[Arc<FunctionDefinition>]>> {
        let overloads = self.overloads(name);
        if !overloads.iter().any(|overload| overload.kind == kind) {
            return None;
        }
        self.note_use(name);
        Some(overloads)
    }

    /// What views and functions in SQL use themselves is theirs.
    fn note_use(&self, name: &str) {
        let depth = self.views.borrow().len() + self.user_defined.reading.borrow().len();
        if depth <= self.user_defined.own_depth.get() {
            self.user_defined.uses.borrow_mut().insert(name.to_owned());
        }
    }

    /// The user-defined functions and operators that the statement itself names, sorted.
    pub(crate) fn uses(&self) -> Vec<String> {
        self.user_defined.uses.borrow().iter().cloned().collect()
    }

    pub(crate) fn has_user_defined(&self) -> bool {
        self.user_defined.any.get()
    }

    pub(crate) fn config(&self) -> &Arc<ConfigOptions> {
        &self.config
    }

    pub(crate) fn world(&self) -> &dyn World {
        self.world
    }

    /// Reads the body of a function that is being created.
    ///
    /// # Errors
    /// What is wrong with it.
    pub(crate) fn check_body(&self, declaration: &FunctionDeclaration, text: &str) -> Result<Vec<String>> {
        self.user_defined.own_depth.set(1);
        self.sql_body(&declaration.name, &declaration.arguments, &declaration.returns, text)?;
        Ok(self.uses())
    }

    pub(crate) fn known_body(&self, id: &BodyId) -> Option<Expr> {
        self.user_defined.bodies.borrow().get(id).cloned()
    }

    /// # Errors
    /// `TooComplex` for a function that calls itself, or calls that nest deeper than `depth_max`.
    pub(crate) fn enter_body(&self, id: &BodyId, depth_max: usize) -> Result<()> {
        let mut reading = self.user_defined.reading.borrow_mut();
        if reading.contains(id) {
            let error = Error::new(ErrorCode::TooComplex, "it calls itself");
            return Err(error.with_hint("a function in SQL is an expression, which has no recursion"));
        }
        if reading.len() >= depth_max {
            return Err(Error::new(ErrorCode::TooComplex, "functions in SQL call each other too deep"));
        }
        reading.push(id.clone());
        Ok(())
    }

    pub(crate) fn leave_body(&self, id: BodyId, body: Option<&Expr>) {
        self.user_defined.reading.borrow_mut().pop();
        if let Some(body) = body {
            self.user_defined.bodies.borrow_mut().insert(id, body.clone());
        }
    }

    /// The type of an expression once its operands have been made to fit.
    ///
    /// # Errors
    /// Those of operands that cannot be.
    pub(crate) fn checked_type(&self, expr: &Expr, schema: &DFSchema) -> Result<DataType, DataFusionError> {
        let context = SimplifyContext::builder()
            .with_schema(Arc::new(schema.clone()))
            .with_config_options(Arc::clone(&self.config))
            .build();
        ExprSimplifier::new(context).coerce(expr.clone(), schema)?.get_type(schema)
    }

    pub(crate) fn scope<'s>(&'s self, sql: &'s str) -> Scope<'s> {
        Scope { sql, registry: self.registry, functions: self.world }
    }

    fn resolve(&self, name: &str) -> Result<Arc<ResolvedTable>> {
        if let Some(table) = self.resolved.borrow().get(name) {
            return Ok(Arc::clone(table));
        }
        let table = self.world.table(name)?.ok_or_else(|| self.unknown_table(name))?;
        self.resolved.borrow_mut().insert(name.to_owned(), Arc::clone(&table));
        Ok(table)
    }

    /// As [`resolve`](Self::resolve); `key` is the table's name with its version.
    fn table_at(&self, key: &str, name: &str, at: &AsOf) -> Result<Arc<ResolvedTable>> {
        if let Some(table) = self.resolved.borrow().get(key) {
            return Ok(Arc::clone(table));
        }
        let table = self.world.table_at(name, at)?.ok_or_else(|| self.unknown_table(name))?;
        self.resolved.borrow_mut().insert(key.to_owned(), Arc::clone(&table));
        Ok(table)
    }

    fn unknown_table(&self, name: &str) -> Error {
        let error = Error::new(ErrorCode::UndefinedTable, format!("there is no table {}", quoted(name)));
        let mut names = self.world.table_names();
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

    fn stands_in_from(&self, name: &str) -> bool {
        let is_table = |overload: &Arc<FunctionDefinition>| overload.kind == FunctionKind::Table;
        self.world.operator(name).is_some() || self.overloads(name).iter().any(is_table)
    }

    fn series(&self, function: &str, arguments: Vec<Expr>) -> Result<Arc<dyn TableSource>, DataFusionError> {
        let mut constants = Vec::with_capacity(arguments.len());
        for argument in arguments {
            let written = argument.to_string();
            match folded(argument, &self.config)? {
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

fn no_versions(view: &str) -> Error {
    Error::unsupported(format!("view {} has no versions", quoted(view)))
        .with_hint("write FOR VERSION AS OF behind the tables that it reads")
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

/// A name as it was written.
pub(crate) fn table_name(name: &TableReference) -> TableName {
    match name {
        TableReference::Bare { table } => table.to_string(),
        TableReference::Partial { schema, table } => format!("{schema}.{table}"),
        TableReference::Full { catalog, schema, table } => format!("{catalog}.{schema}.{table}"),
    }
}

impl ContextProvider for Context<'_> {
    fn get_table_source(&self, name: TableReference) -> Result<Arc<dyn TableSource>, DataFusionError> {
        let name = table_name(&name);
        let read = self.calls.read(&name);
        let table = match &read {
            Some((table, TableRead::At(at))) => self.table_at(&name, table, at).map_err(external)?,
            Some((table, TableRead::WithRowIdentity)) => self.resolve(table).map_err(external)?,
            None => self.resolve(&name).map_err(external)?,
        };
        match &table.content {
            TableContent::Data { .. } if matches!(read, Some((_, TableRead::WithRowIdentity))) => {
                Ok(Arc::new(TableHandle(table)))
            }
            TableContent::Data { .. } => without_row_identity(table, name),
            TableContent::View { .. } if read.is_some() => Err(external(no_versions(&table.name))),
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
        let theirs = self.world.function_names();
        let ours = TABLE_FUNCTIONS.iter().map(|(name, _, _)| *name);
        let names = ours.chain(theirs.iter().map(String::as_str).filter(|name| self.stands_in_from(name)));
        Err(external(match nearest(&function, names.clone()) {
            Some(near) => error.with_hint(did_you_mean(near)),
            None if self.registry.names().contains(&function.as_str())
                || !self.overloads(&function).is_empty() =>
            {
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
        let of_session = || SessionFunction::named(name, self.world).map(Arc::new);
        self.registry.scalar.get(name).cloned().or_else(of_session).or_else(|| {
            let overloads = self.of_kind(name, FunctionKind::Scalar)?;
            Some(Arc::new(GuestUdf::named(name, overloads)))
        })
    }

    fn get_higher_order_meta(&self, name: &str) -> Option<Arc<HigherOrderUDF>> {
        self.registry.higher_order.get(name).cloned()
    }

    fn get_aggregate_meta(&self, name: &str) -> Option<Arc<AggregateUDF>> {
        self.registry.aggregate.get(name).cloned().or_else(|| {
            let overloads = self.of_kind(name, FunctionKind::Aggregate)?;
            Some(Arc::new(GuestUdaf::named(name, overloads)))
        })
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
pub(crate) struct NoTables;

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

impl FunctionLookup for NoTables {
    fn functions(&self, _: &str) -> Vec<Arc<FunctionDefinition>> {
        Vec::new()
    }

    fn operator(&self, _: &str) -> Option<Arc<OperatorDefinition>> {
        None
    }

    fn function_names(&self) -> Vec<String> {
        Vec::new()
    }

    fn evaluate(&self, function: &Arc<GuestFunction>, _: &[ArrayRef], _: usize) -> Result<ArrayRef> {
        Err(Error::internal(format!("there is no function {function}")))
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
