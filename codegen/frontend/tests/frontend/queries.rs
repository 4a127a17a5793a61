//! What queries may say, beyond TPC-H.

use datafusion_common::tree_node::{TreeNode, TreeNodeRecursion};
use datafusion_expr::LogicalPlan;
use nyala_frontend::{Frontend, FunctionKind, SeriesHandle, TableHandle, logical_text};
use nyala_schema::{ErrorCode, Value};

use crate::tables::{Tables, plan, plan_with};

fn columns(sql: &str) -> Vec<String> {
    let plan = plan(sql).unwrap_or_else(|error| panic!("{sql}: {error:?}"));
    plan.schema().fields().iter().map(|field| field.name().clone()).collect()
}

#[test]
fn conveniences_plan() {
    let mut failures = Vec::new();
    for sql in [
        "select 1",
        "select 1;",
        "from region",
        "from region select r_name",
        "select * exclude (r_comment) from region",
        "select * replace (upper(r_name) as r_name) from region",
        "select r_name, count(*) from region group by all",
        "select r_name, count(*) from region group by 1 order by 2 desc, 1 nulls first",
        "select * from region order by all",
        "select r_name, from region",
        "select count(*) filter (where r_regionkey > 1) from region",
        "select r_name from region qualify row_number() over (partition by r_name order by r_regionkey) = 1",
        "select sum(n_nationkey) over w from nation window w as (partition by n_regionkey order by n_nationkey)",
        "select '1'::int + 2, cast('2020-01-01' as date) + interval '1 day', try_cast('x' as int)",
        "select distinct on (n_regionkey) n_name from nation order by n_regionkey, n_name",
        "select * from region offset 1 rows fetch first 2 rows only",
        "select * from region limit 1, 2",
        "select extract(year from o_orderdate), year(o_orderdate), date_trunc('month', o_orderdate) from orders",
        "select substring(r_name from 2 for 3), position('a' in r_name), trim(both 'x' from r_name) from region",
        "select overlay(r_name placing 'x' from 2 for 1), r_name || 'x', length(r_name), len(r_name) from region",
        "select [1, 2, 3][1], array[1, 2], {'a': 1}, make_array(1, 2), struct(1, 2)",
        "select s.a from (select {'a': 1} as s)",
        "select n_regionkey, any_value(n_name), string_agg(n_name, ','), median(n_nationkey) from nation group by 1",
        "select rollup_name, count(*) from (select r_name as rollup_name from region) group by rollup(rollup_name)",
        "select r_name, grouping(r_name) from region group by grouping sets ((r_name), ())",
        "select * from region r natural join nation cross join (values (1), (2)) as v(x)",
        "select * from region semi join nation on r_regionkey = n_regionkey"
            .replace("semi join", "left semi join")
            .as_str(),
        "select r.r_name, l.n from region r, lateral (select count(*) as n from nation where n_regionkey = r_regionkey) l",
        "select unnest([1, 2, 3])",
        "select * from unnest([1, 2, 3]) as t(x)",
        "select * from region where r_name ilike '%a%' and r_name similar to 'A.*' and r_name ~ 'x'",
        "select * from region where (r_regionkey, r_name) in (select n_regionkey, n_name from nation)"
            .replace(
                "(r_regionkey, r_name) in (select n_regionkey, n_name",
                "r_regionkey in (select n_regionkey",
            )
            .as_str(),
        "select r_name from region intersect select n_name from nation except all select 'x'",
        "with a as (select 1 as x), b as (select x + 1 as y from a) select * from a, b",
        "from region |> where r_regionkey > 1 |> select r_name",
        "select case r_name when 'ASIA' then 1 else 2 end, coalesce(r_name, 'x'), nullif(1, 2) from region",
        "select now(), current_date, current_timestamp, timestamp '9999-12-31 00:00:00', date '2020-02-29'",
        "select 0x10, 1e3, 1.5, .5, true, null, 'it''s', E'a\\n', $$x$$",
        "select \"R_Name\" from (select r_name as \"R_Name\" from region)",
    ] {
        if let Err(error) = plan(sql) {
            failures.push(format!("{sql}: {error:?}"));
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

#[test]
fn decimals_are_exact() {
    let text = logical_text(&plan("select 0.1 + 0.2 as x, 1e0 as y").expect("plans"));
    assert!(text.contains("Decimal128(0.3,2,1)"), "{text}");
}

#[test]
fn names_are_lower_case_unless_quoted() {
    assert_eq!(columns("SELECT R_Name AS Foo, R_NAME AS \"Foo\" FROM Region"), ["foo", "Foo"]);
}

#[test]
fn columns_are_called_as_they_were_written() {
    let named =
        columns("select sum(r_regionkey), count(*), 1 + 2, r.r_name || 'x' from region r group by r_name");
    assert_eq!(named, ["sum(r_regionkey)", "count(*)", "1 + 2", "r.r_name || 'x'"]);
    assert_eq!(
        columns("select r_name, r_name, 1 as r_name, upper(r_name) from region")[1..3],
        ["r_name_1", "r_name_2"]
    );
    assert_eq!(columns("select *, r_name from region").last().map(String::as_str), Some("r_name_1"));
    assert_eq!(columns("select * exclude (r_name), r_name from region")[2], "r_name");
    assert_eq!(
        columns("select a.*, b.n_name from nation a, nation b").last().map(String::as_str),
        Some("n_name")
    );
    assert_eq!(columns("from region"), ["r_regionkey", "r_name", "r_comment"]);
    assert_eq!(
        columns("select year(o_orderdate), extract(year from o_orderdate) from orders")[0],
        "year(o_orderdate)"
    );
    assert_eq!(columns("select \"1 + 2\" + 1 as x from (select 1 + 2)"), ["x"]);
    assert_eq!(columns("select count(*), count(*) from region")[1], "count(*)_1");
}

#[test]
fn names_do_not_hide_what_they_name() {
    let mut failures = Vec::new();
    for sql in [
        "select distinct upper(r_name) from region order by upper(r_name)",
        "select upper(r_name), count(*) from region group by upper(r_name) order by upper(r_name), count(*) desc",
        "select r_regionkey + 1 from region group by r_regionkey + 1 having r_regionkey + 1 > 1 order by 1",
        "select sum(r_regionkey) over (order by r_name) from region order by sum(r_regionkey) over (order by r_name)",
        "select upper(r_name), count(*) from region group by all order by all",
        "select distinct a.n_name, b.n_name from nation a, nation b order by a.n_name, b.n_name",
        "select count(*) from region union all select 1 order by 1",
        "select r_name from region where r_regionkey = (select max(n_regionkey) from nation where n_name = r_name)",
        "select r_name, (select count(*) from nation where n_regionkey = r_regionkey) from region order by 2",
        "select row_number() over (order by r_name) from region qualify row_number() over (order by r_name) < 3",
        "select r_regionkey % 2, count(*) from region group by 1",
        "select distinct on (upper(r_name)) upper(r_name), r_comment from region order by upper(r_name), r_comment",
        "select unnest([1, 2]), r_name from region",
        "select 'x' as a, 'x' as b, 'x' from region order by a",
        "select sum(distinct n_nationkey), count(distinct n_name) from nation order by sum(distinct n_nationkey)",
        "from region |> where r_regionkey > 1 |> aggregate count(*) group by r_name",
        "select max(o_orderdate) - min(o_orderdate) from orders",
    ] {
        if let Err(error) = plan(sql) {
            failures.push(format!("{sql}: {error:?}"));
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

#[test]
fn files_are_tables() {
    let text = logical_text(&plan("select x.a, x.b from 'dir/x.parquet' where x.a > 1").expect("plans"));
    assert!(text.contains("dir/x.parquet"), "{text}");
    assert_eq!(columns("select * from read_parquet('data/*.parquet') t where t.a = 1"), ["a", "b"]);
    assert_eq!(columns("select p.a from 'one.parquet' p join 'two.parquet' q on p.a = q.a"), ["a"]);
}

fn series(sql: &str) -> (SeriesHandle, Vec<String>) {
    let plan = plan(sql).unwrap_or_else(|error| panic!("{sql}: {error:?}"));
    let names = plan.schema().fields().iter().map(|field| field.name().clone()).collect();
    let mut found = None;
    plan.apply(|node| {
        if let LogicalPlan::TableScan(scan) = node {
            found = scan.source.downcast_ref::<SeriesHandle>().cloned();
        }
        Ok(TreeNodeRecursion::Continue)
    })
    .expect("walks");
    (found.expect("a series"), names)
}

#[test]
fn series_stand_in_from() {
    let (handle, names) = series("select * from generate_series(1, 2 * 5, -1 + 3)");
    assert_eq!(names, ["generate_series"]);
    assert!(handle.inclusive);
    assert_eq!(
        (handle.start, handle.stop, handle.step),
        (Value::int64(1), Value::int64(10), Value::int64(2))
    );
    let (handle, names) = series("select i + 1 as j, i from range(10) as i");
    assert_eq!(names, ["j", "i"]);
    assert!(!handle.inclusive && handle.stop == Value::int64(10));
    let (_, names) = series("select * from range(3) t(n)");
    assert_eq!(names, ["n"]);
    let (handle, _) =
        series("select * from generate_series(date '2024-01-01', date '2024-02-01', interval '1 week')");
    assert_eq!(handle.start.to_string(), "2024-01-01");
    let (handle, _) =
        series("select * from range(timestamp '2024-01-01', timestamp '2024-01-02', interval '1 hour')");
    assert_eq!(handle.data_type().to_string(), "Timestamp(µs)");
    let error = plan("select * from generate_series(1, 5, 0)").expect_err("endless");
    assert_eq!(error.code(), ErrorCode::InvalidParameter);
    let error = plan("select * from orders, generate_series(1, o_orderkey)").expect_err("not constant");
    assert!(matches!(error.code(), ErrorCode::Unsupported | ErrorCode::UndefinedColumn), "{error:?}");
}

#[test]
fn views_are_planned_in_place() {
    let mut tables = Tables::tpch();
    tables.add_view("asia", "k:i name:s", "select r_regionkey, r_name from region where r_name = 'ASIA'");
    tables.add_view("nations", "", "select n_name, name from nation join asia on n_regionkey = k");
    let plan = plan_with(&tables, "select v.n_name from nations v where v.name like 'A%'").expect("plans");
    let text = logical_text(&plan);
    assert!(text.contains("TableScan: region") && text.contains("TableScan: nation"), "{text}");
    plan.apply(|node| {
        if let LogicalPlan::TableScan(scan) = node {
            assert!(scan.source.is::<TableHandle>());
        }
        Ok(TreeNodeRecursion::Continue)
    })
    .expect("walks");
}

#[test]
fn bad_views_say_so() {
    let mut tables = Tables::tpch();
    tables.add_view("a", "", "select * from b");
    tables.add_view("b", "", "select * from a");
    tables.add_view("gone", "", "select missing from region");
    tables.add_view("wide", "x:i", "select r_regionkey, r_name from region");
    let error = |sql: &str| plan_with(&tables, sql).expect_err(sql);
    assert_eq!(error("select * from a").code(), ErrorCode::Dependency);
    let gone = error("select * from gone");
    assert_eq!(gone.code(), ErrorCode::UndefinedColumn);
    assert!(gone.message().starts_with("view \"gone\": there is no column"), "{gone:?}");
    assert_eq!(error("select * from wide").code(), ErrorCode::Dependency);
}

#[test]
fn deep_views_get_the_stack_they_need() {
    let mut tables = Tables::tpch();
    tables.add_view("v0", "", "select r_regionkey as k from region");
    for n in 1..30 {
        tables.add_view(&format!("v{n}"), "", &format!("select k + 1 as k from v{}", n - 1));
    }
    let long = vec!["k"; 400].join(" + ");
    tables.add_view("long", "", &format!("select {long} as k from v3"));
    plan_with(&tables, "select * from v29").expect("plans");
    plan_with(&tables, "select * from long").expect("plans");
}

#[test]
fn functions_are_listed() {
    let functions = Frontend::new().function_names();
    let expected = [
        ("upper", FunctionKind::Scalar),
        ("sum", FunctionKind::Aggregate),
        ("row_number", FunctionKind::Window),
        ("generate_series", FunctionKind::Table),
        ("generate_series", FunctionKind::Scalar),
    ];
    for (name, kind) in expected {
        assert!(functions.iter().any(|f| f.name == name && f.kind == kind), "{name} {kind:?}");
    }
    assert!(functions.iter().filter(|f| !f.description.is_empty()).count() > 250);
}
