//! Functions written in SQL: their bodies take the place of calls.

use std::sync::Arc;

use arrow::compute::can_cast_types;
use arrow::datatypes::{DataType, Field};
use datafusion_common::tree_node::{Transformed, TreeNode, TreeNodeRecursion};
use datafusion_common::{Column, DFSchema, DataFusionError, ScalarValue};
use datafusion_expr::expr::Case;
use datafusion_expr::{Cast, Expr, ExprSchemable};
use datafusion_sql::planner::{PlannerContext, SqlToRel};
use nyala_schema::function::{Argument, FunctionDefinition};
use nyala_schema::{Error, ErrorCode, Result};
use sqlparser::ast::{Expr as SqlExpr, GroupByExpr, SelectItem, SetExpr};

use crate::context::{Context, external};
use crate::diagnose::translate;
use crate::parse::parse;
use crate::statement::Statement;
use crate::suggest::quoted;
use crate::types::sql_name;

/// Functions in SQL that call each other.
const DEPTH_MAX: usize = 16;
/// Nodes of one call's expression, after all calls in it were replaced.
const NODES_MAX: usize = 10_000;

/// An overload whose body is being read.
pub(crate) type BodyId = (String, Vec<DataType>);

impl Context<'_> {
    /// The body of a function in SQL over `args`, which have the types of its arguments.
    pub(crate) fn inlined(
        &self,
        definition: &FunctionDefinition,
        text: &str,
        strict: bool,
        args: Vec<Expr>,
        schema: &DFSchema,
    ) -> Result<Expr, DataFusionError> {
        let body = self.sql_body(&definition.name, &definition.arguments, &definition.returns, text);
        let body = body.map_err(external)?;
        let nullable = args.iter().map(|arg| arg.nullable(schema)).collect::<Result<Vec<_>, _>>()?;
        let checked: Vec<&Expr> = args
            .iter()
            .zip(&nullable)
            .filter(|(_, nullable)| strict && **nullable)
            .map(|(arg, _)| arg)
            .collect();
        refuse_copies(definition, &body, &args, &nullable, strict).map_err(external)?;
        let any_null = checked.into_iter().map(|arg| arg.clone().is_null()).reduce(Expr::or);
        let mut nodes = 0usize;
        let replaced = body.transform_up(|expr| {
            let Expr::Column(column) = &expr else { return Ok(Transformed::no(expr)) };
            match definition.arguments.iter().position(|argument| argument.name == column.name) {
                Some(index) => {
                    let arg = args[index].clone();
                    nodes += size(&arg)?;
                    if nodes > NODES_MAX {
                        let message = format!("calls of {} grow too large", quoted(&definition.name));
                        let error = Error::new(ErrorCode::TooComplex, message);
                        return Err(external(error.with_hint("compute its arguments in a subquery first")));
                    }
                    Ok(Transformed::yes(arg))
                }
                None => Ok(Transformed::no(expr)),
            }
        })?;
        // With constants for arguments, calls in the body may have become constant.
        let replaced = replaced.data.transform_up(|expr| self.refolded(expr))?;
        let Some(any_null) = any_null else { return Ok(replaced.data) };
        let null = ScalarValue::try_from(&definition.returns)?;
        Ok(Expr::Case(Case {
            expr: None,
            when_then_expr: vec![(Box::new(any_null), Box::new(Expr::Literal(null, None)))],
            else_expr: Some(Box::new(replaced.data)),
        }))
    }

    /// The body as an expression over columns that are called as the arguments are, in the type that is returned.
    ///
    /// # Errors
    /// What is wrong with it, with the function's name.
    pub(crate) fn sql_body(
        &self,
        name: &str,
        arguments: &[Argument],
        returns: &DataType,
        text: &str,
    ) -> Result<Expr> {
        let id: BodyId = (name.to_owned(), arguments.iter().map(|a| a.data_type.clone()).collect());
        if let Some(body) = self.known_body(&id) {
            return Ok(body);
        }
        let in_function = |error: Error| {
            let outer = Error::new(error.code(), format!("function {}: {}", quoted(name), error.message()));
            match error.hint() {
                Some(hint) => outer.with_hint(hint),
                None => outer,
            }
        };
        self.enter_body(&id, DEPTH_MAX).map_err(in_function)?;
        let body = self.read_body(arguments, returns, text).map_err(in_function);
        self.leave_body(id, body.as_ref().ok());
        body
    }

    fn read_body(&self, arguments: &[Argument], returns: &DataType, text: &str) -> Result<Expr> {
        let fields = arguments.iter().map(|argument| {
            let field = Field::new(&argument.name, argument.data_type.clone(), true);
            (None, Arc::new(field))
        });
        let planning = |error| translate(error, &self.scope(text));
        let schema = DFSchema::new_with_metadata(fields.collect(), Default::default()).map_err(planning)?;
        let body = expression(text)?;
        let body =
            SqlToRel::new(self).sql_to_expr(body, &schema, &mut PlannerContext::new()).map_err(planning)?;
        refuse_in_body(&body)?;
        let body = self.resolve_expr(body, &schema).map_err(planning)?.data;
        let given = self.checked_type(&body, &schema).map_err(planning)?;
        if given == *returns {
            return Ok(body);
        }
        if given != DataType::Null && !can_cast_types(&given, returns) {
            let message = format!("it gives {}, not {}", sql_name(&given), sql_name(returns));
            return Err(Error::new(ErrorCode::DatatypeMismatch, message));
        }
        Ok(Expr::Cast(Cast::new(Box::new(body), returns.clone())))
    }
}

/// One expression from text.
fn expression(text: &str) -> Result<SqlExpr> {
    let not_one = || {
        Error::new(ErrorCode::Syntax, "a body is one expression over the arguments")
            .with_hint("write, for instance, AS $$ x * 2 $$")
    };
    let Statement::Query(query) = parse(&format!("SELECT\n{text}\n"))? else { return Err(not_one()) };
    let is_plain = query.with.is_none() && query.order_by.is_none() && query.limit_clause.is_none();
    let SetExpr::Select(select) = *query.body else { return Err(not_one()) };
    let is_ungrouped = matches!(&select.group_by, GroupByExpr::Expressions(keys, _) if keys.is_empty());
    let is_alone = select.from.is_empty() && select.selection.is_none() && select.having.is_none();
    if !(is_plain && is_ungrouped && is_alone && select.distinct.is_none()) {
        return Err(not_one());
    }
    match <[SelectItem; 1]>::try_from(select.projection) {
        Ok([SelectItem::UnnamedExpr(expr) | SelectItem::ExprWithAlias { expr, .. }]) => Ok(expr),
        _ => Err(not_one()),
    }
}

fn refuse_in_body(body: &Expr) -> Result<()> {
    let mut refused = None;
    let walked = body.apply(|expr| {
        refused = refused.or(match expr {
            Expr::ScalarSubquery(_) | Expr::Exists(_) | Expr::InSubquery(_) | Expr::SetComparison(_) => {
                Some(("a subquery", "write a view"))
            }
            Expr::AggregateFunction(_) => {
                Some(("an aggregate", "write the expression around it in the query"))
            }
            Expr::WindowFunction(_) => {
                Some(("a window function", "write the expression around it in the query"))
            }
            _ => None,
        });
        Ok(TreeNodeRecursion::Continue)
    });
    walked.map_err(|error| Error::internal(error.to_string()))?;
    match refused {
        Some((what, hint)) => {
            Err(Error::unsupported(format!("{what} in its body is not supported")).with_hint(hint))
        }
        None => Ok(()),
    }
}

/// A volatile argument must be evaluated once.
fn refuse_copies(
    definition: &FunctionDefinition,
    body: &Expr,
    args: &[Expr],
    nullable: &[bool],
    strict: bool,
) -> Result<()> {
    for ((argument, arg), nullable) in definition.arguments.iter().zip(args).zip(nullable) {
        if !arg.is_volatile() {
            continue;
        }
        let uses = uses(body, &argument.name).map_err(|error| Error::internal(error.to_string()))?;
        if uses + usize::from(strict && *nullable) > 1 {
            let message = format!(
                "function {} needs argument {} more than once, but it is volatile",
                quoted(&definition.name),
                quoted(&argument.name)
            );
            return Err(Error::unsupported(message)
                .with_hint("compute the argument in a subquery: SELECT f(v) FROM (SELECT random() AS v …)"));
        }
    }
    Ok(())
}

fn uses(body: &Expr, name: &str) -> Result<usize, DataFusionError> {
    let mut count = 0;
    body.apply(|expr| {
        count += usize::from(matches!(expr, Expr::Column(Column { name: column, .. }) if column == name));
        Ok(TreeNodeRecursion::Continue)
    })?;
    Ok(count)
}

fn size(expr: &Expr) -> Result<usize, DataFusionError> {
    let mut count = 0;
    expr.apply(|_| {
        count += 1;
        Ok(TreeNodeRecursion::Continue)
    })?;
    Ok(count)
}
