//! What one node answers, three answer as well: scripts, published answers and questions for an oracle, every plan cut.

use std::path::PathBuf;

use nyala_tests::{Database, Nodes, compare, project_root, tpch_folder};

/// Scripts that show plans of one node.
const OF_ONE_NODE: [&str; 1] = ["function_explain.slt"];

fn scripts() -> Vec<PathBuf> {
    let folder = project_root().join("tests/scripts");
    let mut scripts: Vec<PathBuf> =
        std::fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    scripts.retain(|path| path.extension().is_some_and(|extension| extension == "slt"));
    scripts.retain(|path| !OF_ONE_NODE.iter().any(|name| path.ends_with(name)));
    scripts.sort();
    scripts
}

/// A cluster of its own for each script, so that none finds what another left.
fn run_scripts(part: usize, parts: usize) {
    let mut failures = Vec::new();
    for script in scripts().into_iter().skip(part).step_by(parts) {
        let nodes = Nodes::start(3);
        let mut runner = sqllogictest::Runner::new(|| async { Ok(nodes.database(1)) });
        if let Err(error) = runner.run_file(&script) {
            failures.push(format!("{}", error.display(false)));
        }
    }
    assert!(failures.is_empty(), "on three nodes:\n{}", failures.join("\n\n"));
}

#[test]
fn scripts_on_three_nodes_first_part() {
    run_scripts(0, 3);
}

#[test]
fn scripts_on_three_nodes_second_part() {
    run_scripts(1, 3);
}

#[test]
fn scripts_on_three_nodes_third_part() {
    run_scripts(2, 3);
}

fn published(query: &str) -> Vec<Vec<String>> {
    let path = project_root().join(format!("tests/tpch/answers/{query}.csv"));
    let text = std::fs::read_to_string(&path).unwrap();
    let value = |text: &str| if text.is_empty() { "NULL".to_owned() } else { text.to_owned() };
    text.lines().skip(1).map(|line| line.split('|').map(value).collect()).collect()
}

#[test]
fn published_answers_from_three_nodes() {
    let nodes = Nodes::start(3);
    let mut first = nodes.database(0);
    first.add_tpch(tpch_folder());
    let mut failures = Vec::new();
    for number in 1..=22 {
        let name = format!("q{number:02}");
        let path = project_root().join(format!("tests/tpch/queries/{name}.sql"));
        let sql = std::fs::read_to_string(path).unwrap();
        // Each node coordinates some.
        let mut database: Database = nodes.database(number % 3);
        let outcome = database.query(&sql).map_err(|error| format!("{error:?}"));
        if let Err(difference) = outcome.and_then(|answer| compare(&published(&name), &answer.rows)) {
            failures.push(format!("{name}: {difference}"));
        }
    }
    assert!(failures.is_empty(), "on three nodes:\n{}", failures.join("\n"));
}
