//! Plans over TPC-H at scale 1.

mod catalog;
mod choices;
mod cluster;
mod fragments;
mod goldens;
mod handmade;
mod shapes;
mod skew;
mod soundness;
mod uploads;

use std::path::{Path, PathBuf};

use catalog::Tpch;
use datafusion_expr::LogicalPlan;
use nyala_frontend::{Frontend, Statement, parse};
use nyala_schema::option::Options;
use nyala_schema::{Fragment, Operator, Result};

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).to_owned()
}

/// The text of a TPC-H query.
fn query(number: usize) -> String {
    let path = folder().join(format!("../../tests/tpch/queries/q{number:02}.sql"));
    let sql = std::fs::read_to_string(path).expect("the query's file");
    sql.trim().trim_end_matches(';').to_owned()
}

fn logical(sql: &str) -> Result<LogicalPlan> {
    let Statement::Query(query) = parse(sql)? else { panic!("not a query: {sql}") };
    Frontend::new().plan_query(sql, &query, &Tpch, &Options::default())
}

fn plan_with(sql: &str, options: &Options) -> Result<Vec<Fragment>> {
    nyala_planner::plan(&logical(sql)?, 7, options)
}

fn plan(sql: &str) -> Result<Vec<Fragment>> {
    plan_with(sql, &Options::default())
}

/// The operators of a query that must be plannable.
fn operators(sql: &str) -> Operator {
    plan(sql).expect("a plan").remove(0).root
}

/// TPC-H, the queries that are compared with another engine, and one of every shape.
fn every_query() -> Vec<String> {
    let mut queries: Vec<String> = (1..=22).map(query).collect();
    let files = std::fs::read_dir(folder().join("../../tests/differential")).expect("the folder");
    for file in files {
        let text = std::fs::read_to_string(file.expect("a file").path()).expect("its text");
        queries.extend(nyala_frontend::split(&text).into_iter().map(|(_, sql)| sql));
    }
    queries.extend(shapes::QUERIES.iter().map(|sql| (*sql).to_owned()));
    queries
}
