//! Where tests find the project, the program and their data.

use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use nyala_node::storage::generate::{Benchmark, generate};

/// The folder of the workspace.
pub fn project_root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the package lies in the workspace")
}

/// The `nyala` program: beside the test's own, where cargo builds it, or as `NYALA_PROGRAM` says.
pub fn program() -> PathBuf {
    if let Some(path) = std::env::var_os("NYALA_PROGRAM") {
        return path.into();
    }
    let test = std::env::current_exe().expect("a running program has a path");
    // Tests lie in target/debug/deps, programs of theirs in target/debug.
    let beside = test.ancestors().skip(1).take(2).map(|folder| folder.join("nyala"));
    let found = beside.into_iter().find(|path| path.exists());
    found.expect("build the program first: cargo build (or run `cargo xtask test`)")
}

/// TPC-H at scale 0.01, made once per test run.
pub fn tpch_folder() -> &'static Path {
    static FOLDER: OnceLock<tempfile::TempDir> = OnceLock::new();
    FOLDER
        .get_or_init(|| {
            let folder = tempfile::tempdir().expect("a temporary folder can be made");
            generate(Benchmark::Tpch, 0.01, folder.path(), &|_| {}).expect("TPC-H data can be made");
            folder
        })
        .path()
}
