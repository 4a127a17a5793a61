//! Ballista as a peer: a scheduler and executors, built in a workspace of their own.

use std::path::Path;
use std::process::Command;

use anyhow::Result;

use super::Bench;
use crate::bench::engine::Engine;
use crate::bench::workspace::Workspace;

/// `name=value` where it differs from Ballista's defaults, by which tasks are pushed to executors, and joins are chosen as
/// the query runs, by measured sizes: broadcast up to 128 MiB, hashed rather than merged up to 64 MiB a partition. Tables
/// and exchanges have a partition for each core of each executor.
const SETTINGS: [&str; 0] = [];

/// Knows the tables of a folder. All its processes end with the engine.
pub fn start(bench: &Bench, data: &Path, executors: usize, cores: usize) -> Result<Engine> {
    eprintln!("building Ballista (the first time takes half an hour: it brings a DataFusion of its own)");
    let program = Workspace::new(&bench.root, "ballista")?.program("ballista-peer")?;
    let mut command = Command::new(program);
    command.arg(data).arg(bench.folder.join("ballista")).args([executors.to_string(), cores.to_string()]);
    command.args(SETTINGS);
    Engine::start("Ballista", command)
}
