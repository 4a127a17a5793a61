//! What a node runs on.

use std::fs::read_to_string;

use nyala_schema::cluster::Machine;

/// The running kernel: containers share it, as they share its cores.
const BOOT_ID: &str = "/proc/sys/kernel/random/boot_id";
const CPUS: &str = "/proc/cpuinfo";

/// This machine; `None` on systems that do not tell.
pub fn own() -> Option<Machine> {
    let id = read_to_string(BOOT_ID).ok()?.trim().to_owned();
    let cpus = read_to_string(CPUS).ok()?;
    let cores = cpus.lines().filter(|line| line.starts_with("processor")).count();
    (cores > 0).then(|| Machine { id, cores: u32::try_from(cores).unwrap_or(u32::MAX) })
}
