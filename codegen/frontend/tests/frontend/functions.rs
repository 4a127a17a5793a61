//! User-defined functions in queries: which is called, what is folded, inlined and left where it stands.

use datafusion_common::tree_node::{TreeNode, TreeNodeRecursion};
use datafusion_expr::{Expr, LogicalPlan, WindowFunctionDefinition};
use nyala_frontend::{Frontend, GuestUdaf, GuestUdf, Statement, logical_text, parse, render};
use nyala_schema::ErrorCode;
use nyala_schema::guest::GuestFunction;
use nyala_schema::option::Options;

use crate::tables::{Tables, plan_with};

fn world() -> Tables {
    let mut tables = Tables::tpch();
    for sql in [
        "create function f(x int) returns int as 'm.wasm'",
        "create function f(x bigint) returns bigint as 'm.wasm'",
        "create function f(x double) returns double as 'm.wasm'",
        "create function f(x text) returns text as 'm.wasm'",
        "create function small(x smallint) returns smallint as 'm.wasm'",
        "create function pair(x bigint, y double) returns bigint as 'm.wasm'",
        "create function pair(x double, y bigint) returns bigint as 'm.wasm'",
        "create function on_day(x date) returns bigint as 'm.wasm'",
        "create function twice(x bigint) returns bigint as 'm.wasm'",
        "create function fails(x bigint) returns bigint as 'm.wasm'",
        "create function vol(x bigint) returns bigint volatile as 'm.wasm'",
        "create aggregate function total(x bigint) returns bigint as 'm.wasm'",
        "create function plus_one(x bigint) returns bigint language sql as $$ x + 1 $$",
        "create function square(x bigint) returns bigint language sql as $$ x * x $$",
        "create function strict_sum(x bigint, y bigint) returns bigint strict language sql as $$ coalesce(x, 0) + y $$",
        "create function quad(x bigint) returns double language sql as $$ square(square(x)) $$",
        "create function loops(x bigint) returns bigint language sql as $$ loops(x) + 1 $$",
        "create function calls(x bigint) returns bigint language sql as $$ twice(x) $$",
        "create table function words(line text) returns table (position bigint, word text) rows 8 as 'm.wasm'",
    ] {
        tables.create(sql);
    }
    tables.add_view("doubled", "", "select twice(o_orderkey) as d, o_custkey from orders");
    tables
}

fn plan(sql: &str) -> LogicalPlan {
    plan_with(&world(), sql).unwrap_or_else(|error| panic!("{sql}: {error:?}"))
}

fn text(sql: &str) -> String {
    logical_text(&plan(sql))
}

/// The functions that a plan calls, with the types that they take.
fn calls(plan: &LogicalPlan) -> Vec<String> {
    let mut found = vec![];
    let mut note = |function: &GuestFunction| {
        let types: Vec<String> = function.arguments.iter().map(ToString::to_string).collect();
        found.push(format!("{function}({})", types.join(", ")));
    };
    plan.apply(|node| {
        node.apply_expressions(|expr| {
            expr.apply(|part| {
                match part {
                    Expr::ScalarFunction(call) => {
                        let udf = call.func.inner().downcast_ref::<GuestUdf>();
                        udf.into_iter().for_each(|udf| note(udf.function().expect("chosen")));
                    }
                    Expr::AggregateFunction(call) => {
                        let udaf = call.func.inner().downcast_ref::<GuestUdaf>();
                        udaf.into_iter().for_each(|udaf| note(udaf.function().expect("chosen")));
                    }
                    Expr::WindowFunction(call) => {
                        if let WindowFunctionDefinition::AggregateUDF(func) = &call.fun {
                            let udaf = func.inner().downcast_ref::<GuestUdaf>();
                            udaf.into_iter().for_each(|udaf| note(udaf.function().expect("chosen")));
                        }
                    }
                    _ => {}
                }
                Ok(TreeNodeRecursion::Continue)
            })
        })
    })
    .expect("a walk");
    found
}

fn called(expression: &str) -> String {
    calls(&plan(&format!("select {expression} from lineitem, orders"))).join(" ")
}

fn code(sql: &str) -> ErrorCode {
    plan_with(&world(), sql).expect_err(sql).code()
}

#[test]
fn overloads_are_chosen_by_implicit_casts() {
    assert_eq!(called("f(l_orderkey)"), "f@1(Int64)");
    assert_eq!(called("f(l_orderkey::int)"), "f@1(Int32)");
    assert_eq!(called("f(l_orderkey::smallint)"), "f@1(Int32)");
    assert_eq!(called("f(1)"), "f@1(Int64)");
    assert_eq!(called("f(1.5)"), "f@1(Float64)");
    assert_eq!(called("f(l_extendedprice)"), "f@1(Float64)");
    assert_eq!(called("f(l_shipmode)"), "f@1(Utf8View)");
    assert_eq!(called("small(1)"), "small@1(Int16)");
    assert_eq!(called("small(-1)"), "small@1(Int16)");
    assert_eq!(called("pair(l_orderkey, l_extendedprice)"), "pair@1(Int64, Float64)");
    assert_eq!(called("on_day('2024-01-01')"), "on_day@1(Date32)");
}

#[test]
fn calls_that_fit_no_function_or_too_many() {
    assert_eq!(code("select f(null)"), ErrorCode::AmbiguousFunction);
    assert_eq!(code("select pair(l_orderkey, l_orderkey) from lineitem"), ErrorCode::AmbiguousFunction);
    assert_eq!(code("select f(l_shipdate) from lineitem"), ErrorCode::DatatypeMismatch);
    assert_eq!(code("select small(l_orderkey) from lineitem"), ErrorCode::DatatypeMismatch);
    assert_eq!(code("select small(100000)"), ErrorCode::DatatypeMismatch);
    assert_eq!(code("select on_day('noon')"), ErrorCode::DatatypeMismatch);
    assert_eq!(code("select twice()"), ErrorCode::DatatypeMismatch);
    assert_eq!(code("select twyce(1)"), ErrorCode::UndefinedFunction);
    assert_eq!(code("select words('a')"), ErrorCode::UndefinedFunction);
    assert_eq!(code("select * from twice(1)"), ErrorCode::UndefinedFunction);
    let sql = "select small(l_orderkey) from lineitem";
    let error = plan_with(&world(), sql).unwrap_err();
    expect_test::expect![[r#"
        error[42804]: "small" does not take (bigint)
          line 1: select small(l_orderkey) from lineitem
                         ^
          hint: there is small(smallint); CAST converts where SQL does not by itself"#]]
    .assert_eq(&render(&error, sql));
}

#[test]
fn immutable_calls_of_constants_are_computed() {
    for (expression, value) in [
        ("twice(21)", "Int64(42)"),
        ("twice(1 + 2)", "Int64(6)"),
        ("twice(twice(2))", "Int64(8)"),
        ("calls(4)", "Int64(8)"),
    ] {
        let text = text(&format!("select {expression} as x from nation"));
        assert!(text.contains(value) && !text.contains("twice("), "{text}");
    }
    assert!(text("select twice(null) as x from nation").contains("Int64(NULL)"));
    assert!(text("select fails(1) as x from nation").contains("fails(Int64(1))"));
    assert!(text("select vol(1) as x from nation").contains("vol(Int64(1))"));
    let text = text("select * from nation where n_nationkey = twice(3)");
    assert!(text.contains("n_nationkey = Int64(6)"), "{text}");
}

#[test]
fn functions_stand_wherever_built_in_ones_do() {
    for (sql, expected) in [
        ("select * from orders where twice(o_orderkey) > 3", 1),
        (
            "select twice(o_custkey), count(*) from orders group by twice(o_custkey) order by twice(o_custkey)",
            1,
        ),
        ("select * from orders order by twice(o_custkey)", 1),
        ("select * from orders join customer on twice(o_custkey) = twice(c_custkey)", 2),
        (
            "select o_custkey, total(o_orderkey) from orders group by o_custkey having total(o_orderkey) > 3",
            1,
        ),
        ("select total(distinct o_orderkey) filter (where o_custkey > 1) from orders", 1),
        ("select total(o_orderkey) over (partition by o_custkey order by o_orderdate) from orders", 1),
        ("select total(o_orderkey) over (order by o_orderdate rows 3 preceding) from orders", 1),
        ("select d from doubled where d > 4", 2),
        ("select (select max(twice(c_custkey)) from customer where c_custkey = o_custkey) from orders", 1),
        ("select * from orders where o_custkey in (select twice(c_custkey) from customer)", 1),
        (
            "with a as (select twice(o_custkey) as x from orders) select x from a union all select twice(1) from a",
            1,
        ),
    ] {
        let plan = plan(sql);
        assert_eq!(calls(&plan).len(), expected, "{sql}\n{}", logical_text(&plan));
    }
}

#[test]
fn volatile_calls_are_made_once_where_they_stand() {
    let count = |sql: &str| text(sql).matches("vol(").count();
    assert_eq!(count("select v + v, v from (select vol(o_orderkey) as v from orders)"), 1);
    assert_eq!(count("select * from (select vol(o_orderkey) as v from orders) where v > 1 and v < 5"), 1);
    let below = |sql: &str, below: &str| {
        let text = text(sql);
        let (call, node) = (text.find("vol(").expect(&text), text.find(below).expect(&text));
        assert!(call < node, "{text}");
    };
    below("select * from orders, customer where o_custkey = c_custkey and vol(o_orderkey) > 1", "Join");
    below("select * from orders join customer on o_custkey = c_custkey and vol(o_orderkey) > 1", "TableScan");
    below(
        "select * from (select o_custkey, count(*) from orders group by 1) where vol(o_custkey) > 1",
        "Aggregate",
    );
    below(
        "select * from (select * from orders limit 5) where random() < 0.5 and vol(o_custkey) > 1",
        "Limit",
    );
    let stable = text(
        "select * from orders, customer where o_custkey = c_custkey and o_orderkey = 7 and vol(o_orderkey) > 1",
    );
    assert!(stable.contains("full_filters=[orders.o_orderkey = Int64(7)]"), "{stable}");
}

#[test]
fn functions_in_sql_are_expressions() {
    let text = |expression: &str| text(&format!("select {expression} as x from orders"));
    assert!(text("plus_one(o_orderkey)").contains("orders.o_orderkey + Int64(1) AS x"));
    assert!(text("square(o_orderkey + 1)").contains("*"));
    assert!(text("plus_one(2)").contains("Int64(3)"));
    assert!(text("strict_sum(o_orderkey, 1)").contains("CASE WHEN"), "{}", text("strict_sum(o_orderkey, 1)"));
    assert!(text("strict_sum(null, 1)").contains("NULL"));
    assert!(text("quad(o_orderkey)").contains("Float64"));
    assert_eq!(code("select loops(1)"), ErrorCode::TooComplex);
    assert_eq!(code("select square(vol(1))"), ErrorCode::Unsupported);
    assert_eq!(code("select quad(vol(1))"), ErrorCode::Unsupported);
    assert_eq!(called("plus_one(vol(1))"), "vol@1(Int64)");
}

#[test]
fn bodies_are_checked_when_they_are_written() {
    let check = |sql: &str| {
        let Statement::CreateFunction { declaration, code, .. } = parse(sql).expect(sql) else {
            panic!("{sql}")
        };
        let nyala_frontend::CodeSource::Text(body) = code else { panic!("{sql}") };
        Frontend::new().check_sql_body(&declaration, &body, &world())
    };
    let body = |body: &str| {
        check(&format!("create function g(x bigint, y text) returns bigint language sql as $$ {body} $$"))
    };
    assert_eq!(
        body("twice(x) + plus_one(x) + calls(1)"),
        Ok(vec!["calls".into(), "plus_one".into(), "twice".into()])
    );
    assert_eq!(body("x + 1"), Ok(vec![]));
    assert_eq!(body("y"), Ok(vec![]));
    for (wrong, code) in [
        ("z + 1", ErrorCode::UndefinedColumn),
        ("nothing(x)", ErrorCode::UndefinedFunction),
        ("f(x, y)", ErrorCode::DatatypeMismatch),
        ("x +", ErrorCode::Syntax),
        ("x, y", ErrorCode::Syntax),
        ("x from orders", ErrorCode::Syntax),
        ("(select max(o_orderkey) from orders)", ErrorCode::Unsupported),
        ("sum(x)", ErrorCode::Unsupported),
        ("[x]", ErrorCode::DatatypeMismatch),
    ] {
        let error = body(wrong).expect_err(wrong);
        assert_eq!(error.code(), code, "{wrong}: {error:?}");
        assert!(error.message().starts_with("function \"g\""), "{error:?}");
    }
    let itself = check("create function loops(x bigint) returns bigint language sql as $$ loops(x) $$");
    assert_eq!(itself.unwrap_err().code(), ErrorCode::TooComplex);
}

#[test]
fn a_query_says_what_it_uses() {
    let uses = |sql: &str| {
        let Statement::Query(query) = parse(sql).expect(sql) else { panic!("{sql}") };
        Frontend::new().plan_query_with_uses(sql, &query, &world(), &Options::default()).expect(sql).uses
    };
    assert_eq!(uses("select twice(o_custkey), total(o_orderkey) from orders group by 1"), ["total", "twice"]);
    assert_eq!(uses("select calls(d) from doubled"), ["calls"]);
    assert_eq!(uses("select * from words('a b')"), ["words"]);
    assert!(uses("select sum(o_custkey) from orders").is_empty());
}

#[test]
fn names_of_sql_itself_are_known() {
    let frontend = Frontend::new();
    for name in ["sum", "COALESCE", "year", "generate_series", "row_number", "cast", "any_value"] {
        assert!(frontend.is_builtin(name), "{name}");
    }
    assert!(!frontend.is_builtin("initials"));
}
