//! Logical plans that are built by hand, for what the optimizer would rewrite.

use std::sync::Arc;

use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use datafusion_expr::{LogicalPlan, LogicalPlanBuilder, TableSource, col, lit};
use nyala_frontend::TableHandle;
use nyala_schema::lookup::TableLookup;
use nyala_schema::operator::OperatorKind;
use nyala_schema::option::Options;
use nyala_schema::{ErrorCode, Operator};

use crate::catalog::Tpch;

/// What a recursive query reads of itself.
struct WorkTable(SchemaRef);

impl TableSource for WorkTable {
    fn schema(&self) -> SchemaRef {
        self.0.clone()
    }
}

fn scan(table: &str) -> LogicalPlanBuilder {
    let resolved = Tpch.table(table).expect("a lookup").expect("a table");
    LogicalPlanBuilder::scan(table, Arc::new(TableHandle(resolved)), None).expect("a scan")
}

fn planned(logical: &LogicalPlan) -> Operator {
    let root = nyala_planner::plan_operators(logical, &Options::default()).expect("a plan");
    nyala_planner::verify::verify(&root).expect("a sound plan");
    root
}

#[test]
fn a_recursive_query_reads_its_last_round() {
    let schema = Arc::new(Schema::new(vec![Field::new("n", DataType::Int32, true)]));
    let work = LogicalPlanBuilder::scan("t", Arc::new(WorkTable(schema)), None).expect("a scan");
    let step = work.filter(col("t.n").lt(lit(5))).expect("a filter");
    let step =
        step.project([(col("t.n") + lit(1)).alias("n")]).expect("a projection").build().expect("a plan");
    let seed = LogicalPlanBuilder::empty(true).project([lit(1).alias("n")]).expect("a projection");
    let query = seed.to_recursive_query("t".into(), step, true).expect("a query").build().expect("a plan");
    let root = planned(&query);
    let OperatorKind::Recursion { distinct: true, id } = root.kind else { panic!("{root}") };
    let mut read = vec![];
    root.inputs[1].for_each(&mut |operator| {
        if let OperatorKind::RecursionInput { id } = operator.kind {
            read.push(id);
        }
    });
    assert_eq!(read, [id]);
}

#[test]
fn distinct_on_takes_first_values_in_order() {
    let by = vec![col("n_regionkey").sort(true, false), col("n_name").sort(false, true)];
    let plan = scan("nation").distinct_on(vec![col("n_regionkey")], vec![col("n_name")], Some(by));
    let root = planned(&plan.expect("distinct on").build().expect("a plan"));
    let mut calls = vec![];
    root.for_each(&mut |operator| {
        if let OperatorKind::Aggregate { aggregates, .. } = &operator.kind {
            calls.extend(aggregates.iter().map(ToString::to_string));
        }
    });
    assert_eq!(calls, ["first_value(#0 ORDER BY #1 ASC NULLS LAST, #0 DESC NULLS FIRST)"], "{root}");
}

#[test]
fn what_is_not_supported_is_named() {
    let logical = scan("nation").filter(datafusion_expr::placeholder("$1").eq(col("n_name")));
    let logical = logical.expect("a filter").build().expect("a plan");
    let error = nyala_planner::plan(&logical, 7, &Options::default()).expect_err("no value");
    assert_eq!(error.code(), ErrorCode::Unsupported);
    assert!(error.message().contains("$1"), "{error}");
}
