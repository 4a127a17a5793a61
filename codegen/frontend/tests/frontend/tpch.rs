//! All queries of TPC-H become plans of joins.

use datafusion_common::tree_node::{TreeNode, TreeNodeRecursion};
use datafusion_expr::{Expr, LogicalPlan};
use nyala_frontend::{Frontend, Statement, logical_text, parse, split};
use nyala_schema::option::Options;

use crate::tables::Tables;

const QUERIES: &str = include_str!("tpch.sql");

fn has_subquery(plan: &LogicalPlan) -> bool {
    let mut found = false;
    let walked = plan.apply_with_subqueries(|node| {
        found |= matches!(node, LogicalPlan::Subquery(_));
        node.apply_expressions(|expr| {
            expr.apply(|part| {
                found |= matches!(
                    part,
                    Expr::ScalarSubquery(_)
                        | Expr::Exists(_)
                        | Expr::InSubquery(_)
                        | Expr::OuterReferenceColumn(..)
                );
                Ok(TreeNodeRecursion::Continue)
            })
        })
    });
    walked.is_err() || found
}

#[test]
fn every_query_plans_without_subqueries() {
    let tables = Tables::tpch();
    let statements = split(QUERIES);
    assert_eq!(statements.len(), 22);
    for (number, (_, sql)) in statements.iter().enumerate() {
        let Ok(Statement::Query(query)) = parse(sql) else { panic!("Q{}: not a query", number + 1) };
        let plan = Frontend::new().plan_query(sql, &query, &tables, &Options::default());
        let plan = plan.unwrap_or_else(|error| panic!("Q{}: {error:?}", number + 1));
        let text = logical_text(&plan);
        assert!(!has_subquery(&plan), "Q{}:\n{text}", number + 1);
        assert!(!text.contains("Cross Join:") || text.contains("__scalar_sq"), "Q{}:\n{text}", number + 1);
    }
}

#[test]
fn constants_are_exact_and_filters_are_in_the_scan() {
    let (_, sql) = &split(QUERIES)[5];
    let text = logical_text(&crate::tables::plan(sql).expect("Q6 plans"));
    assert!(text.contains("full_filters=["), "{text}");
    assert!(text.contains("Decimal128(0.05,15,2)"), "{text}");
    assert!(!text.contains("Filter:") && !text.contains("Float64"), "{text}");
}
