//! Texts that nobody writes by hand: large, deep, broken. None may panic, hang or overflow a stack.

use std::time::{Duration, Instant};

use nyala_frontend::{Statement, is_complete, parse, render, split};
use nyala_schema::ErrorCode;

use crate::tables::{Tables, plan, plan_with};

/// Generous: tests run on loaded machines.
const PATIENCE: Duration = Duration::from_secs(20);

fn timed<T>(what: &str, work: impl FnOnce() -> T) -> T {
    let start = Instant::now();
    let result = work();
    let elapsed = start.elapsed();
    println!("{what}: {elapsed:?}");
    assert!(elapsed < PATIENCE, "{what} took {elapsed:?}");
    result
}

#[test]
fn nested_parentheses_are_refused() {
    for (what, open, close) in
        [("(", "(", ")"), ("f(", "abs(", ")"), ("[", "[", "]"), ("(select", "(select ", ")")]
    {
        let depth = 100_000 / open.len();
        let sql = format!("select {}1{}", open.repeat(depth), close.repeat(depth));
        let error = timed(what, || parse(&sql)).expect_err("too deep");
        assert_eq!(error.code(), ErrorCode::TooComplex, "{what}: {error:?}");
    }
    for sql in [
        format!("select {}", "(".repeat(100_000)),
        format!("select * from {}t", "(".repeat(100_000)),
        format!("select {}1", "- ".repeat(100_000)),
        format!("select {}true", "not ".repeat(100_000)),
        format!("select {}1", "case when ".repeat(50_000)),
        format!("select 1{}", "::int".repeat(100_000)),
        format!("select a{}", "[1]".repeat(100_000)),
        format!("select {}1", "1+".repeat(100_000)),
        format!("{}select 1", "explain ".repeat(50_000)),
        format!("select 1 {}", "union select 1 ".repeat(50_000)),
    ] {
        let what: String = sql.chars().take(30).collect();
        let error = timed(&what, || plan(&sql)).expect_err("refused");
        let code = error.code();
        assert!(matches!(code, ErrorCode::TooComplex | ErrorCode::Syntax), "{what}: {error:?}");
    }
}

#[test]
fn moderate_depth_plans() {
    for depth in [5, 14, 20, 60] {
        let parens = format!("select {}1{}", "(".repeat(depth), ")".repeat(depth));
        timed("parentheses", || plan(&parens)).expect("plans");
        let cases = format!("select {}1{}", "case when true then ".repeat(depth), " end".repeat(depth));
        timed("case", || plan(&cases)).expect("plans");
        let queries = format!("select * from {}region{}", "(select * from ".repeat(depth), ")".repeat(depth));
        timed("subqueries", || plan(&queries)).expect("plans");
    }
    let sum = format!("select {} from region", vec!["r_regionkey"; 290].join("+"));
    timed("sum", || plan(&sum)).expect("plans");
    let text = format!("select {} from region", vec!["r_name"; 140].join("||"));
    timed("concatenation", || plan(&text)).expect("plans");
    let factors = format!("select * from {}region{}", "(".repeat(12), ")".repeat(12));
    timed("table in parentheses", || plan(&factors)).expect("plans");
}

/// A parser that tries twice at every level would take for ever at these depths.
#[test]
fn no_nesting_takes_exponential_time() {
    let patterns = [
        ("select ", "(", "1", ")", ""),
        ("select * from ", "(", "region", ")", ""),
        ("select * from ", "(", "select 1", ")", ""),
        ("select * from ", "(", "region cross join nation", ")", ""),
        ("select * from ", "(select * from ", "region", ") t", ""),
        ("select ", "(select ", "1", ")", ""),
        ("select ", "abs(", "1", ")", ""),
        ("select ", "cast(", "1", " as int)", ""),
        ("select ", "[", "1", "]", ""),
        ("select ", "{'a': ", "1", "}", ""),
        ("select ", "case when true then ", "1", " end", ""),
        ("select ", "case ", "1", " when 1 then 2 end", ""),
        ("select ", "coalesce(1, ", "1", ")", ""),
        ("select 1 where ", "exists (select 1 where ", "true", ")", ""),
        ("select 1 where ", "1 in (select 1 where ", "true", ")", ""),
        ("select ", "- (", "1", ")", ""),
        ("select ", "not (", "true", ")", ""),
        ("with ", "a as (with ", "b as (select 1) select 1", ") select 1", " select 1"),
        ("", "(", "select 1", ")", ""),
        ("select * from ", "lateral (select * from ", "region", ") l", ""),
        ("select ", "interval ", "'1 day'", "", ""),
        ("select cast(1 as ", "array<", "int", ">", ")"),
        ("select cast(1 as ", "struct<a ", "int", ">", ")"),
        ("select sum(1) over (order by ", "sum(1) over (order by ", "1", ")", ")"),
        ("values ", "(", "1", ")", ""),
        ("select * from region join ", "(nation join ", "region r on true", ") on true", " on true"),
    ];
    for (start, open, middle, close, end) in patterns {
        for depth in [14, 28, 56, 112] {
            let sql = format!("{start}{}{middle}{}{end}", open.repeat(depth), close.repeat(depth));
            timed(&format!("{depth} {start}{open}"), || plan(&sql).map(drop)).ok();
        }
    }
}

/// Each name uses the one before twice.
fn doubled(levels: usize) -> String {
    let steps: String =
        (1..=levels).map(|n| format!(", w{n} as (select a.x from w{} a, w{} b)", n - 1, n - 1)).collect();
    format!("with w0 as (select r_name as x from region){steps} select count(*) from w{levels}")
}

#[test]
fn names_that_double_are_refused() {
    timed("64 uses", || plan(&doubled(6))).expect("plans");
    timed("512 uses", || plan(&doubled(8))).expect("plans");
    for levels in [12, 30, 300] {
        let error = timed("doubled", || plan(&doubled(levels))).expect_err("refused");
        assert_eq!(error.code(), ErrorCode::TooComplex);
    }
    let mut tables = Tables::tpch();
    tables.add_view("v0", "", "select r_name as x from region");
    for n in 1..=25 {
        tables.add_view(&format!("v{n}"), "", &format!("select a.x from v{} a, v{} b", n - 1, n - 1));
    }
    let error = timed("doubled views", || plan_with(&tables, "select * from v25")).expect_err("refused");
    assert_eq!(error.code(), ErrorCode::TooComplex);
}

#[test]
fn long_lists_and_chains_plan() {
    let list: Vec<String> = (0..10_000).map(|n| n.to_string()).collect();
    let sql = format!("select * from orders where o_orderkey in ({})", list.join(", "));
    timed("10,000 in a list", || plan(&sql)).expect("plans");
    for word in ["or", "and"] {
        let one: Vec<String> = (0..5_000).map(|n| format!("o_orderkey <> {n}")).collect();
        let sql = format!("select * from orders where {}", one.join(&format!(" {word} ")));
        timed(&format!("5,000 {word}"), || plan(&sql)).expect("plans");
    }
    let equal: Vec<String> = (0..5_000).map(|n| format!("o_orderkey = {n}")).collect();
    timed("5,000 or =", || plan(&format!("select * from orders where {}", equal.join(" or "))))
        .expect("plans");
    let mixed: Vec<String> =
        (0..5_000).map(|n| format!("(o_orderkey = {n} and o_custkey > {})", n / 2)).collect();
    timed("5,000 or (and)", || plan(&format!("select * from orders where {}", mixed.join(" or "))))
        .expect("plans");
    let rows: Vec<String> = (0..5_000).map(|n| format!("({n}, 'text {n}')")).collect();
    timed("5,000 values", || plan(&format!("values {}", rows.join(", ")))).expect("plans");
    let columns: Vec<String> = (0..1_000).map(|n| format!("o_orderkey + {n} as c{n}")).collect();
    timed("1,000 columns", || plan(&format!("select {} from orders", columns.join(", ")))).expect("plans");
    let unions = vec!["select r_name from region"; 200].join(" union all ");
    timed("200 unions", || plan(&unions)).expect("plans");
    let joins: String =
        (1..40).map(|n| format!(" join region r{n} on r{n}.r_regionkey = r0.r_regionkey")).collect();
    timed("40 joins", || plan(&format!("select count(*) from region r0{joins}"))).expect("plans");
}

const FRAGMENTS: &str = "select from ' \" ( ) ; -- /* */ $$ $a$ E' \\ é 日本 1e 0x .. :: create external table view as copy to \
     set = explain show in case end with over filter interval [ ] { } , * - a.b.c U&' X' drop describe insert into values \
     location stored partitioned by options update merge into using on when matched then delete insert values default \
     truncate alter add drop column constraint check rename begin commit rollback use schema undrop vacuum optimize analyze \
     restore version timestamp as of for history 1 'x' partition ( a = 1 ) sorted comment is null";

#[test]
fn any_text_is_harmless() {
    let fragments: Vec<&str> = FRAGMENTS.split(' ').chain(["\n", "\u{0}", "\u{feff}"]).collect();
    let mut state = 0x2545_F491_4F6C_DD1D_u64;
    let mut random = |below: usize| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state % below as u64) as usize
    };
    for _ in 0..8_000 {
        let mut sql = String::new();
        for _ in 0..=random(14) {
            sql.push_str(fragments[random(fragments.len())]);
            if random(3) > 0 {
                sql.push(' ');
            }
        }
        split(&sql);
        is_complete(&sql);
        match parse(&sql) {
            Ok(Statement::Query(_)) => {
                if let Err(error) = plan(&sql) {
                    assert!(!error.message().is_empty(), "{sql}");
                    render(&error, &sql);
                }
            }
            Ok(_) => {}
            Err(error) => {
                assert_ne!(error.code(), ErrorCode::Internal, "{sql}: {error:?}");
                render(&error, &sql);
            }
        }
    }
}

/// Whole statements of which a few words are swapped, dropped or doubled: most are read far before they are refused.
#[test]
fn damaged_statements_are_harmless() {
    let golden = ["define", "write", "history", "show"].map(|name| {
        std::fs::read_to_string(format!("tests/frontend/statements/{name}.txt")).expect("a golden file")
    });
    let statements: Vec<&str> =
        golden.iter().flat_map(|text| text.lines()).filter_map(|line| line.strip_prefix("> ")).collect();
    let words: Vec<&str> = statements.iter().flat_map(|sql| sql.split(' ')).collect();
    let mut state = 0x9E37_79B9_7F4A_7C15_u64;
    let mut random = |below: usize| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state % below as u64) as usize
    };
    let mut parsed = 0;
    for _ in 0..10_000 {
        let mut sql: Vec<&str> = statements[random(statements.len())].split(' ').collect();
        for _ in 0..=random(3) {
            let at = random(sql.len());
            match random(4) {
                0 if sql.len() > 1 => drop(sql.remove(at)),
                1 => sql.insert(at, sql[at]),
                2 => sql[at] = words[random(words.len())],
                _ => sql.insert(at, words[random(words.len())]),
            }
        }
        let sql = sql.join(" ");
        match parse(&sql) {
            Ok(_) => parsed += 1,
            Err(error) => {
                assert_ne!(error.code(), ErrorCode::Internal, "{sql}: {error:?}");
                assert!(!render(&error, &sql).is_empty());
            }
        }
    }
    assert!(parsed > 300, "only {parsed} are statements still");
}
