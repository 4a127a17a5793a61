//! Table functions and operators in FROM.

use nyala_frontend::{logical_text, render};

use crate::tables::{Tables, plan_with};

fn world() -> Tables {
    let mut tables = Tables::tpch();
    tables.add("events", "user_id:i ts:d page:s");
    for sql in [
        "create table function words(line text) returns table (position bigint, word text) rows 8 as 'm.wasm'",
        "create operator sessionize (table events partition by order by, gap interval) \
         returns input and (session_id bigint) keeps order as 'm.wasm'",
        "create operator fill (table series order by reads all, step interval, label text optional) \
         returns like input rows 2 as 'm.wasm'",
        "create operator merge (table a partition by, table b partition by) returns table (x bigint, y text) as 'm.wasm'",
    ] {
        tables.create(sql);
    }
    tables
}

fn text(sql: &str) -> String {
    match plan_with(&world(), sql) {
        Ok(plan) => logical_text(&plan),
        Err(error) => render(&error, sql),
    }
}

#[test]
fn plans_and_mistakes() {
    let mut all = String::new();
    for sql in [
        "select * from words('a b')",
        "select w.word from words('a b') as w where position = 1",
        "select n_name, word from nation, words(n_comment)",
        "select n_name, w from nation cross join lateral words(n_comment) as t(p, w) where n_nationkey = 3 and p > 1",
        "select n_name, word from nation join words(n_comment) on position = n_nationkey",
        "select * from nation left join words(n_comment) on true",
        "select * from words(3)",
        "select * from sessionize(table events partition by user_id order by ts desc nulls last, gap => interval '30' minute)",
        "select s.session_id, count(*) from sessionize(events => table events partition by user_id order by ts, \
         gap => interval '30' minute) as s where s.user_id = 7 and s.page = 'a' and random() < 2 group by 1",
        "select * from sessionize(table (select user_id, ts from events where page = 'a') partition by (user_id) order by (ts), \
         interval '1' hour)",
        "with e as (select * from events) select * from sessionize(table e partition by user_id order by ts, gap => interval '1' day)",
        "select * from fill(table events order by ts, user_id, step => interval '1' day)",
        "select * from merge(table events partition by user_id, table orders partition by o_custkey)",
        "select * from sessionize(table events order by ts, gap => interval '30' minute)",
        "select * from sessionize(table events partition by user_id, gap => interval '30' minute)",
        "select * from sessionize(table events partition by user_id order by ts)",
        "select * from sessionize(gap => interval '30' minute)",
        "select * from sessionize(table events partition by user_id order by ts, gapp => interval '30' minute)",
        "select * from sessionize(table events partition by user_id order by ts, gap => 'soon')",
        "select * from sessionize(table events partition by user_id order by ts, gap => 5)",
        "select * from sessionize(table events partition by user_id order by ts, gap => random())",
        "select * from sessionize(table events partition by nobody order by ts, gap => interval '1' day)",
        "select * from sessionize(table nothing partition by user_id order by ts, gap => interval '1' day)",
        "select * from merge(table events partition by user_id, table orders partition by o_clerk)",
        "select sessionize(table events partition by user_id order by ts)",
        "select * from sessionise(table events partition by user_id order by ts)",
        "select sessionize(1)",
    ] {
        all.push_str(&format!("{sql}\n{}\n\n", text(sql)));
    }
    expect_test::expect_file!["operators.txt"].assert_eq(&all);
}
