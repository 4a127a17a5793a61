//! Runs queries by the scheduler, and collects their rows.

use std::io::Write;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use ballista::prelude::{SessionConfigExt, SessionContextExt};
use datafusion::execution::SessionStateBuilder;
use datafusion::prelude::{ParquetReadOptions, SessionConfig, SessionContext};
use serde_json::{Value, json};

use crate::processes::HOST;

/// A query that has no answer then is one that hangs.
const PATIENCE: Duration = Duration::from_secs(120);

pub async fn serve(scheduler: u16, data: &Path, partitions: usize, settings: &[&str]) -> Result<()> {
    let context = connect(scheduler, partitions, settings).await?;
    register(&context, data).await?;
    tell(&json!({ "version": ballista_core::BALLISTA_VERSION }))?;
    for line in std::io::stdin().lines() {
        let path = line?;
        let sql = std::fs::read_to_string(&path).with_context(|| format!("reading {path}"))?;
        let start = Instant::now();
        let mut answer = match rows(&context, sql.trim_end().trim_end_matches(';')).await {
            Ok(rows) => json!({ "rows": rows }),
            // A peer that fails is reported, not hidden.
            Err(error) => json!({ "error": error.to_string().chars().take(500).collect::<String>() }),
        };
        answer["ms"] = (start.elapsed().as_secs_f64() * 1000.0).into();
        tell(&answer)?;
    }
    Ok(())
}

async fn connect(scheduler: u16, partitions: usize, settings: &[&str]) -> Result<SessionContext> {
    let mut config = SessionConfig::new_with_ballista().with_target_partitions(partitions);
    for setting in settings {
        let (key, value) = setting.split_once('=').with_context(|| format!("{setting} has no value"))?;
        config.options_mut().set(key, value)?;
    }
    let state = SessionStateBuilder::new().with_default_features().with_config(config).build();
    Ok(SessionContext::remote_with_state(&format!("df://{HOST}:{scheduler}"), state).await?)
}

/// Each Parquet file is a table of its name.
async fn register(context: &SessionContext, data: &Path) -> Result<()> {
    for entry in std::fs::read_dir(data)? {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "parquet") {
            let name =
                path.file_stem().and_then(|stem| stem.to_str()).context("a file's name is not text")?;
            let location = path.to_str().context("the data folder's path is not text")?;
            context.register_parquet(name, location, ParquetReadOptions::default()).await?;
        }
    }
    Ok(())
}

async fn rows(context: &SessionContext, sql: &str) -> Result<usize> {
    let answer = async { context.sql(sql).await?.collect().await };
    let Ok(batches) = tokio::time::timeout(PATIENCE, answer).await else {
        bail!("no answer within {} s", PATIENCE.as_secs());
    };
    let batches = batches?;
    Ok(batches.iter().map(|batch| batch.num_rows()).sum())
}

fn tell(answer: &Value) -> Result<()> {
    let mut output = std::io::stdout();
    writeln!(output, "{answer}")?;
    output.flush()?;
    Ok(())
}
