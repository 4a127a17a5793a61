//! The process that plans queries and hands out their tasks.

use std::sync::Arc;

use anyhow::Result;
use ballista_scheduler::cluster::BallistaCluster;
use ballista_scheduler::config::SchedulerConfig;
use ballista_scheduler::scheduler_process::{create_scheduler, start_grpc_service_with_listener};
use datafusion_proto::protobuf::{LogicalPlanNode, PhysicalPlanNode};
use tokio::net::TcpListener;

use crate::processes::HOST;

/// Shuffle files of a query are deleted this long after it; by default five minutes.
const KEEP_SECONDS: u64 = 30;

/// Tells its port, and is ready when it has the executors.
pub async fn serve(executors: usize) -> Result<()> {
    let listener = TcpListener::bind((HOST, 0)).await?;
    let port = listener.local_addr()?.port();
    let config = SchedulerConfig {
        external_host: HOST.into(),
        bind_port: port,
        min_ready_executors: executors,
        finished_job_data_clean_up_interval_seconds: KEEP_SECONDS,
        ..SchedulerConfig::default()
    };
    let cluster = BallistaCluster::new_from_config(&config).await?;
    let scheduler = create_scheduler::<LogicalPlanNode, PhysicalPlanNode>(cluster, Arc::new(config)).await?;
    println!("{port}");
    start_grpc_service_with_listener(listener, scheduler).await?;
    Ok(())
}
