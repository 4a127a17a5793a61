//! What ALTER TABLE must know of the rows that are there.

use nyala_schema::Result;
use sqlparser::ast::{Expr, LimitClause, Query, SelectItem, WildcardAdditionalOptions};

use super::tree;

/// One row that violates the condition of a CHECK that is to be added; none when there is no such row.
///
/// # Errors
/// A condition that cannot be read.
pub fn check_query(table: &str, condition: &str) -> Result<Box<Query>> {
    let condition = crate::parse::parse_kept_expression(condition)?;
    one_row(table, tree::is_false(condition))
}

/// One row that has NULL in a column that is to be NOT NULL; none when there is no such row.
///
/// # Errors
/// None that a table's name and column can cause.
pub fn not_null_query(table: &str, column: &str) -> Result<Box<Query>> {
    one_row(table, tree::is_null(tree::column(column)))
}

fn one_row(table: &str, condition: Expr) -> Result<Box<Query>> {
    let all = SelectItem::Wildcard(WildcardAdditionalOptions::default());
    let tables = vec![tree::from(tree::named_table(table))];
    let mut query = tree::select_query(tree::select(vec![all], tables, Some(condition))?);
    query.limit_clause =
        Some(LimitClause::LimitOffset { limit: Some(tree::number(1)), offset: None, limit_by: Vec::new() });
    Ok(Box::new(query))
}
