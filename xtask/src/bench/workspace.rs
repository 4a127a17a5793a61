//! A peer in Rust, in a workspace of its own, so that its libraries stay out of ours.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Result;

use crate::build::{succeed, target_folder};

pub struct Workspace {
    folder: PathBuf,
    /// Kept between runs.
    target: PathBuf,
}

impl Workspace {
    /// A folder of `xtask/peers`.
    pub fn new(root: &Path, folder: &str) -> Result<Self> {
        let target = target_folder(root)?.join("peers").join(folder);
        Ok(Self { folder: root.join("xtask/peers").join(folder), target })
    }

    pub fn build(&self, arguments: &[&str]) -> Result<()> {
        let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
        command.current_dir(&self.folder).env("CARGO_TARGET_DIR", &self.target);
        succeed(command.args(["build", "--release", "--locked", "--quiet"]).args(arguments))
    }

    /// Builds a program and gives its path.
    pub fn program(&self, package: &str) -> Result<PathBuf> {
        self.build(&["--package", package])?;
        Ok(self.built(Path::new("release").join(package)))
    }

    pub fn built(&self, path: impl AsRef<Path>) -> PathBuf {
        self.target.join(path)
    }
}
