//! Texts and files that are meant to hurt: an error or an answer, soon, and the engine goes on.

use nyala_schema::ErrorCode;
use nyala_tests::{Database, tpch_folder};

fn still_works(database: &mut Database) {
    assert_eq!(database.query("SELECT 1 + 1").unwrap().rows, [["2"]]);
}

#[test]
fn deeply_nested_parentheses() {
    let mut database = Database::open("auto");
    let sql = format!("SELECT {}1{}", "(".repeat(50_000), ")".repeat(50_000));
    let error = database.query(&sql).unwrap_err();
    assert!(matches!(error.code(), ErrorCode::TooComplex | ErrorCode::Syntax), "{error:?}");
    still_works(&mut database);
}

#[test]
fn long_lists_and_chains() {
    for backend in ["interpreter", "native"] {
        let mut database = Database::tpch(backend, tpch_folder());
        let list: Vec<String> = (0..10_000).map(|n| (n * 3).to_string()).collect();
        let sql = format!("SELECT count(*) FROM orders WHERE o_custkey IN ({})", list.join(", "));
        let third = database.query("SELECT count(*) FROM orders WHERE o_custkey % 3 = 0").unwrap();
        assert_eq!(database.query(&sql).unwrap().rows, third.rows);
        let chain: Vec<String> = (0..2_000).map(|n| format!("n_nationkey = {n}")).collect();
        let sql = format!("SELECT count(*) FROM nation WHERE {}", chain.join(" OR "));
        assert_eq!(database.query(&sql).unwrap().rows, [["25"]]);
        let sum = |terms: i32| {
            format!("SELECT {}", (0..terms).map(|n| n.to_string()).collect::<Vec<_>>().join(" + "))
        };
        assert_eq!(database.query(&sum(400)).unwrap().rows, [["79800"]]);
        assert_eq!(database.query(&sum(20_000)).unwrap_err().code(), ErrorCode::TooComplex);
        still_works(&mut database);
    }
}

#[test]
fn overflow_is_an_error_not_a_wrong_number() {
    for backend in ["interpreter", "native"] {
        let mut database = Database::open(backend);
        database.query("CREATE TABLE t AS SELECT 9223372036854775807 AS big, CAST('99999999999999999999999999999999999999' AS DECIMAL(38,0)) AS d").unwrap();
        for sql in [
            "SELECT big + 1 FROM t",
            "SELECT -big - 2 FROM t",
            "SELECT big * big FROM t",
            "SELECT d + 1 FROM t",
            "SELECT d * 10 FROM t",
            "SELECT sum(big) FROM (SELECT big FROM t UNION ALL SELECT big FROM t) u",
            "SELECT CAST(big AS INTEGER) FROM t",
        ] {
            let error = database.query(sql).expect_err(sql);
            assert_eq!(error.code(), ErrorCode::NumericOverflow, "{sql} on {backend}: {error:?}");
        }
        let error = database.query("SELECT big / (big - big) FROM t").unwrap_err();
        assert_eq!(error.code(), ErrorCode::DivisionByZero);
        still_works(&mut database);
    }
}

#[test]
fn damaged_parquet_files() {
    let folder = tempfile::tempdir().unwrap();
    let good = std::fs::read(tpch_folder().join("supplier.parquet")).unwrap();
    let path = folder.path().join("bad.parquet");
    let sql = format!(
        "SELECT count(s_comment), sum(s_acctbal), max(s_name), min(s_nationkey) FROM '{}'",
        path.display()
    );
    let mut database = Database::open("auto");
    for round in 0..200usize {
        let mut bytes = good.clone();
        if round % 4 == 0 {
            bytes.truncate(good.len() * (round + 1) / 201);
        } else {
            let place = (round * 7919) % good.len();
            bytes[place] ^= 1 << (round % 8);
        }
        std::fs::write(&path, &bytes).unwrap();
        if let Err(error) = database.query(&sql) {
            assert_ne!(error.code(), ErrorCode::Internal, "round {round}: {error:?}");
        }
    }
    still_works(&mut database);
}

#[test]
fn bad_rows_name_file_line_and_column() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("t.csv");
    std::fs::write(&path, "a,b\n1,x\n2\n").unwrap();
    let mut database = Database::open("auto");
    let error = database.query(&format!("SELECT * FROM '{}'", path.display())).unwrap_err();
    assert!(error.message().contains("t.csv") && error.message().contains('3'), "{error:?}");
    std::fs::write(&path, "a,b\n1,x\noops,y\n").unwrap();
    let table =
        format!("CREATE EXTERNAL TABLE t (a BIGINT, b VARCHAR) STORED AS CSV LOCATION '{}'", path.display());
    database.query(&table).unwrap();
    let error = database.query("SELECT sum(a) FROM t").unwrap_err();
    assert!(error.message().contains("oops") && error.message().contains('3'), "{error:?}");
    still_works(&mut database);
}

#[test]
fn random_text_never_panics() {
    let words = [
        "SELECT", "FROM", "WHERE", "(", ")", ",", "*", "'", "\"", "1", "a", "JOIN", "ON", "=", "GROUP BY",
        "--", "/*", ";", "UNION", "CASE", "WHEN", "END", "$$", "é", "CREATE", "TABLE", "EXPLAIN", "COPY",
        "TO", "OVER", "IN", "EXISTS", "::",
    ];
    let mut database = Database::open("auto");
    let mut seed = 1u64;
    for _ in 0..3000 {
        let mut text = String::new();
        for _ in 0..(seed % 17) {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            text.push_str(words[(seed >> 33) as usize % words.len()]);
            text.push(' ');
        }
        seed = seed.wrapping_add(0x9e37_79b9);
        if let Err(error) = database.query(&text) {
            assert_ne!(error.code(), ErrorCode::Internal, "{text}: {error:?}");
        }
    }
    still_works(&mut database);
}
