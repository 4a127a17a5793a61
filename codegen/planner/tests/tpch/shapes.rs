//! Every kind of query gives a plan that verifies.

use crate::plan;

pub const QUERIES: &[&str] = &[
    "select 1 as one, 'a' as a, null as n",
    "select * from (values (1, 'a'), (2, null)) as t(x, y) where x > 1",
    "select x + 1 from (values (1 + 1), (random()::int)) as t(x)",
    "select * from nation where 1 = 0",
    "select n_name, n_name as again from nation order by n_nationkey limit 3 offset 2",
    "select distinct n_regionkey from nation",
    "select n_regionkey, count(*), count(n_name), count(distinct n_name) from nation group by 1",
    "select n_regionkey, n_name, grouping(n_name), count(*) from nation group by rollup (n_regionkey, n_name)",
    "select n_regionkey, n_name, sum(n_nationkey) from nation group by cube (n_regionkey, n_name)",
    "select n_regionkey, count(*) from nation group by grouping sets ((n_regionkey), (), ()) order by 1",
    "select sum(o_totalprice) filter (where o_orderstatus = 'F') from orders",
    "select array_agg(n_name order by n_name desc) from nation group by n_regionkey",
    "select n_name, r_name from nation left join region on n_regionkey = r_regionkey and r_name < 'B'",
    "select n_name, r_name from nation right join region on n_regionkey = r_regionkey",
    "select n_name, r_name from nation full join region on n_regionkey = r_regionkey",
    "select * from nation n1 join nation n2 using (n_nationkey)",
    "select * from nation cross join region",
    "select * from nation n1 join nation n2 on n1.n_nationkey < n2.n_nationkey",
    "select * from nation n1 left join nation n2 on n1.n_nationkey < n2.n_nationkey",
    "select * from nation where n_regionkey not in (select r_regionkey from region where r_name like 'A%')",
    "select * from nation where n_regionkey in (select r_regionkey from region) or n_name = 'x'",
    "select * from nation where exists (select 1 from region where r_regionkey < n_regionkey)",
    "select n_name, (select max(r_name) from region) from nation",
    "select n_name, (select r_name from region where r_name = 'ASIA') from nation",
    "select n_name, (select max(r_name) from region where r_regionkey = n_regionkey) from nation",
    "select * from nation where n_regionkey > (select avg(r_regionkey) from region)",
    "select n_name from nation union all select r_name from region",
    "select n_name from nation union select r_name from region",
    "select n_regionkey from nation intersect select r_regionkey from region",
    "select n_regionkey from nation except all select r_regionkey from region",
    "select n_name, rank() over (partition by n_regionkey order by n_name), row_number() over () from nation",
    "select sum(n_nationkey) over (order by n_name rows between 2 preceding and current row) from nation",
    "select lag(n_name, 2, 'none') over (order by n_name), sum(n_nationkey) over (partition by n_regionkey) from nation",
    "select unnest([1, 2, 3])",
    "select n_name, unnest(make_array(n_nationkey, n_regionkey)) from nation",
    "select unnest(struct('a', 1))",
    "select * from generate_series(1, 10) as t(i) where i % 2 = 0",
    "select case n_name when 'A' then 1 when 'B' then null else 2.5 end from nation",
    "select coalesce(n_name, 'x'), nullif(n_name, 'y'), n_name || '!', n_nationkey & 3, -n_nationkey from nation",
    "select n_name ~ '^A', n_name !~* 'b', n_name ilike 'a%', n_name similar to '(A|B)%' from nation",
    "select n_name is distinct from 'A', (n_name = 'A') is not true, (n_name = 'A') is unknown from nation",
    "select n_nationkey in (1, n_regionkey), n_nationkey between 1 and 3, n_nationkey not between 1 and 3 from nation",
    "select try_cast(n_name as int), cast(n_nationkey as varchar), o_orderdate + interval '1 month' from nation, orders",
    "select o_orderdate - date '1995-01-01', extract(month from o_orderdate), date_trunc('year', o_orderdate) from orders",
    "select l_extendedprice / l_quantity, l_extendedprice % 7, l_discount * l_tax, avg(l_tax) over () from lineitem",
    "select * from (select n_regionkey r, count(*) c from nation group by 1) a join (select n_regionkey r, max(n_name) from nation group by 1) b on a.r = b.r where c > 1",
    "select count(*) from (select * from lineitem limit 10) where l_quantity > 5",
    "select * from (select n_nationkey + 1 as k from nation join region on n_regionkey = r_regionkey) a join nation on k = n_nationkey",
];

#[test]
fn every_shape_is_planned() {
    let mut failed = vec![];
    for sql in QUERIES {
        match plan(sql) {
            Ok(fragments) => assert!(!fragments[0].root.schema.fields().is_empty(), "{sql}"),
            Err(error) => failed.push(format!("{sql}\n    {error:?}")),
        }
    }
    assert!(failed.is_empty(), "{}", failed.join("\n"));
}
