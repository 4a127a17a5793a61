//! Tables as statements and back, and what is checked of their defaults and conditions.

use arrow::datatypes::{DataType, Field, Schema};
use nyala_frontend::{Frontend, Statement, create_table_sql, parse, split};
use nyala_schema::command::CommentTarget;
use nyala_schema::lookup::AsOf;
use nyala_schema::managed::{CheckConstraint, TableProperties};
use nyala_schema::option::Options;
use nyala_schema::{ErrorCode, Result};

use crate::dml::shape_of;
use crate::tables::Tables;

/// A small generator of numbers, the same in every run.
struct Draw(u64);

impl Draw {
    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % bound as u64) as usize
    }

    fn one<'a>(&mut self, of: &[&'a str]) -> &'a str {
        of[self.below(of.len())]
    }
}

const NAMES: [&str; 15] = [
    "a",
    "name",
    "\"Name\"",
    "\"two words\"",
    "\"q\"\"t\"",
    "\"select\"",
    "check",
    "primary",
    "key",
    "\"constraint\"",
    "year",
    "\"日本\"",
    "timestamp",
    "\"default\"",
    "_x1",
];
const TYPES: [&str; 26] = [
    "boolean",
    "tinyint",
    "smallint",
    "int",
    "bigint",
    "real",
    "double",
    "decimal(10,2)",
    "decimal(38,0)",
    "text",
    "varchar(20)",
    "bytea",
    "date",
    "time",
    "timestamp",
    "timestamptz",
    "interval",
    "int[]",
    "text[][]",
    "struct<a int, \"B c\" text>",
    "tinyint unsigned",
    "bigint unsigned",
    "timestamp_ns",
    "timestamp_s",
    "struct<x struct<y double[]>>[]",
    "int unsigned",
];
const DEFAULTS: [&str; 14] = [
    "",
    "",
    " default 1",
    " default -1",
    " default null",
    " default 'it''s'",
    " default now()",
    " default 1 + 2 * 3",
    " default (1 is not null)",
    " default date '2026-01-01'",
    " default cast('1' as int)",
    " default interval '1 day'",
    " default case when random() < 0.5 then 1 else 2 end",
    " default E'a\\nb'",
];
const CONDITIONS: [&str; 6] = [
    "a > 0",
    "a is not null or a in (1, 2)",
    "not (a between 1 and 2)",
    "a like 'x%' and a <> ''",
    "(a)",
    "a::int > 1",
];
const TERMS: [&str; 6] = ["C", "year(C)", "month(C)", "day(C)", "bucket(16, C)", "truncate(3, C)"];

fn statement(draw: &mut Draw) -> String {
    let mut names: Vec<&str> = NAMES.to_vec();
    let mut columns = Vec::new();
    let mut used = Vec::new();
    for _ in 0..=draw.below(6) {
        let name = names.swap_remove(draw.below(names.len()));
        let not_null = if draw.below(3) == 0 { " not null" } else { "" };
        columns.push(format!("{name} {}{not_null}{}", draw.one(&TYPES), draw.one(&DEFAULTS)));
        used.push(name);
    }
    for number in 0..draw.below(3) {
        let name = if draw.below(2) == 0 { format!("c{number}") } else { format!("\"C {number}\"") };
        columns.push(format!("constraint {name} check ({})", draw.one(&CONDITIONS)));
    }
    let mut sql = format!(
        "create table {}{} ({})",
        draw.one(&["", "s.", "main.", "\"S\"."]),
        draw.one(&NAMES),
        columns.join(", ")
    );
    if draw.below(2) == 0 {
        sql += &format!(" partitioned by ({})", draw.one(&TERMS).replace('C', draw.one(&used)));
    }
    if draw.below(2) == 0 {
        let direction = draw.one(&["", " desc", " asc nulls first", " desc nulls last", " nulls last"]);
        sql += &format!(" sorted by ({}{direction})", draw.one(&used));
    }
    sql + draw.one(&[
        "",
        " with (retention = '30 days', compression = 'snappy')",
        " with (file_size = '1MiB')",
    ])
}

/// What comes back must be what went in: names, types, constraints, partitions, order, properties, comment.
#[test]
fn a_table_is_written_back_as_the_statement_that_makes_it() {
    let mut draw = Draw(0x9E37_79B9_7F4A_7C15);
    for _ in 0..600 {
        let sql = statement(&mut draw);
        let first = parse(&sql).unwrap_or_else(|error| panic!("{sql}: {error:?}"));
        let Statement::CreateTable { definition, .. } = &first else { panic!("{sql}") };
        let (name, shape) = shape_of(&sql);
        let mut properties = TableProperties::default();
        for (name, value) in &definition.properties {
            properties.set(name, value).unwrap_or_else(|error| panic!("{sql}: {error:?}"));
        }
        let written = create_table_sql(&name, &shape, &properties, Some("it's"), &[]);
        let again = parse(&written).unwrap_or_else(|error| panic!("{sql}\n{written}: {error:?}"));
        let Statement::CreateTable { definition: kept, .. } = &again else { panic!("{written}") };
        assert_eq!(kept.comment.as_deref(), Some("it's"));
        assert_eq!(shape_of(&written), (name.clone(), shape.clone()), "{sql}\n{written}");
        let mut read = TableProperties::default();
        kept.properties.iter().for_each(|(name, value)| read.set(name, value).expect("a property"));
        assert_eq!(read, properties, "{written}");
        let rewritten = create_table_sql(&name, &shape_of(&written).1, &read, Some("it's"), &[]);
        assert_eq!(rewritten, written);
    }
}

#[test]
fn comments_on_columns_follow() {
    let (name, shape) = shape_of("create table s.t (a int, \"B\" text default 'x')");
    let comments = [("B".to_owned(), "it's; b".to_owned())];
    let script = create_table_sql(&name, &shape, &TableProperties::default(), None, &comments);
    let statements = split(&script);
    assert_eq!(statements.len(), 2);
    let comment = parse(&statements[1].1).expect("a comment");
    let target = CommentTarget::Column("s.t".to_owned(), "B".to_owned());
    assert_eq!(comment, Statement::Comment { target, text: Some("it's; b".to_owned()) });
    assert_eq!(
        script,
        "CREATE TABLE s.t (\n  a INTEGER,\n  \"B\" TEXT DEFAULT 'x'\n);\nCOMMENT ON COLUMN s.t.\"B\" IS 'it''s; b'"
    );
}

fn default(data_type: &DataType, sql: &str) -> Result<()> {
    let mut tables = Tables::tpch();
    tables.create("create function twice(x bigint) returns bigint language wasm as 'x.wasm'");
    Frontend::new().check_default("c", data_type, sql, &tables)
}

#[test]
fn defaults_are_checked() {
    let int = DataType::Int32;
    for sql in
        ["1", "-1", "null", "'7'", "1 + 1", "2.5", "cast(random() * 10 as int)", "extract(year from now())"]
    {
        assert_eq!(default(&int, sql), Ok(()), "{sql}");
    }
    assert_eq!(default(&DataType::Date32, "current_date"), Ok(()));
    assert_eq!(default(&DataType::Utf8View, "5"), Ok(()));
    let code = |data_type: &DataType, sql: &str| default(data_type, sql).expect_err(sql).code();
    assert_eq!(code(&int, "'x'"), ErrorCode::InvalidText);
    assert_eq!(code(&int, "true"), ErrorCode::DatatypeMismatch);
    assert_eq!(code(&int, "now()"), ErrorCode::DatatypeMismatch);
    assert_eq!(code(&int, "3000000000"), ErrorCode::NumericOverflow);
    assert_eq!(code(&DataType::Date32, "'2026-02-30'"), ErrorCode::InvalidDatetime);
    assert_eq!(code(&int, "a"), ErrorCode::UndefinedColumn);
    assert_eq!(code(&int, "sum(1)"), ErrorCode::Grouping);
    assert_eq!(code(&int, "(select 1)"), ErrorCode::Unsupported);
    assert_eq!(code(&int, "(select max(r_regionkey) from region)"), ErrorCode::Unsupported);
    assert_eq!(code(&int, "twice(1)"), ErrorCode::Unsupported);
    assert_eq!(code(&int, "1 +"), ErrorCode::Syntax);
    let error = default(&int, "true").expect_err("no number");
    assert_eq!(error.message(), "DEFAULT of \"c\" is boolean, but the column is integer");
}

#[test]
fn conditions_are_checked() {
    let columns =
        Schema::new(vec![Field::new("a", DataType::Int32, true), Field::new("b", DataType::Utf8View, true)]);
    let mut tables = Tables::tpch();
    tables.create("create function twice(x bigint) returns bigint language wasm as 'x.wasm'");
    let check = |sql: &str| Frontend::new().check_condition("s.t", &columns, Some("few"), sql, &tables);
    for sql in ["a > 0", "t.a > 0 or b = 'x'", "s.t.a is null", "null", "a in (1, 2)", "length(b) < 5"] {
        assert_eq!(check(sql), Ok(()), "{sql}");
    }
    let code = |sql: &str| check(sql).expect_err(sql).code();
    assert_eq!(code("aa > 0"), ErrorCode::UndefinedColumn);
    assert_eq!(code("u.a > 0"), ErrorCode::UndefinedTable);
    assert_eq!(code("a"), ErrorCode::DatatypeMismatch);
    assert_eq!(code("a + b"), ErrorCode::DatatypeMismatch);
    assert_eq!(code("sum(a) > 0"), ErrorCode::Grouping);
    assert_eq!(code("row_number() over () > 1"), ErrorCode::Grouping);
    assert_eq!(code("a in (select r_regionkey from region)"), ErrorCode::Unsupported);
    assert_eq!(code("exists (select 1)"), ErrorCode::Unsupported);
    assert_eq!(code("a > random()"), ErrorCode::Unsupported);
    assert_eq!(code("twice(a) > 0"), ErrorCode::Unsupported);
    let error = check("aa > 0").expect_err("no such column");
    assert!(error.message().starts_with("CHECK \"few\": there is no column \"aa\""), "{error:?}");
    assert!(error.hint().is_some_and(|hint| hint.contains("\"a\"")), "{error:?}");
}

#[test]
fn times_are_in_the_zone_of_the_session() {
    let at = |time: &str, zone: &str| {
        let sql = format!("rollback table t to timestamp {time}");
        let Ok(Statement::RollbackTable { to, .. }) = parse(&sql) else { panic!("{sql}") };
        let options = Options { time_zone: zone.to_owned(), ..Options::default() };
        Frontend::new().as_of(&sql, &to, &options)
    };
    const NOON: i64 = 1_772_366_400_000;
    const HOUR: i64 = 3_600_000;
    assert_eq!(at("'2026-03-01 12:00:00'", "UTC"), Ok(AsOf::Time(NOON)));
    assert_eq!(at("'2026-03-01 12:00:00'", "+02:00"), Ok(AsOf::Time(NOON - 2 * HOUR)));
    assert_eq!(at("'2026-03-01 12:00:00+01:00'", "+02:00"), Ok(AsOf::Time(NOON - HOUR)));
    assert_eq!(at("timestamp '2026-03-01 12:00:00'", "+02:00"), Ok(AsOf::Time(NOON - 2 * HOUR)));
    assert_eq!(at("date '2026-03-01'", "UTC"), Ok(AsOf::Time(NOON - 12 * HOUR)));
    assert_eq!(at("timestamp '2026-03-01 13:00:00' - interval '1 hour'", "UTC"), Ok(AsOf::Time(NOON)));
    assert!(
        matches!(at("now() - interval '1 hour'", "UTC"), Ok(AsOf::Time(time)) if time > NOON - 300 * 24 * HOUR)
    );
    let code = |time: &str| at(time, "UTC").expect_err(time).code();
    assert_eq!(code("'noon'"), ErrorCode::InvalidDatetime);
    assert_eq!(code("null"), ErrorCode::InvalidDatetime);
    assert_eq!(code("true"), ErrorCode::InvalidDatetime);
    assert_eq!(code("a"), ErrorCode::UndefinedColumn);
    assert_eq!(code("random()"), ErrorCode::InvalidParameter);
}

#[test]
fn rows_that_are_there_are_asked_about() {
    use nyala_frontend::{dml, logical_text};
    let mut tables = Tables::default();
    let (name, mut shape) = shape_of("create table s.t (a int, b text)");
    shape.checks.push(CheckConstraint { name: "c".to_owned(), sql: "a > 0".to_owned() });
    tables.add_writable(&name, &shape);
    let plan = |query: Result<Box<sqlparser::ast::Query>>| {
        let query = query.expect("a query");
        let plan = Frontend::new().plan_query("", &query, &tables, &Options::default()).expect("a plan");
        (logical_text(&plan), plan.schema().field_names())
    };
    let (text, names) = plan(dml::check_query("s.t", "t.a > 0 or b = 'x'"));
    assert!(text.contains("IS FALSE") && text.contains("fetch=1"), "{text}");
    assert_eq!(names, ["s.t.a", "s.t.b"]);
    let (text, _) = plan(dml::not_null_query("s.t", "b"));
    assert!(text.contains("b IS NULL") && text.contains("fetch=1"), "{text}");
}
