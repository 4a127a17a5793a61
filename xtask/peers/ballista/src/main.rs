//! Ballista as a peer engine: a scheduler, executors and this client, each a process. Reads the path of a query file per
//! line, answers with a line of JSON.
//!
//! usage: ballista-peer DATA_FOLDER WORK_FOLDER EXECUTORS CORES [SETTING=VALUE ...]

mod client;
mod executor;
mod processes;
mod scheduler;

use std::path::Path;

use anyhow::{Result, bail};
use processes::Processes;

/// As in Ballista's own executor.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// As in Ballista's own scheduler: plans are walked recursively.
const STACK_BYTES: usize = 32 << 20;

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let runtime =
        tokio::runtime::Builder::new_multi_thread().enable_all().thread_stack_size(STACK_BYTES).build()?;
    match words.as_slice() {
        ["scheduler", executors] => {
            processes::end_with_parent();
            runtime.block_on(scheduler::serve(executors.parse()?))
        }
        ["executor", scheduler, cores, port, grpc_port, folder] => {
            processes::end_with_parent();
            let ports = [port.parse()?, grpc_port.parse()?];
            runtime.block_on(executor::serve(scheduler.parse()?, cores.parse()?, ports, folder))
        }
        [data, folder, executors, cores, settings @ ..] => {
            let (executors, cores) = (executors.parse()?, cores.parse()?);
            let processes = Processes::start(Path::new(folder), executors, cores)?;
            let partitions = executors * cores;
            runtime.block_on(client::serve(processes.scheduler, Path::new(data), partitions, settings))
        }
        _ => bail!("usage: ballista-peer DATA_FOLDER WORK_FOLDER EXECUTORS CORES [SETTING=VALUE ...]"),
    }
}
