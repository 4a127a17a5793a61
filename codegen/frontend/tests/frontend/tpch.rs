//! All queries of TPC-H become plans of joins.

use datafusion_common::tree_node::{TreeNode, TreeNodeRecursion};
use datafusion_expr::{Expr, LogicalPlan};
use nyala_frontend::{Frontend, Statement, logical_text, parse};
use nyala_schema::option::Options;

use crate::tables::Tables;

/// Query `number` of the benchmark, as the project's tests keep it.
fn query(number: usize) -> String {
    let path = format!("{}/../../tests/tpch/queries/q{number:02}.sql", env!("CARGO_MANIFEST_DIR"));
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path}: {error}"))
}

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
    for number in 1..=22 {
        let sql = query(number);
        let Ok(Statement::Query(parsed)) = parse(&sql) else { panic!("Q{number}: not a query") };
        let plan = Frontend::new().plan_query(&sql, &parsed, &tables, &Options::default());
        let plan = plan.unwrap_or_else(|error| panic!("Q{number}: {error:?}"));
        let text = logical_text(&plan);
        assert!(!has_subquery(&plan), "Q{number}:\n{text}");
        assert!(!text.contains("Cross Join:") || text.contains("__scalar_sq"), "Q{number}:\n{text}");
    }
}

#[test]
fn constants_are_exact_and_filters_are_in_the_scan() {
    let text = logical_text(&crate::tables::plan(&query(6)).expect("Q6 plans"));
    assert!(text.contains("full_filters=["), "{text}");
    assert!(text.contains("Decimal128(0.05,15,2)"), "{text}");
    assert!(!text.contains("Filter:") && !text.contains("Float64"), "{text}");
}
