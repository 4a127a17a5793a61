//! A process that runs tasks, with a folder of its own for what they exchange.

use std::sync::Arc;

use anyhow::Result;
use ballista_executor::executor_process::{ExecutorProcessConfig, start_executor_process};

use crate::processes::HOST;

/// Tasks are pushed to it, and it takes at most 70% of the memory: both are the defaults.
pub async fn serve(
    scheduler_port: u16,
    cores: usize,
    [port, grpc_port]: [u16; 2],
    folder: &str,
) -> Result<()> {
    let config = ExecutorProcessConfig {
        bind_host: HOST.into(),
        external_host: Some(HOST.into()),
        port,
        grpc_port,
        scheduler_host: HOST.into(),
        scheduler_port,
        vcores: cores,
        work_dir: Some(folder.into()),
        ..ExecutorProcessConfig::default()
    };
    start_executor_process(Arc::new(config)).await?;
    Ok(())
}
