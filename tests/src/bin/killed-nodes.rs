//! The steady load of `nyala_tests::steady_load` while nodes are killed: `killed-nodes FOLDER CLIENTS SECONDS`. Tells what the
//! clients saw as JSON.

use std::path::Path;
use std::time::Duration;

use anyhow::bail;
use nyala_tests::{LocalCluster, steady_load};

fn main() -> anyhow::Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [folder, clients, seconds] = arguments.as_slice() else {
        bail!("killed-nodes FOLDER CLIENTS SECONDS")
    };
    let cluster = LocalCluster::start(Path::new(folder), steady_load::NODES, &["--threads", "1"]);
    let (kills, mut seen) =
        steady_load::run_and_kill(&cluster, clients.parse()?, Duration::from_secs(seconds.parse()?));
    seen.complaints.iter().take(20).for_each(|complaint| eprintln!("{complaint}"));
    let ms = |latency: Duration| latency.as_secs_f64() * 1e3;
    println!(
        "{}",
        serde_json::json!({
            "kills": kills,
            "writes": seen.writes,
            "reads": seen.reads,
            "complaints": seen.complaints.len(),
            "latency_ms_median": ms(seen.latency(0.5)),
            "latency_ms_p99": ms(seen.latency(0.99)),
            "latency_ms_max": ms(seen.latency(1.0)),
        })
    );
    Ok(())
}
