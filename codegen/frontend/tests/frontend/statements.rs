//! Nyala's own statements, from text to data.

use arrow::datatypes::DataType;
use nyala_frontend::{CopySource, DescribeTarget, ExplainFormat, ShowTarget, Statement, parse};
use nyala_schema::ErrorCode;
use nyala_schema::command::{DropKind, OnConflict};
use nyala_schema::scan::{Compression, CsvOptions, FileFormat};

fn ok(sql: &str) -> Statement {
    parse(sql).unwrap_or_else(|error| panic!("{sql}: {error:?}"))
}

fn code(sql: &str) -> ErrorCode {
    parse(sql).expect_err(sql).code()
}

#[test]
fn external_tables() {
    let sql = "create or replace external table Sales (id bigint not null, name varchar(20), at timestamp) \
               stored as csv partitioned by (year int, region) location 'sales/' \
               options (header false, 'format.delimiter' '|', null 'NA')";
    let Statement::CreateExternalTable { name, columns, format, location, partition_by, on_conflict } =
        ok(sql)
    else {
        panic!("another statement")
    };
    assert_eq!((name.as_str(), location.as_str(), on_conflict), ("sales", "sales/", OnConflict::Replace));
    let types: Vec<(&str, String, bool)> =
        columns.iter().map(|c| (c.name.as_str(), c.data_type.to_string(), c.nullable)).collect();
    let expected = [("id", "Int64", false), ("name", "Utf8View", true), ("at", "Timestamp(µs)", true)];
    assert_eq!(types, expected.map(|(name, data_type, nullable)| (name, data_type.to_owned(), nullable)));
    let csv =
        CsvOptions { header: false, delimiter: b'|', null_text: Some("NA".into()), ..CsvOptions::default() };
    assert_eq!(format, Some(FileFormat::Csv(csv)));
    assert_eq!(partition_by[0].data_type, Some(DataType::Int32));
    assert_eq!((partition_by[1].name.as_str(), &partition_by[1].data_type), ("region", &None));
}

#[test]
fn formats_come_from_the_path_when_options_need_one() {
    let format = |sql: &str| match ok(sql) {
        Statement::CreateExternalTable { format, .. } | Statement::Copy { format, .. } => format,
        other => panic!("{other:?}"),
    };
    assert_eq!(format("create external table t location 'a.parquet'"), None);
    let gzip =
        CsvOptions { header: false, delimiter: b'\t', compression: Compression::Gzip, ..Default::default() };
    let sql = "create external table t location 'a.tsv.gz' with (header = false)";
    assert_eq!(format(sql), Some(FileFormat::Csv(gzip)));
    assert_eq!(format("copy t to 'x' (format json)"), Some(FileFormat::Json(Compression::None)));
    assert_eq!(
        code("create external table t location 'a.xyz' with (header = false)"),
        ErrorCode::InvalidParameter
    );
    assert_eq!(code("create external table t stored as parqet location 'a'"), ErrorCode::InvalidParameter);
    assert_eq!(
        code("create external table t stored as csv location 'a' options (heder 1)"),
        ErrorCode::InvalidParameter
    );
    assert_eq!(code("create external table t stored as csv"), ErrorCode::Syntax);
}

#[test]
fn tables_and_views() {
    let Statement::CreateTable { columns, on_conflict, .. } =
        ok("create table if not exists t (a int, b decimal(10,2), c text[])")
    else {
        panic!("another statement")
    };
    assert_eq!(on_conflict, OnConflict::Keep);
    assert_eq!(columns[1].data_type, DataType::Decimal128(10, 2));
    assert!(matches!(columns[2].data_type, DataType::List(_)));
    assert!(matches!(ok("create table t as select 1"), Statement::CreateTableAs { .. }));
    let sql = "create view \"V\" (x, y) as  -- why\n select 1, ';' /* end */ ;";
    let Statement::CreateView { name, columns, query_sql, .. } = ok(sql) else { panic!("another statement") };
    assert_eq!((name.as_str(), columns), ("V", Some(vec!["x".to_owned(), "y".to_owned()])));
    assert!(query_sql.starts_with("select 1, ';'") && !query_sql.ends_with(';'), "{query_sql}");
    assert!(
        matches!(ok("insert into t (a, b) values (1, 2)"), Statement::Insert(insert) if insert.columns.len() == 2)
    );
    assert!(matches!(ok("insert into t (select 1)"), Statement::Insert(insert) if insert.columns.is_empty()));
    let drop = Statement::Drop { kind: DropKind::View, name: "v".into(), if_exists: true };
    assert_eq!(ok("drop view if exists v"), drop);
    assert_eq!(code("create table t (a int, a int)"), ErrorCode::DuplicateColumn);
    assert_eq!(code("create table t (a int primary key)"), ErrorCode::Unsupported);
    assert_eq!(code("create table t (a fancy)"), ErrorCode::Unsupported);
    assert_eq!(code("create or replace table if not exists t as select 1"), ErrorCode::Syntax);
}

#[test]
fn copies() {
    let Statement::Copy { source, path, format, options } =
        ok("copy (select 1) to 'out.parquet' (format parquet, compression zstd)")
    else {
        panic!("another statement")
    };
    assert!(matches!(source, CopySource::Query(_)));
    assert_eq!((path.as_str(), format), ("out.parquet", Some(FileFormat::Parquet)));
    assert_eq!(options, [("compression".to_owned(), "zstd".to_owned())]);
    let Statement::Copy { source, format, .. } = ok("COPY t TO 'o.csv' STORED AS CSV OPTIONS (header)")
    else {
        panic!("another statement")
    };
    assert_eq!(source, CopySource::Table("t".into()));
    assert_eq!(format, Some(FileFormat::Csv(CsvOptions::default())));
    assert!(matches!(ok("copy t from 'x.csv'"), Statement::CopyFrom { .. }));
}

#[test]
fn explains() {
    let explain = |sql: &str| match ok(sql) {
        Statement::Explain { format, analyze, .. } => (format, analyze),
        other => panic!("{other:?}"),
    };
    assert_eq!(explain("explain select 1"), (ExplainFormat::Fragments, false));
    assert_eq!(explain("explain analyze select 1"), (ExplainFormat::Fragments, true));
    assert_eq!(explain("explain (format logical) select 1"), (ExplainFormat::Logical, false));
    assert_eq!(explain("explain (analyze, format 'CLIF') select 1"), (ExplainFormat::Clif, true));
    assert_eq!(explain("explain pipelines (select 1)"), (ExplainFormat::Pipelines, false));
    assert_eq!(explain("explain (select 1) union select 2"), (ExplainFormat::Fragments, false));
    assert_eq!(code("explain (format tree) select 1"), ErrorCode::InvalidParameter);
    assert_eq!(code("explain explain select 1"), ErrorCode::Syntax);
}

#[test]
fn shows_and_settings() {
    let shown = |sql: &str| match ok(sql) {
        Statement::Show(target) => target,
        other => panic!("{other:?}"),
    };
    assert_eq!(shown("show tables like 'a%'"), ShowTarget::Tables { schema: None, like: Some("a%".into()) });
    assert_eq!(shown("SHOW COLUMNS FROM T"), ShowTarget::Columns { table: "t".into() });
    assert_eq!(shown("show functions"), ShowTarget::Functions { like: None });
    assert_eq!(shown("show all"), ShowTarget::Options);
    assert_eq!(shown("show threads"), ShowTarget::Option { name: "threads".into() });
    assert_eq!(
        ok("describe 'a b.parquet'"),
        Statement::Describe(DescribeTarget::Table("a b.parquet".into()))
    );
    assert_eq!(ok("desc T"), Statement::Describe(DescribeTarget::Table("t".into())));
    assert!(matches!(ok("describe select 1"), Statement::Describe(DescribeTarget::Query(_))));
    let set = |name: &str, value: &str| Statement::Set { name: name.into(), value: value.into() };
    assert_eq!(ok("set memory_limit = 4 GiB;"), set("memory_limit", "4 GiB"));
    assert_eq!(ok("set session threads to 2"), set("threads", "2"));
    assert_eq!(ok("set time zone '+02:00'"), set("time_zone", "+02:00"));
    assert_eq!(ok("set nyala.backend = native"), set("backend", "native"));
    assert_eq!(ok("set threads = default"), Statement::Reset { name: Some("threads".into()) });
    assert_eq!(ok("reset all"), Statement::Reset { name: None });
    assert_eq!(code("set threads"), ErrorCode::Syntax);
}

#[test]
fn one_statement_only() {
    assert!(matches!(ok("select 1;;"), Statement::Query(_)));
    assert_eq!(code("select 1; select 2"), ErrorCode::Syntax);
    assert_eq!(code(""), ErrorCode::Syntax);
    assert_eq!(code("prepare p"), ErrorCode::Unsupported);
    assert_eq!(code("grant all"), ErrorCode::Unsupported);
}
