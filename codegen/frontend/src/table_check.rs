//! What a table is made with, checked when it is made: defaults and conditions.

use arrow::datatypes::{DataType, Schema};
use datafusion_common::DFSchema;
use datafusion_common::tree_node::{TreeNode, TreeNodeRecursion};
use datafusion_expr::Expr;
use nyala_schema::lookup::World;
use nyala_schema::{Error, ErrorCode, Result};

use crate::assignment::is_assignable;
use crate::context::{Context, StackSize};
use crate::diagnose::translate;
use crate::optimize::default_config;
use crate::parse::parse_kept_expression;
use crate::plan::Frontend;
use crate::shape::Shape;
use crate::suggest::quoted;
use crate::types::sql_name;

impl Frontend {
    /// Checks the text of a column's default: an expression without columns, subqueries and aggregates, of a type that the
    /// column can take.
    ///
    /// # Errors
    /// What is wrong with it, with the column's name.
    pub fn check_default(
        &self,
        column: &str,
        data_type: &DataType,
        default: &str,
        world: &dyn World,
    ) -> Result<()> {
        let what = format!("DEFAULT of {}", quoted(column));
        Shape::of(default).run(|| {
            let context = Context::new(world, default_config(), StackSize::Usual);
            let written = parse_kept_expression(default).map_err(|error| of(&what, &error))?;
            crate::dml::check_literal(column, data_type, &written)?;
            let schema = DFSchema::empty();
            let planned = context.plan_expr(default, &written, &schema).map_err(|error| of(&what, &error))?;
            check_row_expression(&context, &planned, &what)?;
            let given = context.checked_type(&planned, &schema);
            let given = given.map_err(|error| of(&what, &translate(error, &context.scope(default))))?;
            if is_assignable(&given, data_type) {
                return Ok(());
            }
            let message =
                format!("{what} is {}, but the column is {}", sql_name(&given), sql_name(data_type));
            Err(Error::new(ErrorCode::DatatypeMismatch, message))
        })
    }

    /// Checks the text of a CHECK: a condition over the table's columns, without subqueries and aggregates. `table` is the
    /// name that its columns may be written with.
    ///
    /// # Errors
    /// What is wrong with it, with the name of the check if it has one.
    pub fn check_condition(
        &self,
        table: &str,
        columns: &Schema,
        name: Option<&str>,
        condition: &str,
        world: &dyn World,
    ) -> Result<()> {
        let what =
            name.map_or_else(|| format!("CHECK ({condition})"), |name| format!("CHECK {}", quoted(name)));
        let short = nyala_schema::table::split_name(table).1;
        Shape::of(condition).run(|| {
            let context = Context::new(world, default_config(), StackSize::Usual);
            let written = parse_kept_expression(condition).map_err(|error| of(&what, &error))?;
            let schema = DFSchema::try_from_qualified_schema(short, columns)
                .map_err(|error| of(&what, &translate(error, &context.scope(condition))))?;
            let planned =
                context.plan_expr(condition, &written, &schema).map_err(|error| of(&what, &error))?;
            check_row_expression(&context, &planned, &what)?;
            if planned.is_volatile() {
                let error = Error::unsupported(format!("{what} gives another answer each time"));
                return Err(error.with_hint("write it with the columns of the row alone"));
            }
            let given = context.checked_type(&planned, &schema);
            let given = given.map_err(|error| of(&what, &translate(error, &context.scope(condition))))?;
            if matches!(given, DataType::Boolean | DataType::Null) {
                return Ok(());
            }
            let message = format!("{what} is {}: it takes a condition", sql_name(&given));
            Err(Error::new(ErrorCode::DatatypeMismatch, message))
        })
    }
}

/// What is wrong with a text that a statement only quotes has no place in the statement.
fn of(what: &str, error: &Error) -> Error {
    let outer = Error::new(error.code(), format!("{what}: {}", error.message()));
    match error.hint() {
        Some(hint) => outer.with_hint(hint),
        None => outer,
    }
}

/// Only of one row, and of functions that are always there.
fn check_row_expression(context: &Context, expr: &Expr, what: &str) -> Result<()> {
    let mut wrong = None;
    let walked = expr.apply(|part| {
        wrong = match part {
            Expr::AggregateFunction(_) | Expr::WindowFunction(_) => {
                Some((ErrorCode::Grouping, "an aggregate"))
            }
            Expr::ScalarSubquery(_) | Expr::Exists(_) | Expr::InSubquery(_) | Expr::SetComparison(_) => {
                Some((ErrorCode::Unsupported, "a subquery"))
            }
            _ => None,
        };
        Ok(if wrong.is_some() { TreeNodeRecursion::Stop } else { TreeNodeRecursion::Continue })
    });
    walked.map_err(|error| Error::internal(error.to_string()))?;
    if let Some((code, part)) = wrong {
        let error = Error::new(code, format!("{what} has {part}, but it is of one row alone"));
        return Err(error);
    }
    match context.uses().first() {
        Some(function) => {
            let message = format!("{what} uses {}, which somebody may drop", quoted(function));
            Err(Error::unsupported(message).with_hint("only built-in functions stand in what a table keeps"))
        }
        None => Ok(()),
    }
}
