//! Building the peer that runs arrow-udf's WASM functions, in its own workspace.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use crate::build::{succeed, target_folder};

/// The guest's name in the benchmark's folder.
pub const GUEST: &str = "arrow-udf-guest.wasm";

/// The target that has no system: the guest uses none, and toolchains without a WASI library can link it.
const TARGET: &str = "wasm32-unknown-unknown";

/// Gives the program's path, and puts the guest into `folder`.
pub fn build(root: &Path, folder: &Path) -> Result<PathBuf> {
    let workspace = root.join("xtask/peers/arrow-udf");
    let target = target_folder(root)?.join("arrow-udf");
    eprintln!(
        "building arrow-udf's runtime (the first time takes ten minutes: it brings a wasmtime of its own)"
    );
    let cargo = |arguments: &[&str]| {
        let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
        command.current_dir(&workspace).env("CARGO_TARGET_DIR", &target);
        command.args(["build", "--release", "--locked"]).args(arguments);
        command
    };
    succeed(&mut cargo(&["--package", "arrow-udf-guest", "--target", TARGET]))
        .with_context(|| format!("a guest for arrow-udf needs `rustup target add {TARGET}`"))?;
    let built = target.join(TARGET).join("release/arrow_udf_guest.wasm");
    std::fs::copy(&built, folder.join(GUEST)).with_context(|| format!("copying {}", built.display()))?;
    succeed(&mut cargo(&["--package", "arrow-udf-peer"]))?;
    Ok(target.join("release/arrow-udf-peer"))
}
