//! Building the peer that runs arrow-udf's WASM functions, in its own workspace.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use crate::bench::workspace::Workspace;

/// The guest's name in the benchmark's folder.
pub const GUEST: &str = "arrow-udf-guest.wasm";

/// The target that has no system: the guest uses none, and toolchains without a WASI library can link it.
const TARGET: &str = "wasm32-unknown-unknown";

/// Gives the program's path, and puts the guest into `folder`.
pub fn build(root: &Path, folder: &Path) -> Result<PathBuf> {
    let workspace = Workspace::new(root, "arrow-udf")?;
    eprintln!(
        "building arrow-udf's runtime (the first time takes ten minutes: it brings a wasmtime of its own)"
    );
    workspace
        .build(&["--package", "arrow-udf-guest", "--target", TARGET])
        .with_context(|| format!("a guest for arrow-udf needs `rustup target add {TARGET}`"))?;
    let built = workspace.built(Path::new(TARGET).join("release/arrow_udf_guest.wasm"));
    std::fs::copy(&built, folder.join(GUEST)).with_context(|| format!("copying {}", built.display()))?;
    workspace.program("arrow-udf-peer")
}
