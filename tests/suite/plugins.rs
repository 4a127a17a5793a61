//! What ships as a module, used from SQL on every backend and held against the laws that `nyala plugin test` knows.
//!
//! `cargo xtask test` builds the module and says in `NYALA_OPERATORS` where it is; without that there is nothing to test.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use nyala_tests::{Database, program, project_root};

const SOURCE: &str = "guest-ops/operators";

fn module() -> Option<PathBuf> {
    let module = std::env::var_os("NYALA_OPERATORS").map(PathBuf::from);
    if module.is_none() {
        eprintln!("left out: NYALA_OPERATORS is not set (run `cargo xtask test`)");
    }
    module
}

/// With everything of the module known.
fn database(backend: &str, threads: &str, module: &Path) -> Database {
    let mut database = Database::open(backend);
    database.session().set("threads", threads).unwrap();
    database.query(&format!("CREATE MODULE operators FROM '{}'", module.display())).unwrap();
    database
}

fn scripts() -> Vec<PathBuf> {
    let entries = std::fs::read_dir(project_root().join("tests/scripts-operators")).unwrap();
    let mut scripts: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    scripts.retain(|path| path.extension().is_some_and(|extension| extension == "slt"));
    scripts.sort();
    assert!(!scripts.is_empty());
    scripts
}

/// One thread and several: rows of a group that several have seen are merged.
fn run_all(backend: &str) {
    let Some(module) = module() else { return };
    let mut failures = Vec::new();
    for threads in ["1", "4"] {
        for script in scripts() {
            let mut runner = sqllogictest::Runner::new(|| async { Ok(database(backend, threads, &module)) });
            if let Err(error) = runner.run_file(&script) {
                failures.push(format!("{threads} threads: {}", error.display(false)));
            }
        }
    }
    assert!(failures.is_empty(), "on {backend}:\n{}", failures.join("\n\n"));
}

#[test]
fn shipped_functions_on_the_interpreter() {
    run_all("interpreter");
}

#[test]
fn shipped_functions_on_native_code() {
    run_all("native");
}

#[test]
fn shipped_functions_in_generated_wasm() {
    run_all("wasm");
}

/// A function that no script calls is one that nobody has tried.
#[test]
fn scripts_call_everything_that_ships() {
    let Some(module) = module() else { return };
    let texts: String = scripts().iter().map(|path| std::fs::read_to_string(path).unwrap()).collect();
    let mut database = database("native", "1", &module);
    let mut names = Vec::new();
    for sql in ["SHOW FUNCTIONS", "SHOW OPERATORS"] {
        let shown = database.query(sql).unwrap();
        let place = |wanted: &str| shown.names.iter().position(|name| name == wanted).unwrap();
        let (name, of) = (place("name"), place("module"));
        names.extend(shown.rows.iter().filter(|row| row[of] == "operators").map(|row| row[name].clone()));
    }
    assert!(names.len() >= 18, "{names:?}");
    let missing: Vec<&String> = names.iter().filter(|name| !texts.contains(&format!("{name}("))).collect();
    assert!(missing.is_empty(), "no script calls {missing:?}");
}

/// NULLs, empty and many batches, extreme values, hostile text, merge laws, window frames, partitions.
#[test]
fn the_shipped_module_keeps_all_laws() {
    if module().is_none() {
        return;
    }
    let output = Command::new(program())
        .args(["plugin", "test"])
        .arg(project_root().join(SOURCE))
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let told = String::from_utf8_lossy(&output.stdout);
    let failed: Vec<&str> = told.lines().filter(|line| !line.starts_with("pass ")).collect();
    assert!(
        output.status.success() && told.contains(" 0 failed"),
        "{}\n{}",
        failed.join("\n"),
        String::from_utf8_lossy(&output.stderr)
    );
}
