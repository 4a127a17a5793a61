//! Errors as people see them. `UPDATE_EXPECT=1 cargo test` writes them anew: read the difference.

use expect_test::{Expect, expect};
use nyala_frontend::render;

use crate::tables::plan;

/// Every statement fails; what people read is gathered.
fn check(statements: &[&str], expected: Expect) {
    let mut text = String::new();
    for sql in statements {
        match plan(sql) {
            Ok(_) => text.push_str(&format!("planned: {sql}\n\n")),
            Err(error) => text.push_str(&format!("{}\n\n", render(&error, sql))),
        }
    }
    expected.assert_eq(&text);
}

#[test]
fn names() {
    check(
        &[
            "SELECT l_oderkey FROM lineitem",
            "select l.l_oderkey\nfrom lineitem l",
            "select x.l_orderkey from lineitem l",
            "select * from lineitm",
            "select * from nowhere_at_all",
            "select sun(l_tax) from lineitem",
            "select frobnicate(1)",
            "select n_nationkey, regionkey from nation, region",
            "select n_nationkey from nation a, nation b",
            "select * from region join region on true",
            "select \"some text\" from region",
            "select \"R_NAME\" from region",
            "select 1 where x = 1",
            "select * from genrate_series(1, 2)",
            "select generate_seris(1, 2)",
            "select 'a' from 'missing.csv'",
            "select r_name from region where r_nme = 'x' and r_regionkey in (select n_regionkey from nation where n_nme = r_name)",
            "with a as (select 1 as x) select y from a",
            "select a.b.c.d.e from region",
            "select * exclude (nope) from region",
            "select r_name as a, r_name as a from (select 1 as x, 2 as x) order by a",
        ],
        expect![[r#"
            error[42703]: there is no column "l_oderkey"
              line 1: SELECT l_oderkey FROM lineitem
                             ^
              hint: did you mean "l_orderkey"?

            error[42703]: there is no column "l_oderkey" in "l"
              line 1: select l.l_oderkey
                             ^
              hint: did you mean "l_orderkey"?

            error[42P01]: there is no table "x" in FROM
              line 1: select x.l_orderkey from lineitem l
                             ^
              hint: did you mean "l"?

            error[42P01]: there is no table "lineitm"
              line 1: select * from lineitm
                                    ^
              hint: did you mean "lineitem"?

            error[42P01]: there is no table "nowhere_at_all"
              line 1: select * from nowhere_at_all
                                    ^
              hint: SHOW TABLES lists the tables

            error[42883]: there is no function "sun"
              line 1: select sun(l_tax) from lineitem
                             ^
              hint: did you mean "sin"?

            error[42883]: there is no function "frobnicate"
              line 1: select frobnicate(1)
                             ^
              hint: SHOW FUNCTIONS lists the functions

            error[42703]: there is no column "regionkey"
              line 1: select n_nationkey, regionkey from nation, region
                                          ^
              hint: did you mean "n_regionkey"?

            error[42702]: column "n_nationkey" is in more than one table
              line 1: select n_nationkey from nation a, nation b
                             ^
              hint: put the table's name before it, as in t.x

            error[42P07]: table "region" is there twice, so that "r_regionkey" has two meanings
              line 1: select * from region join region on true
                                    ^
              hint: give each its own name with AS

            error[42703]: there is no column "some text"
              line 1: select "some text" from region
                             ^
              hint: text stands in single quotes: 'some text'

            error[42703]: there is no column "R_NAME"
              line 1: select "R_NAME" from region
                             ^
              hint: did you mean "r_name"? Names keep their case only in double quotes.

            error[42703]: there is no column "x"
              line 1: select 1 where x = 1
                                     ^
              hint: the query has no FROM

            error[42883]: there is no table function "genrate_series"
              line 1: select * from genrate_series(1, 2)
                                    ^
              hint: did you mean "generate_series"?

            error[42883]: there is no function "generate_seris"
              line 1: select generate_seris(1, 2)
                             ^
              hint: did you mean "generate_series"?

            error[42P01]: there is no table "missing.csv"
              line 1: select 'a' from 'missing.csv'
                                      ^
              hint: SHOW TABLES lists the tables

            error[42703]: there is no column "n_nme"
              line 1: …x' and r_regionkey in (select n_regionkey from nation where n_nme = r_name)
                                                                                   ^
              hint: did you mean "n_name"?

            error[42703]: there is no column "y"
              line 1: with a as (select 1 as x) select y from a
                                                       ^
              hint: did you mean "x"?

            error[0A000]: a part of this statement is not supported

            error[42703]: there is no column "nope"
              line 1: select * exclude (nope) from region
                                        ^
              hint: columns are r_regionkey, r_name, r_comment

            error[42701]: projections require unique expression names but the expression "bigint(1) AS x" at position 0 and "bigint(2) AS x" at position 1 have the same name. Consider aliasing ("AS") one of them

        "#]],
    );
}

#[test]
fn grouping() {
    check(
        &[
            "select r_name, count(*) from region",
            "select n_regionkey, n_name\nfrom nation\ngroup by n_regionkey",
            "select r_name from region where count(*) > 1",
            "select r_name from region group by r_name having r_comment = 'x'",
            "select sum(count(*)) from region",
            "select r_name from region group by 3",
            "select r_name from region order by 3",
            "select * from nation group by n_regionkey",
            "select sum(sum(r_regionkey)) from region",
            "select r_name from region group by count(*)",
        ],
        expect![[r#"
            error[42803]: "r_name" must be in GROUP BY or inside an aggregate function
              line 1: select r_name, count(*) from region
                             ^
              hint: add it to GROUP BY, write any_value(r_name), or GROUP BY ALL

            error[42803]: "n_name" must be in GROUP BY or inside an aggregate function
              line 1: select n_regionkey, n_name
                                          ^
              hint: add it to GROUP BY, write any_value(n_name), or GROUP BY ALL

            error[42803]: aggregate functions are not allowed in the WHERE clause. Consider using HAVING instead

            error[42803]: "r_comment" must be in GROUP BY or inside an aggregate function
              line 1: select r_name from region group by r_name having r_comment = 'x'
                                                                       ^
              hint: add it to GROUP BY, write any_value(r_comment), or GROUP BY ALL

            error[42601]: aggregate function calls cannot be nested: 'count(bigint(1))' is nested inside 'sum(count(bigint(1)) AS count(*))'
              hint: Compute 'count(Int64(1))' in an inner query and aggregate its result

            error[42703]: cannot find column with position 3 in SELECT clause. Valid columns: 1 to 1

            error[42703]: order by column out of bounds, specified: 3, max: 1

            error[42803]: "n_nationkey" must be in GROUP BY or inside an aggregate function
              hint: add it to GROUP BY, write any_value(n_nationkey), or GROUP BY ALL

            error[42601]: aggregate function calls cannot be nested: 'sum(region.r_regionkey)' is nested inside 'sum(sum(region.r_regionkey))'
              line 1: select sum(sum(r_regionkey)) from region
                                     ^
              hint: Compute 'sum(region.r_regionkey)' in an inner query and aggregate its result

            error[42803]: "r_name" must be in GROUP BY or inside an aggregate function
              line 1: select r_name from region group by count(*)
                             ^
              hint: add it to GROUP BY, write any_value(r_name), or GROUP BY ALL

        "#]],
    );
}

#[test]
fn types() {
    check(
        &[
            "select r_name + 1 from region",
            "select * from region where r_name",
            "select upper(1, 2)",
            "select sum(r_name) from region",
            "select date_trunc('month', 5)",
            "select not 5",
            "select - r_name from region",
            "select r_regionkey = date '2020-01-01' from region",
            "select cast('abc' as int)",
            "select date '2020-13-45'",
            "select 1 / 0",
            "select case when r_name then 1 end from region",
            "select r_name from region union select 1, 2",
            "select r_regionkey from region union select n_name from nation",
            "values (1), (2, 3)",
            "select abs('x')",
            "select round('a')",
            "select substr(r_name) from region",
            "select (select n_nationkey, n_name from nation)",
            "select * from region where r_regionkey in (select n_regionkey, n_name from nation)",
            "select cast(1 as fancy)",
            "select 99999999999999999999999999999999999999999999999",
            "select interval '1 fortnight'",
            "select 9223372036854775807 + 1",
            "select r_name like 5 from region",
            "select coalesce(r_name, 1) from region",
            "select 1 in ('a', 2)",
            "select lag(r_name, 'x') over () from region",
            "select row_number() from region",
            "select count(distinct) from region",
            "select extract(fortnight from o_orderdate) from orders",
            "select limit from region limit 'x'",
            "select * from region limit -1",
            "select * from region limit r_regionkey",
        ],
        expect![[r#"
            error[42804]: cannot coerce arithmetic expression text + bigint to valid types
              line 1: select r_name + 1 from region
                             ^

            error[42804]: cannot create filter with non-boolean predicate 'region.r_name' returning text

            error[42804]: function 'upper' expects 1 arguments but received 2. No function matches the given name and argument types 'upper(bigint, bigint)'. You might need to add explicit type casts
              hint: it takes upper(String)

            error[42804]: function 'sum' failed to match any signature, errors: Function 'sum' requires Decimal, but received String (DataType: text).,Function 'sum' requires UInt64, but received String (DataType: text).,Function 'sum' requires bigint, but received String (DataType: text).,Function 'sum' requires double, but received String (DataType: text).,Function 'sum' requires Duration, but received String (DataType: text).,Function 'sum' requires interval, but received String (DataType: text)..
            This issue was likely caused by a bug in DataFusion's code. Please help us to resolve this by filing a bug report in our issue tracker: https://github.com/apache/datafusion/issues. No function matches the given name and argument types 'sum(text)'. You might need to add explicit type casts
              hint: it takes sum(Decimal)
                    	sum(UInt64)
                    	sum(bigint)
                    	sum(double)
                    	sum(Duration)
                    	sum(interval)

            error[42804]: function 'date_trunc' failed to match any signature, errors: Function 'date_trunc' requires timestamp, but received bigint (DataType: bigint).,Function 'date_trunc' requires Time, but received bigint (DataType: bigint)..
            This issue was likely caused by a bug in DataFusion's code. Please help us to resolve this by filing a bug report in our issue tracker: https://github.com/apache/datafusion/issues. No function matches the given name and argument types 'date_trunc(text, bigint)'. You might need to add explicit type casts
              hint: it takes date_trunc(String, timestamp)
                    	date_trunc(String, Time)

            error[42804]: unary operator 'NOT' requires a boolean expression, got bigint
              hint: perhaps you need to cast Int64(5)

            error[42804]: unary operator '-' only supports signed numeric, interval and timestamp types
              line 1: select - r_name from region
                               ^
              hint: perhaps you need to cast region.r_name

            planned: select r_regionkey = date '2020-01-01' from region

            error[22P02]: Cannot cast string 'abc' to value of integer type

            error[22P02]: Cannot cast string '2020-13-45' to value of date type

            planned: select 1 / 0

            planned: select case when r_name then 1 end from region

            error[42601]: UNION queries have different number of columns
              line 1: select r_name from region union select 1, 2
                      ^

            planned: select r_regionkey from region union select n_name from nation

            error[42601]: inconsistent data length across values list: got 2 values in row 1 but expected 1

            error[42804]: function 'abs' expects Numeric but received String. No function matches the given name and argument types 'abs(text)'. You might need to add explicit type casts
              hint: it takes abs(Numeric(1))

            error[42804]: function 'round' failed to match any signature, errors: Function 'round' expects 2 arguments but received 1,Function 'round' requires Decimal, but received String (DataType: text).,Function 'round' expects 2 arguments but received 1,Function 'round' requires Integer, but received String (DataType: text).,Function 'round' expects 2 arguments but received 1,Function 'round' requires real, but received String (DataType: text).,Function 'round' expects 2 arguments but received 1,Function 'round' requires double, but received String (DataType: text)..
            This issue was likely caused by a bug in DataFusion's code. Please help us to resolve this by filing a bug report in our issue tracker: https://github.com/apache/datafusion/issues. No function matches the given name and argument types 'round(text)'. You might need to add explicit type casts
              hint: it takes round(Decimal, integer)
                    	round(Decimal)
                    	round(Integer, integer)
                    	round(Integer)
                    	round(real, integer)
                    	round(real)
                    	round(double, integer)
                    	round(double)

            error[42601]: substring without for/from is not valid Substring { expr: Identifier(Ident { value: "r_name", quote_style: None, span: Span(Location(1,15)..Location(1,21)) }), substring_from: None, substring_for: None, special: false, shorthand: false }

            error[42601]: too many columns! The subquery should only return one column: nation.n_nationkey, nation.n_name
              hint: Select only one column in the subquery

            error[42601]: too many columns! The subquery should only return one column: nation.n_regionkey, nation.n_name
              line 1: select * from region where r_regionkey in (select n_regionkey, n_name from nation)
                                                                        ^
              hint: Select only one column in the subquery

            error[0A000]: unsupported SQL type fancy

            planned: select 99999999999999999999999999999999999999999999999

            error[22P02]: Invalid input syntax for type interval: "1 fortnight"

            planned: select 9223372036854775807 + 1

            error[42804]: there isn't a common type to coerce text and bigint in LIKE expression

            planned: select coalesce(r_name, 1) from region

            error[22P02]: Cannot cast string 'a' to value of bigint type

            planned: select lag(r_name, 'x') over () from region

            error[42883]: there is no function "row_number"
              line 1: select row_number() from region
                             ^
              hint: did you mean "row_number"?

            error[42601]: expected an expression, found )
              line 1: select count(distinct) from region
                                           ^

            planned: select extract(fortnight from o_orderdate) from orders

            error[42703]: there is no column "limit"
              line 1: select limit from region limit 'x'
                             ^
              hint: columns are r_regionkey, r_name, r_comment

            error[42601]: LIMIT must be >= 0, '-1' was provided

            error[42703]: there is no column "r_regionkey"
              line 1: select * from region limit r_regionkey
                                                 ^
              hint: the query has no FROM

        "#]],
    );
}

#[test]
fn syntax() {
    check(
        &[
            "selct 1",
            "select",
            "select 1 +",
            "select * from",
            "select * form region",
            "select r_name from region were r_name = 'x'",
            "select r_name from region group r_name",
            "select (1",
            "select 'abc",
            "select \"abc",
            "select /* x",
            "select 1 from region where",
            "select a b c",
            "select * from region order r_name",
            "(select 1",
            "create table",
            "drop region",
            "copy region",
            "show",
            "select 1 union",
            "explain",
            "insert into region",
            "set x",
            "with a (select 1) select 1",
            "select * from region limit 5 5",
            "select case when 1 then 2",
            "select count(* from region",
            "日本 = 1",
            "select 'é', x y z from region",
            "",
            "-- nothing",
            "select $$x",
        ],
        expect![[r#"
            error[42601]: a statement cannot begin with selct
              line 1: selct 1
                      ^
              hint: did you mean SELECT?

            error[42601]: the statement ends where an expression was expected
              line 1: select
                            ^

            error[42601]: the statement ends where an expression was expected
              line 1: select 1 +
                                ^

            error[42601]: the statement ends where identifier was expected
              line 1: select * from
                                   ^

            error[42601]: expected the end of the statement, found form
              line 1: select * form region
                               ^

            error[42601]: expected the end of the statement, found r_name
              line 1: select r_name from region were r_name = 'x'
                                                     ^

            error[42601]: expected the end of the statement, found group
              line 1: select r_name from region group r_name
                                                ^

            error[42601]: the statement ends where ) was expected
              line 1: select (1
                               ^

            error[42601]: string literal is not closed
              line 1: select 'abc
                             ^

            error[42601]: expected close delimiter '"' before EOF
              line 1: select "abc
                             ^

            error[42601]: a comment is not closed
              line 1: select /* x
                                 ^

            error[42601]: the statement ends where an expression was expected
              line 1: select 1 from region where
                                                ^

            error[42601]: expected the end of the statement, found c
              line 1: select a b c
                                 ^

            error[42601]: expected the end of the statement, found order
              line 1: select * from region order r_name
                                           ^

            error[42601]: the statement ends where ) was expected
              line 1: (select 1
                               ^

            error[42601]: the statement ends where a name was expected
              line 1: create table
                                  ^

            error[42601]: expected TABLE or VIEW, found region
              line 1: drop region
                           ^

            error[42601]: the statement ends where TO was expected
              line 1: copy region
                                 ^

            error[42601]: the statement ends where TABLES, VIEWS, COLUMNS, FUNCTIONS, ALL or an option was expected
              line 1: show
                          ^

            error[42601]: the statement ends where SELECT, VALUES, or a subquery in the query body was expected
              line 1: select 1 union
                                    ^

            error[42601]: the statement ends where a statement was expected
              line 1: explain
                             ^

            error[42601]: the statement ends where VALUES or SELECT was expected
              line 1: insert into region
                                        ^

            error[42601]: the statement ends where '=' or TO was expected
              line 1: set x
                           ^

            error[42601]: expected ), found 1
              line 1: with a (select 1) select 1
                                     ^

            error[42601]: expected the end of the statement, found 5
              line 1: select * from region limit 5 5
                                                   ^

            error[42601]: expected the end of the statement, found 1
              line 1: select case when 1 then 2
                                       ^

            error[42601]: expected ), found from
              line 1: select count(* from region
                                     ^

            error[42601]: a statement cannot begin with 日本
              line 1: 日本 = 1
                      ^
              hint: statements begin with SELECT, WITH, VALUES, FROM, EXPLAIN, DESCRIBE, DESC, SHOW, SET, RESET, CREATE, DROP, COPY, INSERT

            error[42601]: expected the end of the statement, found z
              line 1: select 'é', x y z from region
                                      ^

            error[42601]: the statement ends where a statement was expected
              line 1: 
                      ^

            error[42601]: the statement ends where a statement was expected
              line 1: -- nothing
                                ^

            error[42601]: dollar-quoted string is not closed
              line 1: select $$x
                                ^

        "#]],
    );
}

#[test]
fn unsupported() {
    check(
        &[
            "select * from region tablesample (10)",
            "select * into t from region",
            "select top 5 * from region",
            "with recursive r as (select 1 as n union all select n + 1 from r where n < 5) select * from r",
            "select * from region for update",
            "select * from region fetch first 1 row with ties",
            "update region set r_name = 'x'",
            "begin",
            "select r_name -> 'a' from region",
            "select * from region pivot (sum(r_regionkey) for r_name in ('a'))",
            "select $1",
            "select @x",
            "table region",
            "select * from generate_series(1, (select 5))",
            "select * from region match_recognize (pattern (a))",
            "select r_name collate \"de\" from region",
            "select xmlparse('x')",
            "select * from region lateral view explode(x)",
        ],
        expect![[r#"
            error[0A000]: TABLESAMPLE is not supported
              line 1: select * from region tablesample (10)
                                    ^
              hint: write WHERE random() < 0.1

            error[0A000]: SELECT INTO is not supported
              line 1: select * into t from region
                                    ^
              hint: write CREATE TABLE … AS SELECT …

            error[0A000]: TOP is not supported
              line 1: select top 5 * from region
                      ^
              hint: write LIMIT n at the end of the query

            error[0A000]: WITH RECURSIVE is not supported (in "r")
              line 1: with recursive r as (select 1 as n union all select n + 1 from r where n < 5) select * from r
                                     ^

            error[0A000]: FOR UPDATE or FOR SHARE is not supported
              hint: queries lock nothing: leave it out

            error[0A000]: FETCH … WITH TIES is not supported
              hint: use rank() in a subquery, or QUALIFY

            error[0A000]: UPDATE is not supported
              line 1: update region set r_name = 'x'
                      ^
              hint: write CREATE OR REPLACE TABLE … AS SELECT … with the new values

            error[0A000]: BEGIN is not supported
              line 1: begin
                      ^
              hint: every statement is a transaction of its own

            error[0A000]: operator -> is not yet supported
              line 1: select r_name -> 'a' from region
                             ^

            error[0A000]: PIVOT is not supported
              line 1: select * from region pivot (sum(r_regionkey) for r_name in ('a'))
                                    ^

            planned: select $1

            planned: select @x

            error[42601]: a statement cannot begin with table
              line 1: table region
                      ^
              hint: statements begin with SELECT, WITH, VALUES, FROM, EXPLAIN, DESCRIBE, DESC, SHOW, SET, RESET, CREATE, DROP, COPY, INSERT

            error[0A000]: generate_series takes constants, not (<subquery>)

            error[42601]: expected the end of the statement, found match_recognize
              line 1: select * from region match_recognize (pattern (a))
                                           ^

            error[0A000]: a part of this statement is not supported

            error[42883]: there is no function "xmlparse"
              line 1: select xmlparse('x')
                             ^
              hint: SHOW FUNCTIONS lists the functions

            error[42601]: the statement ends where identifier was expected
              line 1: select * from region lateral view explode(x)
                                                                  ^

        "#]],
    );
}
