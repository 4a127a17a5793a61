//! The `nyala` program as a user meets it: answers, errors, exit statuses.

use std::io::Write;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use nyala_tests::{program, tpch_folder};

fn nyala(arguments: &[&str]) -> Output {
    Command::new(program()).args(arguments).stdin(Stdio::null()).output().unwrap()
}

fn with_input(arguments: &[&str], input: &str) -> Output {
    let mut child = Command::new(program())
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    child.wait_with_output().unwrap()
}

fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

fn succeeds(arguments: &[&str]) -> String {
    let output = nyala(arguments);
    assert_eq!(output.status.code(), Some(0), "{arguments:?}: {}", stderr(&output));
    stdout(&output)
}

/// Standard error of a command that must end with `status`.
fn fails(arguments: &[&str], status: i32) -> String {
    let output = nyala(arguments);
    assert_eq!(output.status.code(), Some(status), "{arguments:?}: {}", stderr(&output));
    assert!(!stderr(&output).contains("panicked"), "{}", stderr(&output));
    stderr(&output)
}

#[test]
fn formats() {
    let query = "SELECT 1 AS a, 'x,y' AS b, NULL AS c";
    assert_eq!(succeeds(&["--format", "csv", "-c", query]), "a,b,c\n1,\"x,y\",\n");
    assert_eq!(succeeds(&["--format", "tsv", "-c", query]), "a\tb\tc\n1\tx,y\t\n");
    let json: serde_json::Value =
        serde_json::from_str(&succeeds(&["--format", "json", "-c", query])).unwrap();
    assert_eq!(json, serde_json::json!([{"a": 1, "b": "x,y", "c": null}]));
    let line: serde_json::Value =
        serde_json::from_str(&succeeds(&["--format", "ndjson", "-c", query])).unwrap();
    assert_eq!(line["b"], "x,y");
    assert!(succeeds(&["--format", "markdown", "-c", query]).contains("| x,y |"));
    assert!(succeeds(&["--format", "vertical", "-c", query]).contains("x,y"));
    assert!(succeeds(&["-c", query]).contains("x,y"));
}

#[test]
fn statements_come_from_everywhere() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("script.sql");
    std::fs::write(
        &file,
        "CREATE TABLE t AS SELECT 7 AS n; -- a comment; with a semicolon\nSELECT n + 1 AS m FROM t;",
    )
    .unwrap();
    assert_eq!(succeeds(&["--format", "csv", "-f", file.to_str().unwrap()]), "m\n8\n");
    assert_eq!(succeeds(&["--format", "csv", "-c", "SELECT 1 AS a", "-c", "SELECT 2 AS a"]), "a\n1\na\n2\n");
    assert_eq!(succeeds(&["--format", "csv", "-c", "-- a comment first\nSELECT 1 AS a"]), "a\n1\n");
    let output = with_input(&["--format", "csv"], "SELECT 3 AS a;\nSELECT 4 AS b");
    assert_eq!(stdout(&output), "a\n3\nb\n4\n", "{}", stderr(&output));
}

#[test]
fn exit_statuses() {
    assert!(fails(&["--no-such-option"], 1).contains("--no-such-option"));
    assert!(fails(&["--set", "no_such=1", "-c", "SELECT 1"], 1).contains("no_such"));
    let message = fails(&["-c", "SELECT l_oderkey FROM (SELECT 1 AS l_orderkey) t"], 3);
    assert!(
        message.contains("42703") && message.contains('^') && message.contains("l_orderkey"),
        "{message}"
    );
    assert!(fails(&["-c", "SELECT * FROM nowhere"], 3).contains("42P01"));
    assert!(fails(&["-c", "SELEC 1"], 3).contains("42601"));
    assert!(fails(&["-c", "SELECT 1/0"], 3).contains("division by zero"));
    assert!(fails(&["-c", "SELECT CAST(300 AS TINYINT)"], 3).contains("300"));
    assert!(fails(&["-c", "SELECT * FROM 'missing/*.parquet'"], 3).contains("missing"));
    assert!(fails(&["--data", "/proc/nowhere", "-c", "SELECT 1"], 2).contains("/proc/nowhere"));
}

#[test]
fn definitions_persist_in_a_data_folder() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let data = data.to_str().unwrap();
    let location = tpch_folder().join("nation.parquet");
    let create = format!("CREATE EXTERNAL TABLE nation STORED AS PARQUET LOCATION '{}'", location.display());
    succeeds(&[
        "--data",
        data,
        "-c",
        &create,
        "-c",
        "CREATE VIEW big AS SELECT * FROM nation WHERE n_nationkey > 19",
    ]);
    assert_eq!(
        succeeds(&["--data", data, "--format", "csv", "-c", "SELECT count(*) AS n FROM big"]),
        "n\n5\n"
    );
    succeeds(&["--data", data, "-c", "DROP VIEW big"]);
    assert!(fails(&["--data", data, "-c", "SELECT * FROM big"], 3).contains("big"));
}

fn round_trip(folder: &Path, file: &str) {
    let path = folder.join(file);
    let query = "SELECT 1 AS a, 'x' AS b UNION ALL SELECT 2, NULL ORDER BY a";
    succeeds(&["-c", &format!("COPY ({query}) TO '{}'", path.display())]);
    let read =
        succeeds(&["--format", "csv", "-c", &format!("SELECT a, b FROM '{}' ORDER BY a", path.display())]);
    assert_eq!(read, "a,b\n1,x\n2,\n", "{file}");
}

#[test]
fn files_written_can_be_read() {
    let folder = tempfile::tempdir().unwrap();
    for file in ["t.parquet", "t.csv", "t.tsv", "t.ndjson", "t.json", "t.arrow", "t.csv.gz", "t.ndjson.zst"] {
        round_trip(folder.path(), file);
    }
    let leftovers = std::fs::read_dir(folder.path()).unwrap().count();
    assert_eq!(leftovers, 8, "only the files that were asked for");
}

#[test]
fn output_goes_to_a_file_whole_or_not_at_all() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("out.csv");
    succeeds(&["--format", "csv", "--output", path.to_str().unwrap(), "-c", "SELECT 5 AS a"]);
    assert_eq!(std::fs::read_to_string(&path).unwrap(), "a\n5\n");
    let failing = folder.path().join("failing.parquet");
    let query = format!(
        "COPY (SELECT 10 / (l_linenumber - 4) AS x FROM '{}') TO '{}'",
        tpch_folder().join("lineitem.parquet").display(),
        failing.display()
    );
    assert!(fails(&["-c", &query], 3).contains("division by zero"));
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1, "no partial file is left behind");
}

#[test]
fn a_closed_pipe_is_no_failure() {
    let mut child = Command::new(program())
        .args(["--format", "csv", "-c", "SELECT * FROM generate_series(1, 3000000)"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert!(!stderr(&output).contains("panicked"), "{}", stderr(&output));
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
}

#[test]
fn memory_limit() {
    let lineitem = tpch_folder().join("lineitem.parquet");
    let query = format!(
        "SELECT l_comment, count(*) FROM '{}' GROUP BY 1 ORDER BY 2 DESC LIMIT 1",
        lineitem.display()
    );
    let message = fails(&["--memory-limit", "1MB", "-c", &query], 3);
    assert!(message.contains("53200") && message.to_lowercase().contains("aggregate"), "{message}");
}

#[test]
fn an_interrupt_ends_with_130() {
    let child = Command::new(program())
        .args(["-c", "SELECT count(*) FROM generate_series(1, 100000000) a, generate_series(1, 100000) b"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    std::thread::sleep(std::time::Duration::from_millis(700));
    let status = Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap();
    assert!(status.success());
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(130), "{}", stderr(&output));
}

#[test]
fn bench_reports_as_json() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(
        folder.path().join("setup.sql"),
        "CREATE TABLE t AS SELECT * FROM generate_series(1, 1000)",
    )
    .unwrap();
    std::fs::write(folder.path().join("q1.sql"), "SELECT generate_series FROM t WHERE generate_series <= 4")
        .unwrap();
    let setup = folder.path().join("setup.sql");
    let pattern = folder.path().join("q*.sql");
    let arguments = [
        "bench",
        "--setup",
        setup.to_str().unwrap(),
        "--queries",
        pattern.to_str().unwrap(),
        "--runs",
        "2",
        "--format",
        "json",
    ];
    let report: serde_json::Value = serde_json::from_str(&succeeds(&arguments)).unwrap();
    let query = &report["queries"][0];
    assert!(query["query"].as_str().unwrap().ends_with("q1.sql"));
    assert_eq!(query["rows"], 4);
    assert!(query["median_ms"].as_f64().unwrap() > 0.0);
    assert!(query["peak_memory_bytes"].is_u64() && query["backend"].is_string());
}
