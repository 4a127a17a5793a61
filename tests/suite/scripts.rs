//! Every `.slt` script on every backend.

use std::path::PathBuf;

use nyala_tests::{Database, project_root};

fn run_all(backend: &str, options: &[(&str, &str)]) {
    let folder = project_root().join("tests/scripts");
    let mut scripts: Vec<PathBuf> =
        std::fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    scripts.retain(|path| path.extension().is_some_and(|extension| extension == "slt"));
    scripts.sort();
    assert!(!scripts.is_empty());
    let mut failures = Vec::new();
    for script in scripts {
        let mut runner = sqllogictest::Runner::new(|| async { Ok(Database::with_options(backend, options)) });
        if let Err(error) = runner.run_file(&script) {
            failures.push(format!("{}", error.display(false)));
        }
    }
    assert!(failures.is_empty(), "on {backend} {options:?}:\n{}", failures.join("\n\n"));
}

#[test]
fn scripts_on_the_interpreter() {
    run_all("interpreter", &[]);
}

#[test]
fn scripts_on_native_code() {
    run_all("native", &[]);
}

#[test]
fn scripts_switching_between_them() {
    run_all("auto", &[]);
}

#[test]
fn scripts_on_wasm() {
    run_all("wasm", &[]);
}

#[test]
fn scripts_on_native_code_and_the_interpreter_at_once() {
    run_all("native", &[("verify_backends", "on")]);
}

#[test]
fn scripts_on_wasm_and_the_interpreter_at_once() {
    run_all("wasm", &[("verify_backends", "on")]);
}
