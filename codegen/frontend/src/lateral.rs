//! Table functions over the rows before them: `FROM t, f(t.x)`.

use std::sync::Arc;

use datafusion_common::tree_node::{Transformed, TreeNode};
use datafusion_common::{DataFusionError, JoinType};
use datafusion_expr::logical_plan::{Extension, Join};
use datafusion_expr::{Expr, Filter, LogicalPlan};
use nyala_schema::Error;
use sqlparser::ast::{Select, TableFactor};

use crate::context::external;
use crate::guest_node::TableFunctionNode;
use crate::normalize::name_of;
use crate::registry::TABLE_FUNCTIONS;
use crate::relation::FILE_FUNCTIONS;
use crate::table_argument::is_table_argument;

/// Every function in FROM that is not the first may read the tables before it.
pub(crate) fn mark_lateral(select: &mut Select) {
    for (index, table) in select.from.iter_mut().enumerate() {
        let first = (index > 0).then_some(&mut table.relation);
        for factor in first.into_iter().chain(table.joins.iter_mut().map(|join| &mut join.relation)) {
            mark(factor);
        }
    }
}

fn mark(factor: &mut TableFactor) {
    let TableFactor::Table { name, args: Some(args), alias, .. } = factor else { return };
    let Some(called) = name_of(name) else { return };
    let is_ours =
        TABLE_FUNCTIONS.iter().map(|(known, ..)| *known).chain(FILE_FUNCTIONS).any(|known| known == called);
    if is_ours || args.args.iter().any(is_table_argument) {
        return;
    }
    *factor = TableFactor::Function {
        lateral: true,
        name: name.clone(),
        args: std::mem::take(&mut args.args),
        with_ordinality: false,
        alias: alias.take(),
    };
}

/// A join with a table function that reads its left side becomes that function over the left side.
pub(crate) fn lateral_to_function(plan: LogicalPlan) -> Result<Transformed<LogicalPlan>, DataFusionError> {
    let LogicalPlan::Join(join) = &plan else { return Ok(Transformed::no(plan)) };
    let Some(function) = correlated(&join.right) else { return Ok(Transformed::no(plan)) };
    if join.join_type != JoinType::Inner {
        let message = format!("an outer join with table function {} is not supported", function.function);
        return Err(external(Error::unsupported(message).with_hint("write CROSS JOIN LATERAL, or a comma")));
    }
    let node = over(join, function)?;
    let node = LogicalPlan::Extension(Extension { node: Arc::new(node) });
    let keys = join.on.iter().map(|(left, right)| left.clone().eq(right.clone()));
    let condition = keys.chain(join.filter.clone()).reduce(Expr::and);
    Ok(Transformed::yes(match condition {
        Some(condition) => LogicalPlan::Filter(Filter::try_new(condition, Arc::new(node))?),
        None => node,
    }))
}

/// The function below the aliases and renamings of a lateral relation.
fn correlated(plan: &LogicalPlan) -> Option<&TableFunctionNode> {
    let mut plan = plan;
    let mut is_lateral = false;
    loop {
        plan = match plan {
            LogicalPlan::SubqueryAlias(alias) => &alias.input,
            LogicalPlan::Subquery(subquery) => {
                is_lateral = true;
                &subquery.subquery
            }
            LogicalPlan::Projection(projection) if is_lateral => &projection.input,
            LogicalPlan::Extension(extension) if is_lateral => {
                let function = extension.node.as_any().downcast_ref::<TableFunctionNode>()?;
                return function.input.schema().fields().is_empty().then_some(function);
            }
            _ => return None,
        };
    }
}

fn over(join: &Join, function: &TableFunctionNode) -> Result<TableFunctionNode, DataFusionError> {
    let named = join.right.schema().iter().map(|(qualifier, field)| (qualifier.cloned(), Arc::clone(field)));
    let columns: Vec<_> = named.collect();
    if columns.len() != function.columns.len() {
        return Err(external(Error::unsupported("a lateral relation that is more than a table function")));
    }
    let arguments = function.arguments.iter().map(|argument| {
        let read = argument.clone().transform_up(|expr| {
            Ok(match expr {
                Expr::OuterReferenceColumn(_, column) if join.left.schema().has_column(&column) => {
                    Transformed::yes(Expr::Column(column))
                }
                other => Transformed::no(other),
            })
        });
        Ok(read?.data)
    });
    let arguments = arguments.collect::<Result<Vec<_>, DataFusionError>>()?;
    TableFunctionNode::new(join.left.as_ref().clone(), Arc::clone(&function.function), arguments, columns)
}
