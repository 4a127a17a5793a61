//! DataFusion's logical plan in our algebra: a translation without choices.

mod aggregate;
mod constant;
mod expression;
mod function;
mod grouping;
mod guest;
mod join;
mod literal;
mod pattern;
mod query;
mod recursion;
mod scan;
mod scope;
mod subquery;
mod unnest;
mod window;

use datafusion_common::DataFusionError;
use datafusion_expr::LogicalPlan;
use nyala_schema::{Error, ErrorCode, Result};

use crate::column::{ColumnId, Columns};
use crate::relation::Relation;

pub use scope::Scope;

/// A relation and its columns in the order of the logical plan's schema.
#[derive(Debug)]
pub struct Lowered {
    pub relation: Relation,
    pub columns: Vec<ColumnId>,
}

/// Translates an optimised plan.
///
/// # Errors
/// `Unsupported` for what we do not run.
pub fn lower(plan: &LogicalPlan, columns: &mut Columns) -> Result<Lowered> {
    let mut lowering = Lowering { columns, subqueries: vec![], recursions: vec![], recursion_count: 0 };
    lowering.query(plan)
}

/// The state of one translation.
pub struct Lowering<'a> {
    pub columns: &'a mut Columns,
    /// Scalar subqueries of expressions whose input has not been joined with them yet.
    subqueries: Vec<subquery::ScalarSubquery>,
    /// The `WITH RECURSIVE` queries around the current place, innermost last.
    recursions: Vec<recursion::ActiveRecursion>,
    recursion_count: u32,
}

fn from_datafusion(error: DataFusionError) -> Error {
    match error.find_root() {
        DataFusionError::NotImplemented(message) => Error::unsupported(message.clone()),
        DataFusionError::Plan(message) => Error::new(ErrorCode::InvalidParameter, message.clone()),
        other => Error::internal(other.to_string()),
    }
}
