//! Nodes as processes on this machine, and the measuring programs of the project.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};
use serde_json::Value;

use super::Bench;
use crate::build::{FEATURES, cargo, succeed, target_folder};

/// Stops when it is dropped.
pub struct Cluster {
    program: PathBuf,
    folder: PathBuf,
    /// Of its nodes, parted by commas.
    pub addresses: String,
}

impl Cluster {
    pub fn start(bench: &Bench, name: &str, nodes: usize, flags: &[&str]) -> Result<Self> {
        let folder = bench.folder.join(name);
        let output = Command::new(&bench.program)
            .args(["cluster", "start", "--nodes", &nodes.to_string(), "--dir"])
            .arg(&folder)
            .args(flags)
            .output()?;
        if !output.status.success() {
            bail!("the nodes do not start: {}", String::from_utf8_lossy(&output.stderr));
        }
        let told = String::from_utf8_lossy(&output.stdout).into_owned();
        let addresses = told.trim().rsplit(' ').next().context("no addresses were told")?.to_owned();
        Ok(Self { program: bench.program.clone(), folder, addresses })
    }

    /// Runs statements of a file.
    pub fn run(&self, path: &str) -> Result<()> {
        succeed(Command::new(&self.program).args(["sql", "-q", "--connect", &self.addresses, "-f", path]))
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        // What does not stop is told by the command.
        let _ = Command::new(&self.program).args(["cluster", "stop", "--dir"]).arg(&self.folder).status();
    }
}

/// Builds and runs an example of a package, which tells JSON.
pub fn example(bench: &Bench, package: &str, name: &str, arguments: &[String]) -> Result<Value> {
    succeed(
        cargo(&bench.root, &["build", "--quiet", "--package", package, "--example", name]).args(FEATURES),
    )?;
    told(&target_folder(&bench.root)?.join("debug/examples").join(name), arguments)
}

/// The same of a program of the tests.
pub fn test_program(bench: &Bench, name: &str, arguments: &[String]) -> Result<Value> {
    succeed(
        cargo(&bench.root, &["build", "--quiet", "--package", "nyala-tests", "--bin", name]).args(FEATURES),
    )?;
    told(&target_folder(&bench.root)?.join("debug").join(name), arguments)
}

pub fn told(program: &Path, arguments: &[String]) -> Result<Value> {
    // How far it is, and what went wrong, is shown at once.
    let output = Command::new(program).args(arguments).stderr(Stdio::inherit()).output()?;
    if !output.status.success() {
        bail!("{} {arguments:?}: {}", program.display(), output.status);
    }
    serde_json::from_slice(&output.stdout)
        .with_context(|| format!("reading what {} tells", program.display()))
}
