//! Plans with functions and operators of users, as the statements below declare them.

use std::sync::Arc;

use arrow::array::ArrayRef;
use nyala_frontend::{Declaration, parse_manifest};
use nyala_schema::function::{FunctionBody, FunctionDefinition, FunctionVersion, OperatorDefinition};
use nyala_schema::guest::{GuestCode, GuestFunction, GuestOperator, Limits, ModuleHash, Tier};
use nyala_schema::lookup::FunctionLookup;
use nyala_schema::{Error, ErrorCode, Result};

use crate::catalog::Tpch;
use crate::operators;

const DECLARED: &str = "
    CREATE FUNCTION cheap (x BIGINT) RETURNS BIGINT COST 1;
    CREATE FUNCTION dear (x BIGINT) RETURNS BIGINT COST 1000;
    CREATE FUNCTION maybe (x TEXT) RETURNS TEXT CALLED ON NULL INPUT;
    CREATE FUNCTION vol (x BIGINT) RETURNS BIGINT VOLATILE;
    CREATE AGGREGATE FUNCTION total (x BIGINT) RETURNS BIGINT;
    CREATE TABLE FUNCTION words (line TEXT) RETURNS TABLE (place BIGINT, word TEXT) ROWS 8;
    CREATE OPERATOR sessionize (TABLE events PARTITION BY ORDER BY, gap INTERVAL)
      RETURNS INPUT AND (session_id BIGINT) ROWS 1 KEEPS ORDER;
    CREATE OPERATOR fill (TABLE series ORDER BY READS ALL, step INTERVAL) RETURNS LIKE INPUT AND (made BOOLEAN) ROWS 2;
    CREATE OPERATOR pairs (TABLE a PARTITION BY, TABLE b PARTITION BY READS ALL) RETURNS TABLE (x BIGINT) ROWS 0.5;
";

fn code(name: String, limits: Limits) -> GuestCode {
    GuestCode { export: name.clone(), name, version: 3, module: ModuleHash([0; 32]), limits }
}

fn declarations() -> Vec<Declaration> {
    parse_manifest(DECLARED).expect("declarations")
}

fn definition(declaration: Declaration) -> Option<FunctionDefinition> {
    let Declaration::Function(declared) = declaration else { return None };
    let (export, tier) = (declared.name.clone(), Tier::Batch);
    let version = FunctionVersion {
        number: 3,
        body: FunctionBody::Guest { module: ModuleHash([0; 32]), export, tier, source: None },
        volatility: declared.volatility,
        strict: declared.strict.unwrap_or(true),
        cost: declared.cost.unwrap_or(100),
        rows_per_row: declared.rows_per_row.unwrap_or(100),
        limits: declared.limits,
    };
    Some(FunctionDefinition {
        name: declared.name,
        kind: declared.kind,
        arguments: declared.arguments,
        returns: declared.returns,
        versions: vec![version],
        current: 3,
        module: None,
    })
}

fn operator(declaration: Declaration) -> Option<OperatorDefinition> {
    let Declaration::Operator(declared) = declaration else { return None };
    let operator = GuestOperator {
        code: code(declared.name.clone(), declared.limits),
        inputs: declared.inputs,
        parameters: declared.parameters,
        output: declared.output,
        rows_per_row: declared.rows_per_row.unwrap_or(100),
        cost: declared.cost.unwrap_or(100),
        keeps_order: declared.keeps_order,
    };
    Some(OperatorDefinition { name: declared.name, operator: Arc::new(operator), module: None })
}

impl FunctionLookup for Tpch {
    fn functions(&self, name: &str) -> Vec<Arc<FunctionDefinition>> {
        let all = declarations().into_iter().filter_map(definition);
        all.filter(|function| function.name == name).map(Arc::new).collect()
    }

    fn operator(&self, name: &str) -> Option<Arc<OperatorDefinition>> {
        declarations().into_iter().filter_map(operator).find(|operator| operator.name == name).map(Arc::new)
    }

    fn function_names(&self) -> Vec<String> {
        vec![]
    }

    fn evaluate(&self, function: &Arc<GuestFunction>, _: &[ArrayRef], _: usize) -> Result<ArrayRef> {
        Err(Error::new(ErrorCode::GuestFailed, format!("{function} was called")))
    }
}

#[test]
fn plans_are_as_expected() {
    let mut all = String::new();
    for sql in [
        "select cheap(o_orderkey) + 1, maybe(o_clerk) from orders where dear(o_custkey) > 1",
        "select n_regionkey, total(n_nationkey), total(distinct n_nationkey) from nation group by 1",
        "select total(n_nationkey) over (partition by n_regionkey order by n_name rows 2 preceding) from nation",
        "select n_name from nation join region on cheap(n_regionkey) = r_regionkey order by cheap(n_nationkey)",
        "select o_orderkey, word from orders, words(o_comment) where o_custkey = 7 and place < 3",
        "select word from words('a b c')",
        "select session_id, count(*) from sessionize(table orders partition by o_custkey order by o_orderdate, \
         gap => interval '1' day) where o_custkey < 100 and o_clerk = 'x' group by 1",
        "select o_orderkey, session_id from sessionize(table (select * from orders join customer on o_custkey = c_custkey) \
         partition by c_custkey order by o_orderdate desc, gap => interval '1' day)",
        "select o_orderkey, made from fill(table (select o_orderdate, o_orderkey from orders) order by o_orderdate, \
         step => interval '1' day)",
        "select x from pairs(table orders partition by o_custkey, table (select c_custkey, c_name from customer) partition by c_custkey)",
        "select a.vol + a.vol from (select vol(o_orderkey) as vol from orders) as a",
        "select * from (select vol(n_nationkey) as v from nation) where v > 1",
        "select n_name from nation join region on n_regionkey = r_regionkey where vol(n_nationkey) > 1",
        "select * from (select n_regionkey, count(*) from nation group by 1) where vol(n_regionkey) > 1",
        "select x from generate_series(1, 3) as t(x), words(x::text) where cheap(x) = 2",
    ] {
        all.push_str(&format!("{sql}\n{}\n", operators(sql)));
    }
    expect_test::expect_file!["uploads.txt"].assert_eq(&all);
}

/// The conditions of a scan of `orders` in the order in which they are asked.
fn conditions(condition: &str) -> String {
    let text = operators(&format!("select o_orderkey from orders where {condition}")).to_string();
    let (_, filters) = text.split_once("filters=[").expect("filters");
    filters.split("] rows").next().expect("an end").to_owned()
}

#[test]
fn cheap_conditions_that_cannot_fail_come_before_calls() {
    let first = |condition: &str, expected: &str| {
        let conditions = conditions(condition);
        assert!(conditions.starts_with(expected), "{conditions}");
    };
    first("dear(o_orderkey) > 1 and o_custkey = 3", "(#1 = 3)");
    first("dear(o_orderkey) > 1 and o_clerk like '%a%b%'", "(#1 LIKE");
    // A call may be guarded by what stands before it.
    first("dear(o_orderkey) > 1 and cheap(o_custkey) = 3", "(dear@3(#0) > 1)");
    // What may fail may be guarded by what stands before it, and stays behind it.
    first("dear(o_orderkey) > 1 and 10 / o_custkey > 1", "(dear@3(#0) > 1)");
    first("o_orderkey <> 3 and cheap(6 / (o_orderkey - 3)) > 0", "(#0 <> 3)");
    first("o_custkey > 3 and 10 / (o_custkey - 3) > 1", "(#1 > 3)");
    first("10 / (o_orderkey - 3) > 1 and cheap(o_custkey) > 1 and o_orderkey <> 7", "(#0 <> 7)");
    first("o_clerk like 'a%' and 10 / o_custkey > 1", "(#2 LIKE");
    // A cheap call stays before a condition that takes longer.
    first("cheap(o_orderkey) > 1 and o_clerk like '%a%b%'", "(cheap@3(#0) > 1)");
}

#[test]
fn conditions_keep_their_order_on_their_way_down() {
    let text = operators(
        "select * from (select o_custkey as a, o_orderkey as b from orders order by 1) join customer on a = c_custkey \
         where dear(b) > 1 and 10 / a > 1",
    )
    .to_string();
    let (guard, guarded) = (text.find("dear@3").expect(&text), text.find("(10 /").expect(&text));
    assert!(guard < guarded, "{text}");
    let text = operators("select o_orderkey from orders where vol(o_orderkey) > 1 and 10 / o_custkey > 1")
        .to_string();
    assert!(text.contains("filters=[]") || !text.contains("filters=["), "{text}");
}
