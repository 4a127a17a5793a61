//! The whole cluster in one thread: SQL text through sessions, planner, coordinators, executors, exchanges, the replicated catalog
//! and tables in files, in virtual time and over a network that follows from a seed, while nodes crash, drain, lose each other
//! and slow down.
//!
//! Nodes are those of the program ([`nyala_node::parts`]) but for three things: sockets (a network in memory takes their place),
//! the disk of the catalog (in memory; what was not flushed is lost at a crash), and threads: workers are driven, and the
//! thread of a session runs only while nothing else does ([`turns`]). Not simulated are the service for clients with `host/client`
//! (clients here follow its rules), compiled code, and the disk under the warehouse.
//!
//! `simulate SEED [MISTAKE]` tells one seed, as `{"counts", "log", "failure"}`, and always the same: a process has one seed only,
//! and nothing of chance ([`chance`]). `simulate mistakes` names those that there are. `seeds.rs` runs many seeds.
//!
//! Reading order: [`run`] is one seed; [`world`] nodes and machines; [`client`] works, and writes down in [`story`] what it was
//! told; [`chaos`] strikes; [`data`] are tables and questions.

mod chance;
mod chaos;
mod client;
mod data;
mod log;
mod run;
mod story;
mod turns;
mod world;

use anyhow::{Context, bail};
use world::Plant;

fn main() -> anyhow::Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let (seed, plant) = match arguments.as_slice() {
        [what] if what == "mistakes" => {
            println!("{}", serde_json::to_string(&Plant::ALL.map(|plant| format!("{plant:?}")))?);
            return Ok(());
        }
        [seed] => (seed, None),
        [seed, mistake] => (seed, Some(named(mistake)?)),
        _ => bail!("simulate SEED [MISTAKE], or simulate mistakes"),
    };
    let told = run::run(seed.parse().context("a seed is a number")?, plant);
    println!("{}", serde_json::to_string(&told)?);
    Ok(())
}

fn named(mistake: &str) -> anyhow::Result<Plant> {
    let found = Plant::ALL.into_iter().find(|plant| format!("{plant:?}") == mistake);
    found.with_context(|| format!("mistakes are {:?}", Plant::ALL))
}
