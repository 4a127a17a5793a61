//! `cargo xtask bench`: engines in turns over the same data, warm, as ratios of one run.

mod catalog;
mod cluster;
mod contest;
mod engine;
mod figure;
mod flags;
mod parts;
mod plugins;
mod tpch;
mod workspace;

use std::path::Path;

use anyhow::{Result, bail};

pub fn run(root: &Path, arguments: &[String]) -> Result<()> {
    match arguments.first().map(String::as_str) {
        Some("tpch") => tpch::run(root, &arguments[1..]),
        Some("plugins") => plugins::run(root, &arguments[1..]),
        Some("catalog") => catalog::run(root, &arguments[1..]),
        Some("cluster") => cluster::run(root, &arguments[1..]),
        _ => bail!("which benchmark? `cargo xtask bench tpch`, `plugins`, `catalog` or `cluster`"),
    }
}

/// The value in the middle; of an even number the greater of the two.
///
/// # Panics
/// Without values.
fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted[sorted.len() / 2]
}
