//! Statements about functions, operators and modules, from text to data.

use arrow::datatypes::{DataType, IntervalUnit, TimeUnit};
use nyala_frontend::{
    CodeSource, Declaration, DescribeTarget, FunctionChange, Language, ShowTarget, Statement, parse,
    parse_manifest, render, split,
};
use nyala_schema::ErrorCode;
use nyala_schema::command::{OnConflict, Overload};
use nyala_schema::expr::Volatility;
use nyala_schema::function::{FunctionDeclaration, FunctionKind};
use nyala_schema::guest::{Limits, OnError, OperatorOutput};

fn ok(sql: &str) -> Statement {
    parse(sql).unwrap_or_else(|error| panic!("{sql}: {error:?}"))
}

fn function(sql: &str) -> (FunctionDeclaration, CodeSource, Language) {
    match ok(sql) {
        Statement::CreateFunction { declaration, code, language, .. } => (declaration, code, language),
        other => panic!("{other:?}"),
    }
}

#[test]
fn functions_with_every_clause_in_any_order() {
    let sql = "create or replace function \"Add\" (a bigint, b decimal(12, 2)) returns double \
               cost 2.5 strict language wasm as 'add.bin' export 'add2' \
               with (memory = '16MB', time_per_batch = '2s', on_error = 'null') stable";
    let Statement::CreateFunction { declaration, code, language, on_conflict } = ok(sql) else {
        panic!("another statement")
    };
    assert_eq!((declaration.name.as_str(), declaration.kind), ("Add", FunctionKind::Scalar));
    let types: Vec<DataType> = declaration.arguments.iter().map(|a| a.data_type.clone()).collect();
    assert_eq!(types, [DataType::Int64, DataType::Decimal128(12, 2)]);
    assert_eq!(declaration.returns, DataType::Float64);
    assert_eq!((declaration.volatility, declaration.strict), (Volatility::Stable, Some(true)));
    assert_eq!((declaration.cost, declaration.rows_per_row), (Some(250), None));
    let limits = Limits { memory_bytes: 16_000_000, time_per_batch_ms: 2_000, on_error: OnError::Null };
    assert_eq!(declaration.limits, limits);
    assert_eq!(declaration.export.as_deref(), Some("add2"));
    assert_eq!((code, language), (CodeSource::Path("add.bin".into()), Language::Wasm));
    assert_eq!(on_conflict, OnConflict::Replace);
}

#[test]
fn what_is_left_out_has_defaults() {
    let (declaration, code, language) = function("create function f() returns text as 'f.WASM'");
    assert_eq!((declaration.volatility, declaration.strict), (Volatility::Immutable, None));
    assert_eq!((declaration.cost, declaration.export.clone()), (None, None));
    assert_eq!((declaration.limits, declaration.returns), (Limits::default(), DataType::Utf8View));
    assert_eq!((code, language), (CodeSource::Path("f.WASM".into()), Language::Wasm));
    let (_, code, language) = function("create function f (x bigint) returns bigint as X'00ff'");
    assert_eq!((code, language), (CodeSource::Bytes(vec![0, 0xff]), Language::Wasm));
    let (_, code, language) = function("create function f(x int) returns int as module m export 'g'");
    assert_eq!((code, language), (CodeSource::Module("m".into()), Language::Wasm));
    let (_, _, language) = function("create function f(x int) returns int as 'f.wat' called on null input");
    assert_eq!(language, Language::Wat);
}

#[test]
fn sources_stand_in_dollars_and_expressions_in_quotes_too() {
    let sql = "create function f(x bigint) returns bigint language wat as $wat$ (module ;; it's; $$\n) $wat$";
    let (_, code, language) = function(sql);
    assert_eq!(code, CodeSource::Text(" (module ;; it's; $$\n) ".into()));
    assert_eq!(language, Language::Wat);
    let script = format!("{sql}; select 1");
    assert_eq!(split(&script).iter().map(|(_, sql)| sql.as_str()).collect::<Vec<_>>(), [sql, "select 1"]);
    let (_, code, _) = function("create function f(x bigint) returns bigint language sql as 'x + 1'");
    assert_eq!(code, CodeSource::Text("x + 1".into()));
}

#[test]
fn aggregates_and_table_functions() {
    let (declaration, ..) = function("create aggregate function a(x double) returns double as 'a.wasm'");
    assert_eq!(declaration.kind, FunctionKind::Aggregate);
    for sql in [
        "create table function words(line text) returns table (position bigint, word text) rows 8 as 'w.wasm'",
        "create function words(line text) returns table (position bigint, word text) as 'w.wasm' rows 8",
    ] {
        let (declaration, ..) = function(sql);
        assert_eq!((declaration.kind, declaration.rows_per_row), (FunctionKind::Table, Some(800)), "{sql}");
        let DataType::Struct(columns) = &declaration.returns else { panic!("{sql}") };
        assert_eq!(columns.iter().map(|c| c.name().as_str()).collect::<Vec<_>>(), ["position", "word"]);
    }
    assert!(matches!(ok("create table function as select 1"), Statement::CreateTableAs { .. }));
    assert!(matches!(ok("create table function (a int)"), Statement::CreateTable { .. }));
}

#[test]
fn types_are_as_plans_hold_them() {
    let (declaration, ..) = function(
        "create function f(a time, b bytea, c text[], d timestamp, e interval) returns smallint as 'f.wasm'",
    );
    let types: Vec<DataType> = declaration.arguments.iter().map(|a| a.data_type.clone()).collect();
    assert_eq!(types[0], DataType::Time64(TimeUnit::Microsecond));
    assert_eq!(types[1], DataType::BinaryView);
    assert!(matches!(&types[2], DataType::List(item) if *item.data_type() == DataType::Utf8View));
    assert_eq!(types[3], DataType::Timestamp(TimeUnit::Microsecond, None));
    assert_eq!(types[4], DataType::Interval(IntervalUnit::MonthDayNano));
}

#[test]
fn operators() {
    let sql = "create operator if not exists sessionize (TABLE events PARTITION BY ORDER BY, gap INTERVAL, \
               TABLE other READS ALL, label TEXT OPTIONAL) RETURNS INPUT AND (session_id BIGINT) \
               ROWS 1 KEEPS ORDER COST 3 AS MODULE m EXPORT 's'";
    let Statement::CreateOperator { declaration, code, language, on_conflict } = ok(sql) else {
        panic!("another statement")
    };
    assert_eq!((declaration.name.as_str(), on_conflict), ("sessionize", OnConflict::Keep));
    let [events, other] = declaration.inputs.as_slice() else { panic!("inputs") };
    assert!(events.needs_partition && events.needs_order && !events.reads_all);
    assert!(!other.needs_partition && !other.needs_order && other.reads_all);
    let [gap, label] = declaration.parameters.as_slice() else { panic!("parameters") };
    assert!(gap.required && !label.required && label.data_type == DataType::Utf8View);
    assert!(matches!(&declaration.output, OperatorOutput::Extends(own) if own[0].name() == "session_id"));
    assert_eq!((declaration.rows_per_row, declaration.cost), (Some(100), Some(300)));
    assert!(declaration.keeps_order);
    assert_eq!((code, language), (CodeSource::Module("m".into()), Language::Wasm));
    let output =
        |returns: &str| match ok(&format!("create operator o (table t) returns {returns} as 'o.wasm'")) {
            Statement::CreateOperator { declaration, .. } => declaration.output,
            other => panic!("{other:?}"),
        };
    assert!(matches!(output("table (a int, b text)"), OperatorOutput::Columns(own) if own.len() == 2));
    assert!(matches!(output("like input"), OperatorOutput::LikeInput(own) if own.is_empty()));
    assert!(matches!(output("like input and (c int)"), OperatorOutput::LikeInput(own) if own.len() == 1));
}

#[test]
fn modules_and_what_drops_them() {
    let hash = "00".repeat(32);
    let sql = format!("create module if not exists text from 'text.wasm' sha256 '{hash}'");
    assert!(
        matches!(ok(&sql), Statement::CreateModule { name, code: CodeSource::Path(path), sha256: Some(sha256), on_conflict: OnConflict::Keep }
        if name == "text" && path == "text.wasm" && sha256.to_string() == hash)
    );
    let bytes = |sql: &str| match ok(sql) {
        Statement::CreateModule { code: CodeSource::Bytes(bytes), .. } => bytes,
        other => panic!("{other:?}"),
    };
    assert_eq!(bytes("create module m from X'0061736D'"), b"\0asm");
    assert_eq!(bytes("create module m from x''"), b"");
    let overload = |name: &str, arguments| Overload { name: name.to_owned(), arguments };
    let drop = |kind, overload, if_exists| Statement::DropFunction { kind, overload, if_exists };
    assert_eq!(ok("drop function f"), drop(None, overload("f", None), false));
    let typed = overload("f", Some(vec![DataType::Int64, DataType::Utf8View]));
    assert_eq!(ok("drop function if exists f(bigint, text)"), drop(None, typed, true));
    let none = overload("a", Some(vec![]));
    assert_eq!(ok("drop aggregate function a()"), drop(Some(FunctionKind::Aggregate), none, false));
    let table = Some(FunctionKind::Table);
    assert_eq!(ok("drop table function t"), drop(table, overload("t", None), false));
    assert_eq!(ok("drop module m"), Statement::DropModule { name: "m".into(), if_exists: false });
    assert_eq!(
        ok("drop operator if exists o"),
        Statement::DropOperator { name: "o".into(), if_exists: true }
    );
    assert!(matches!(ok("drop table function"), Statement::Drop { .. }));
}

#[test]
fn versions() {
    let change = |sql: &str| match ok(sql) {
        Statement::AlterFunction { overload, change } => (overload, change),
        other => panic!("{other:?}"),
    };
    let (overload, added) = change("alter function f(bigint) add version as 'f2.wasm' export 'g' cost 3");
    assert_eq!(overload.arguments, Some(vec![DataType::Int64]));
    let FunctionChange::AddVersion(version) = added else { panic!("{added:?}") };
    assert_eq!((version.language, version.cost), (Language::Wasm, Some(300)));
    assert_eq!((version.volatility, version.strict, version.export.as_deref()), (None, None, Some("g")));
    let limits = version.limits.over(Limits { memory_bytes: 5, ..Limits::default() });
    assert_eq!(limits.memory_bytes, 5);
    assert_eq!(change("alter function f set version 3").1, FunctionChange::SetVersion(3));
    assert_eq!(change("alter aggregate function f rollback").1, FunctionChange::Rollback);
    assert_eq!(change("alter function f resume;").1, FunctionChange::Resume);
}

#[test]
fn questions() {
    let health = ShowTarget::FunctionHealth { like: None };
    assert_eq!(ok("show function health"), Statement::Show(health));
    assert_eq!(
        ok("show modules like 'a%'"),
        Statement::Show(ShowTarget::Modules { like: Some("a%".into()) })
    );
    assert_eq!(ok("show operators"), Statement::Show(ShowTarget::Operators { like: None }));
    let overload = |arguments| Overload { name: "f".into(), arguments };
    let target = DescribeTarget::Function(overload(None));
    assert_eq!(ok("describe function f"), Statement::Describe(target));
    let explained = Statement::ExplainFunction { overload: overload(Some(vec![DataType::Int32])) };
    assert_eq!(ok("explain function f(int)"), explained);
}

#[test]
fn manifests() {
    let text = "CREATE FUNCTION initials (name TEXT) RETURNS TEXT IMMUTABLE STRICT COST 50;\n\
                CREATE AGGREGATE FUNCTION hll_count (value TEXT) RETURNS BIGINT;\n\
                CREATE TABLE FUNCTION words (line TEXT) RETURNS TABLE (position BIGINT, word TEXT) ROWS 8;\n\
                CREATE OPERATOR sessionize (TABLE events PARTITION BY ORDER BY, gap INTERVAL)\n\
                  RETURNS INPUT AND (session_id BIGINT) ROWS 1 KEEPS ORDER;\n";
    let names: Vec<String> = parse_manifest(text)
        .unwrap()
        .into_iter()
        .map(|declaration| match declaration {
            Declaration::Function(function) => function.name,
            Declaration::Operator(operator) => operator.name,
        })
        .collect();
    assert_eq!(names, ["initials", "hll_count", "words", "sessionize"]);
    assert_eq!(parse_manifest(" ").unwrap(), []);
    let error =
        parse_manifest("CREATE FUNCTION f () RETURNS INT;\nCREATE FUNCTION g (x) RETURNS INT").unwrap_err();
    assert_eq!(error.position().map(|at| at.line), Some(2));
    assert!(parse_manifest("CREATE FUNCTION f () RETURNS INT AS 'x.wasm'").is_err());
    assert!(parse_manifest("SELECT 1").is_err());
}

#[test]
fn mistakes_are_shown_where_they_are() {
    let mut text = String::new();
    for sql in [
        "create function f(x) returns int as 'f.wasm'",
        "create function f(x bigint) as 'f.wasm'",
        "create function f(x bigint) returns bigint",
        "create function f(x bigint) returns bigint as $$ x + 1 $$",
        "create function f(x bigint) returns bigint language python as $$ x $$",
        "create function f(x bigint) returns bigint strict strict as 'f.wasm'",
        "create function f(x uint) returns bigint as 'f.wasm'",
        "create function f(x bigint) returns bigint rows 3 as 'f.wasm'",
        "create function f(x bigint) returns bigint as 'f.wasm' with (memory = 'much')",
        "create function f(x bigint) returns bigint as 'f.wasm' with (cpu = '1')",
        "create function f(x bigint) returns bigint as 'f.wasm' quickly",
        "create aggregate function f(x bigint) returns bigint language sql as $$ sum(x) $$",
        "create or replace function if not exists f() returns int as 'f.wasm'",
        "create operator o (gap interval) returns like input as 'o.wasm'",
        "create operator o (table t sorted) returns like input as 'o.wasm'",
        "create operator o (table t) returns bigint as 'o.wasm'",
        "create module m from 'm.wasm' sha256 'abc'",
        "create module m from X'006'",
        "create function f(x bigint) returns bigint as X'00 61'",
        "create function f(x bigint) returns bigint language sql as X'00'",
        "alter function f add version",
        "alter function f set version x",
        "alter index i",
        "drop module",
        "drop function f cascade",
    ] {
        let error = parse(sql).expect_err(sql);
        assert!(matches!(
            error.code(),
            ErrorCode::Syntax | ErrorCode::InvalidParameter | ErrorCode::Unsupported
        ));
        text.push_str(&render(&error, sql));
        text.push_str("\n\n");
    }
    expect_test::expect_file!["errors/uploads.txt"].assert_eq(&text);
}

#[test]
fn limits_follow_a_timestamp() {
    for returns in ["timestamp", "timestamp(6)", "time", "timestamp with time zone", "timestamp[]"] {
        let sql = format!("create function f(x bigint) returns {returns} with (memory = '16MB') as 'f.wasm'");
        let Ok(Statement::CreateFunction { declaration, .. }) = parse(&sql) else { panic!("{sql}") };
        assert_eq!(declaration.limits.memory_bytes, 16_000_000, "{sql}");
    }
}
