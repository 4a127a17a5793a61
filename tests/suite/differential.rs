//! The same questions to Nyala and DuckDB.

use std::path::PathBuf;

use nyala_node::Session;
use nyala_tests::{Database, Nodes, Oracle, compare, compare_unordered, project_root, tpch_folder};

fn questions() -> Vec<(PathBuf, u32, String)> {
    let mut found = Vec::new();
    let folder = project_root().join("tests/differential");
    let mut files: Vec<PathBuf> =
        std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    for path in files {
        let text = std::fs::read_to_string(&path).unwrap();
        found.extend(Session::split(&text).into_iter().map(|(line, sql)| (path.clone(), line, sql)));
    }
    found
}

#[test]
fn answers_are_those_of_duckdb() {
    let Some(mut oracle) = Oracle::start(tpch_folder()).unwrap() else {
        eprintln!("skipped: run `cargo xtask test`, which installs DuckDB");
        return;
    };
    let mut databases: Vec<(&str, Database)> = ["interpreter", "native", "auto"]
        .map(|backend| (backend, Database::tpch(backend, tpch_folder())))
        .into();
    let nodes = Nodes::start(3);
    let mut several = nodes.database(1);
    several.add_tpch(tpch_folder());
    databases.push(("three nodes", several));
    let mut failures = Vec::new();
    for (path, line, sql) in questions() {
        let place = format!("{}:{line}", path.file_name().unwrap().to_string_lossy());
        let expected = match oracle.query(&sql).unwrap() {
            Ok(rows) => rows,
            Err(error) => {
                failures.push(format!("{place}: DuckDB refuses: {error}"));
                continue;
            }
        };
        for (backend, database) in &mut databases {
            let outcome = database.query(&sql).map_err(|error| format!("{error:?}"));
            let compared = if path.ends_with("order.sql") { compare } else { compare_unordered };
            if let Err(difference) = outcome.and_then(|answer| compared(&expected, &answer.rows)) {
                failures.push(format!("{place} on {backend}: {difference}\n  {sql}"));
            }
        }
    }
    assert!(failures.is_empty(), "{} differences:\n{}", failures.len(), failures.join("\n"));
}
