//! Queries as people see them.

use nyala_executor::Progress;
use nyala_schema::cluster::Peer;
use nyala_schema::deploy::{InstanceStatus, QueryStatus};
use tokio::time::Instant;

use crate::query::attempt::RunningAttempt;
use crate::query::running::RunningQuery;

/// Characters of the text that are shown.
const SQL_CHARACTERS_MAX: usize = 500;

impl RunningQuery {
    pub(crate) fn status(&self, coordinator: &Peer) -> QueryStatus {
        self.with(|core| {
            let elapsed = core.ended.unwrap_or_else(Instant::now) - self.started;
            let attempt = core.attempt.as_ref();
            let is_over = core.state.is_over();
            QueryStatus {
                id: self.id,
                state: core.state,
                user: self.request.user.clone(),
                pool: self.request.pool.clone(),
                sql: shortened(&self.request.sql),
                coordinator: coordinator.clone(),
                started_ms: self.started_ms,
                elapsed_ms: elapsed.as_millis() as u64,
                rows: core.rows_given,
                memory_bytes: if is_over { 0 } else { attempt.map_or(0, RunningAttempt::memory_bytes) },
                attempts: core.attempts,
                progress: if core.root_ended { 1.0 } else { attempt.map_or(0.0, RunningAttempt::progress) },
                error: core.result.clone().and_then(Result::err),
                instances: attempt.map_or_else(Vec::new, instances),
            }
        })
    }

    pub(crate) fn progress(&self) -> Progress {
        let live = self.root().map(|root| root.figures());
        self.with(|core| {
            let Some(attempt) = &core.attempt else { return Progress::default() };
            if let (Some(live), [_]) = (live, &attempt.instances[..]) {
                let fraction = live.rows_passed as f64 / live.rows_total.max(1) as f64;
                return Progress {
                    fraction: if core.root_ended { 1.0 } else { fraction.min(1.0) },
                    rows_scanned: live.rows_scanned,
                    bytes_read: live.bytes_read,
                    memory_bytes: live.memory_bytes,
                };
            }
            Progress {
                fraction: if core.root_ended { 1.0 } else { attempt.progress() },
                rows_scanned: attempt.instances.iter().map(|record| record.figures.rows_scanned).sum(),
                bytes_read: attempt.instances.iter().map(|record| record.figures.bytes_read).sum(),
                memory_bytes: attempt.memory_bytes(),
            }
        })
    }
}

fn instances(attempt: &RunningAttempt) -> Vec<InstanceStatus> {
    let status = |record: &crate::query::attempt::InstanceRecord| {
        let node = attempt.nodes.get(record.node)?.peer.clone();
        Some(InstanceStatus {
            fragment: record.fragment,
            index: record.index,
            node,
            state: record.state.clone(),
            rows: record.figures.rows_out,
            rows_per_second: record.rows_per_second,
            memory_bytes: record.figures.memory_bytes,
            bytes_sent: record.figures.bytes_out,
            morsels_done: record.figures.morsels_taken,
            morsels_total: attempt.morsels_given(record),
        })
    };
    attempt.instances.iter().filter_map(status).collect()
}

fn shortened(sql: &str) -> String {
    match sql.char_indices().nth(SQL_CHARACTERS_MAX) {
        Some((end, _)) => format!("{}…", &sql[..end]),
        None => sql.to_owned(),
    }
}
