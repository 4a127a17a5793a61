//! A table as DataFusion's planner sees it.

use std::sync::Arc;

use arrow::datatypes::SchemaRef;
use datafusion_common::Result;
use datafusion_common::tree_node::{TreeNode, TreeNodeRecursion};
use datafusion_expr::{Expr, TableProviderFilterPushDown, TableSource};
use nyala_schema::lookup::ResolvedTable;

/// The source of a scan of a table's own rows: never of a view, which is planned in place.
pub struct TableHandle(pub Arc<ResolvedTable>);

impl TableSource for TableHandle {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.0.schema)
    }

    /// A scan keeps exactly the rows that its filters accept, so that nothing need be checked above it.
    fn supports_filters_pushdown(&self, filters: &[&Expr]) -> Result<Vec<TableProviderFilterPushDown>> {
        filters
            .iter()
            .map(|filter| {
                Ok(if has_subquery(filter)? {
                    TableProviderFilterPushDown::Unsupported
                } else {
                    TableProviderFilterPushDown::Exact
                })
            })
            .collect()
    }
}

fn has_subquery(expr: &Expr) -> Result<bool> {
    let mut found = false;
    expr.apply(|part| {
        found |= matches!(
            part,
            Expr::ScalarSubquery(_)
                | Expr::Exists(_)
                | Expr::InSubquery(_)
                | Expr::SetComparison(_)
                | Expr::OuterReferenceColumn(..)
        );
        Ok(if found { TreeNodeRecursion::Stop } else { TreeNodeRecursion::Continue })
    })?;
    Ok(found)
}
