//! The project's own commands: `cargo xtask help` lists them.

mod regenerate;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Result, bail};

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match run(&arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &[String]) -> Result<()> {
    let root = project_root();
    match arguments.first().map(String::as_str) {
        Some("regenerate") => regenerate::run(&root, arguments.iter().any(|a| a == "--check")),
        Some(other) => bail!("there is no command '{other}'; see `cargo xtask help`"),
        None => Ok(()),
    }
}

/// The folder of the workspace: this package's parent.
fn project_root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().map(Path::to_path_buf).unwrap_or_default()
}
