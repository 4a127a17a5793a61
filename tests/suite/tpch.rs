//! The 22 queries against the published answers, on every backend.

use nyala_tests::{Database, compare, project_root, tpch_folder};

fn published(query: &str) -> Vec<Vec<String>> {
    let path = project_root().join(format!("tests/tpch/answers/{query}.csv"));
    let text = std::fs::read_to_string(&path).unwrap();
    let value = |text: &str| if text.is_empty() { "NULL".to_owned() } else { text.to_owned() };
    text.lines().skip(1).map(|line| line.split('|').map(value).collect()).collect()
}

fn run_all(backend: &str) {
    let mut database = Database::tpch(backend, tpch_folder());
    let mut failures = Vec::new();
    for number in 1..=22 {
        let name = format!("q{number:02}");
        let sql =
            std::fs::read_to_string(project_root().join(format!("tests/tpch/queries/{name}.sql"))).unwrap();
        let outcome = database.query(&sql).map_err(|error| format!("{error:?}"));
        if let Err(difference) = outcome.and_then(|answer| compare(&published(&name), &answer.rows)) {
            failures.push(format!("{name}: {difference}"));
        }
    }
    assert!(failures.is_empty(), "on {backend}:\n{}", failures.join("\n"));
}

#[test]
fn answers_on_the_interpreter() {
    run_all("interpreter");
}

#[test]
fn answers_on_native_code() {
    run_all("native");
}

#[test]
fn answers_on_wasm() {
    run_all("wasm");
}

#[test]
fn answers_switching_between_them() {
    run_all("auto");
}
