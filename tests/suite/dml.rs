//! What statements that write say of themselves, and what they leave in the warehouse.

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use nyala_schema::ErrorCode;
use nyala_tests::{Database, program};

fn done(database: &mut Database, sql: &str) -> String {
    database.command(sql).unwrap_or_else(|error| panic!("{sql}: {error:?}"))
}

fn one(database: &mut Database, sql: &str) -> String {
    database.query(sql).unwrap_or_else(|error| panic!("{sql}: {error:?}")).rows[0].join(" ")
}

fn at(folder: &Path) -> Database {
    Database::at(&folder.join("data")).unwrap()
}

/// Names of all files in the warehouse, those that are being written included.
fn warehouse_files(folder: &Path) -> Vec<String> {
    let mut found = Vec::new();
    let Ok(tables) = std::fs::read_dir(folder.join("data/warehouse")) else { return found };
    for table in tables.flatten() {
        for file in std::fs::read_dir(table.path()).into_iter().flatten().flatten() {
            found.push(file.path().display().to_string());
        }
    }
    found
}

#[test]
fn tags_say_what_was_done() {
    let folder = tempfile::tempdir().unwrap();
    for database in &mut [Database::open("auto"), at(folder.path())] {
        let steps = [
            (
                "CREATE TABLE t AS SELECT v, v % 10 AS d FROM generate_series(1, 50000) AS g(v)",
                "SELECT 50000",
            ),
            ("CREATE TABLE IF NOT EXISTS t AS SELECT 1", "CREATE TABLE"),
            ("INSERT INTO t VALUES (0, 0), (-1, 1)", "INSERT 2"),
            ("INSERT INTO t SELECT v, 5 FROM t WHERE v > 49990", "INSERT 10"),
            ("UPDATE t SET d = 11 WHERE v <= 3", "UPDATE 5"),
            ("DELETE FROM t WHERE d = 11 AND v < 1", "DELETE 2"),
            ("DELETE FROM t USING (VALUES (1), (1)) AS s(k) WHERE t.v = s.k", "DELETE 1"),
            (
                "MERGE INTO t USING (VALUES (2), (777777)) AS s(k) ON t.v = s.k WHEN MATCHED THEN DELETE \
                 WHEN NOT MATCHED THEN INSERT VALUES (s.k, 0)",
                "MERGE 2",
            ),
            ("INSERT OVERWRITE t VALUES (1, 1)", "INSERT 1"),
            ("DELETE FROM t", "DELETE 1"),
            ("TRUNCATE t", "TRUNCATE"),
            ("OPTIMIZE t", "OPTIMIZE 0 files"),
            ("ANALYZE t", "ANALYZE"),
        ];
        for (sql, tag) in steps {
            assert_eq!(done(database, sql), tag, "{sql}");
        }
    }
}

#[test]
fn files_are_copied_with_columns_by_name() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).display().to_string();
    let mut database = at(folder.path());
    done(&mut database, "CREATE TABLE t (code VARCHAR, n BIGINT DEFAULT 7, day DATE)");
    std::fs::write(path("a.csv"), "day,code\n2024-01-02,007\n,x\n").unwrap();
    std::fs::write(path("b.json"), "{\"n\": 1, \"code\": \"j\"}\n{\"code\": \"k\"}\n").unwrap();
    std::fs::write(path("c.csv"), "1|2\n3|4\n").unwrap();
    assert_eq!(done(&mut database, &format!("COPY t FROM '{}'", path("a.csv"))), "COPY 2");
    assert_eq!(done(&mut database, &format!("COPY t FROM '{}'", path("b.json"))), "COPY 2");
    let sql = format!("COPY t (n, code) FROM '{}' (FORMAT csv, HEADER false, DELIMITER '|')", path("c.csv"));
    assert_eq!(done(&mut database, &sql), "COPY 2");
    done(
        &mut database,
        &format!("COPY (SELECT 9 AS n, DATE '2025-05-05' AS day) TO '{}'", path("d.parquet")),
    );
    done(&mut database, &format!("COPY (SELECT 'arrow' AS code) TO '{}'", path("e.arrow")));
    for name in ["d.parquet", "e.arrow"] {
        assert_eq!(done(&mut database, &format!("COPY t FROM '{}'", path(name))), "COPY 1");
    }
    let rows = database.query("SELECT code, n, day FROM t ORDER BY code, n").unwrap().rows;
    let rows: Vec<String> = rows.iter().map(|row| row.join(" ")).collect();
    let expected = [
        "007 7 2024-01-02",
        "2 1 NULL",
        "4 3 NULL",
        "arrow 7 NULL",
        "j 1 NULL",
        "k NULL NULL",
        "x 7 NULL",
        "NULL 9 2025-05-05",
    ];
    assert_eq!(rows, expected);

    std::fs::write(path("f.csv"), "code,other\na,b\n").unwrap();
    let error = database.command(&format!("COPY t FROM '{}'", path("f.csv"))).unwrap_err();
    assert_eq!(error.code(), ErrorCode::UndefinedColumn);
    std::fs::write(path("g.csv"), "code,n\na,1\nb,many\n").unwrap();
    let error = database.command(&format!("COPY t FROM '{}'", path("g.csv"))).unwrap_err();
    assert_eq!(error.code(), ErrorCode::InvalidText);
    assert!(error.message().contains("many"), "{error:?}");
    let error = database.command(&format!("COPY t FROM '{}'", path("nothing.csv"))).unwrap_err();
    assert_eq!(error.code(), ErrorCode::FileAccess);
    assert_eq!(one(&mut database, "SELECT count(*) FROM t"), "8");
}

#[test]
fn files_that_no_version_names_go() {
    let folder = tempfile::tempdir().unwrap();
    let mut database = at(folder.path());
    done(&mut database, "CREATE TABLE t AS SELECT v FROM generate_series(1, 100000) AS g(v)");
    let first = warehouse_files(folder.path());
    assert_eq!(first.len(), 1);
    done(&mut database, "INSERT OVERWRITE t SELECT v + 1 FROM t");
    assert_eq!(done(&mut database, "VACUUM t"), "VACUUM 0 files, 0 B", "both versions are kept");
    assert_eq!(one(&mut database, "SELECT sum(v) FROM t FOR VERSION AS OF 2"), "5000050000");
    let told = done(&mut database, "VACUUM t RETAIN 0 DAYS");
    assert!(told.starts_with("VACUUM 1 file, "), "{told}");
    let second = warehouse_files(folder.path());
    assert_eq!(second.len(), 1);
    assert_ne!(first, second);
    let error = database.query("SELECT * FROM t FOR VERSION AS OF 2").unwrap_err();
    assert_eq!(error.code(), ErrorCode::UndefinedVersion);
    assert_eq!(one(&mut database, "SELECT sum(v) FROM t"), "5000150000");

    // A dropped table can come back as long as it is kept.
    done(&mut database, "DROP TABLE t");
    done(&mut database, "VACUUM");
    assert_eq!(warehouse_files(folder.path()).len(), 1);
    done(&mut database, "VACUUM RETAIN 0 DAYS");
    assert_eq!(warehouse_files(folder.path()).len(), 0);
}

#[test]
fn small_files_become_one_and_nothing_is_done_twice() {
    let folder = tempfile::tempdir().unwrap();
    let mut database = at(folder.path());
    done(&mut database, "CREATE TABLE t (v BIGINT, text VARCHAR) SORTED BY (v)");
    for part in 0..4 {
        done(
            &mut database,
            &format!("INSERT INTO t SELECT v * 4 + {part}, 'x' || v FROM generate_series(1, 20000) AS g(v)"),
        );
    }
    done(&mut database, "INSERT INTO t VALUES (-1, 'few')");
    done(&mut database, "DELETE FROM t WHERE v = 7");
    let before = one(&mut database, "SELECT count(*), sum(v), min(text) FROM t");
    assert_eq!(done(&mut database, "OPTIMIZE t"), "OPTIMIZE 5 files into 1, 80000 rows");
    assert_eq!(one(&mut database, "SELECT count(*), sum(v), min(text) FROM t"), before);
    assert_eq!(done(&mut database, "OPTIMIZE t"), "OPTIMIZE 0 files");
    let version = one(&mut database, "SHOW HISTORY t LIMIT 1");
    assert!(version.contains("OPTIMIZE"), "{version}");
}

#[test]
fn a_failed_statement_leaves_no_file() {
    let folder = tempfile::tempdir().unwrap();
    let mut database = at(folder.path());
    done(&mut database, "CREATE TABLE t (v BIGINT CHECK (v < 3000000))");
    let all = "SELECT v FROM generate_series(1, 3000000) AS g(v)";
    let failing = [
        format!("INSERT INTO t {all}"),
        "CREATE TABLE u AS SELECT 10 / (3000000 - v) AS x FROM generate_series(1, 3000000) AS g(v)"
            .to_owned(),
    ];
    for sql in failing {
        database.command(&sql).unwrap_err();
        assert_eq!(warehouse_files(folder.path()), Vec::<String>::new(), "{sql}");
    }
    assert_eq!(one(&mut database, "SELECT count(*) FROM t"), "0");
    assert_eq!(database.query("SELECT * FROM u").unwrap_err().code(), ErrorCode::UndefinedTable);
}

#[test]
fn a_cancelled_statement_leaves_no_trace() {
    let folder = tempfile::tempdir().unwrap();
    let mut database = at(folder.path());
    done(&mut database, "CREATE TABLE t (v BIGINT)");
    let handle = database.session().cancel_handle();
    let endless = "INSERT INTO t SELECT a.v FROM generate_series(1, 1000000000) AS a(v)";
    let canceller = std::thread::spawn(move || {
        std::thread::sleep(Duration::from_millis(300));
        handle.cancel();
    });
    let error = database.command(endless).unwrap_err();
    canceller.join().unwrap();
    assert_eq!(error.code(), ErrorCode::Cancelled);
    assert_eq!(warehouse_files(folder.path()), Vec::<String>::new());
    assert_eq!(one(&mut database, "SELECT count(*) FROM t"), "0");
    assert_eq!(done(&mut database, "INSERT INTO t VALUES (1)"), "INSERT 1", "the next one is not concerned");
}

#[test]
fn a_killed_statement_leaves_no_trace() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    {
        let mut database = at(folder.path());
        done(&mut database, "CREATE TABLE t AS SELECT v FROM generate_series(1, 50000) AS g(v)");
    }
    let before = warehouse_files(folder.path()).len();
    let endless = "INSERT INTO t SELECT a.v FROM generate_series(1, 1000000000) AS a(v)";
    let mut child = Command::new(program())
        .args(["--data", &data.display().to_string(), "-c", endless])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let started = Instant::now();
    while warehouse_files(folder.path()).len() == before {
        assert!(started.elapsed() < Duration::from_secs(60), "nothing is written");
        assert!(child.try_wait().unwrap().is_none(), "the program ended");
        std::thread::sleep(Duration::from_millis(20));
    }
    child.kill().unwrap();
    child.wait().unwrap();
    let mut database = at(folder.path());
    assert_eq!(one(&mut database, "SELECT count(*), sum(v) FROM t"), "50000 1250025000");
    assert_eq!(warehouse_files(folder.path()).len(), before);
}

#[test]
fn many_small_commits_stay_few_files() {
    let folder = tempfile::tempdir().unwrap();
    for database in &mut [Database::open("auto"), at(folder.path())] {
        done(database, "CREATE TABLE t (v BIGINT, text VARCHAR)");
        for v in 0..2500 {
            done(database, &format!("INSERT INTO t VALUES ({v}, 'row {v}')"));
        }
        assert_eq!(one(database, "SELECT count(*), sum(v), max(text) FROM t"), "2500 3123750 row 999");
        let files = database.query("SHOW FILES t").unwrap().rows.len();
        assert!(files < 1300, "{files} files");
    }
}
