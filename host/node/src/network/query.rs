//! Queries of sessions, run by the coordinator of their node.

use std::collections::BTreeMap;
use std::sync::{Arc, Weak};
use std::task::{Context, Poll};
use std::time::Duration;

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use nyala_catalog::Waiter;
use nyala_coordinator::{Coordinator, QueryCancel, QueryHandle, QueryRequest};
use nyala_executor::Profile;
use nyala_frontend::LogicalPlan;
use nyala_schema::cluster::QueryId;
use nyala_schema::deploy::{InstanceState, InstanceStatus};
use nyala_schema::id::FragmentId;
use nyala_schema::option::Options;
use nyala_schema::{Fragment, Result};
use tokio::runtime::Handle;

use super::Network;
use crate::answer::{FragmentProgress, Progress, progress_here};
use crate::query::Planned;
use crate::running::{Control, Running};
use crate::session::Session;
use crate::statements::{self, Statement};

impl Network {
    /// Plans a query for the nodes that run fragments now.
    ///
    /// # Errors
    /// Those of planning.
    pub fn plan(&self, logical: &LogicalPlan, version: u64, options: &Options) -> Result<Vec<Fragment>> {
        nyala_planner::plan_for(logical, version, options, self.distribution())
    }

    /// Has the coordinator of this node run a query. Waits for its admission.
    ///
    /// # Errors
    /// Those of admission and of the start; `Cancelled`.
    pub fn start(
        &self,
        session: &Session,
        run: Option<&Statement>,
        planned: &Planned,
    ) -> Result<Box<dyn Running>> {
        let id = run.map_or_else(statements::new_id, Statement::query_id);
        if let Some(run) = run {
            let coordinator = Arc::downgrade(&self.coordinator);
            run.watch(Arc::new(Starting { coordinator, runtime: self.runtime.clone(), id }));
            run.check_cancelled()?;
        }
        let request = QueryRequest {
            id,
            sql: run.map(|run| run.sql.clone()).unwrap_or_default(),
            user: session.user().to_owned(),
            pool: session.options.pool.clone(),
            fragments: planned.fragments.clone(),
            options: session.options.clone(),
            catalog_version: planned.catalog_version(),
        };
        let handle = self.waiter.wait(self.coordinator.start_query(request))?;
        let (coordinator, waiter) = (Arc::downgrade(&self.coordinator), self.waiter.clone());
        Ok(Box::new(Coordinated { handle, coordinator, id, waiter }))
    }
}

/// A query that waits for its admission.
struct Starting {
    coordinator: Weak<Coordinator>,
    runtime: Handle,
    id: QueryId,
}

impl Control for Starting {
    fn cancel(&self) {
        if let Some(coordinator) = self.coordinator.upgrade() {
            let id = self.id;
            // There may be nothing to end any more.
            self.runtime.spawn(async move { drop(coordinator.kill(id).await) });
        }
    }

    fn progress(&self) -> Option<Progress> {
        None
    }

    fn is_queued(&self) -> bool {
        true
    }
}

struct Coordinated {
    handle: QueryHandle,
    coordinator: Weak<Coordinator>,
    id: QueryId,
    waiter: Arc<dyn Waiter>,
}

impl Running for Coordinated {
    fn schema(&self) -> SchemaRef {
        self.handle.schema()
    }

    fn next(&mut self, wait: Duration) -> Option<Result<Option<RecordBatch>>> {
        self.waiter.wait(self.handle.next(wait))
    }

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<()> {
        self.handle.poll_ready(context)
    }

    fn progress(&self) -> Progress {
        progress_of(self.handle.progress(), &self.handle.detail().instances)
    }

    fn profile(&self) -> Profile {
        self.waiter.wait(self.handle.profile())
    }

    fn control(&self) -> Arc<dyn Control> {
        let cancel = self.handle.cancel_handle();
        Arc::new(CoordinatedControl { cancel, coordinator: self.coordinator.clone(), id: self.id })
    }
}

struct CoordinatedControl {
    cancel: QueryCancel,
    coordinator: Weak<Coordinator>,
    id: QueryId,
}

impl Control for CoordinatedControl {
    fn cancel(&self) {
        self.cancel.cancel();
    }

    fn progress(&self) -> Option<Progress> {
        let progress = self.cancel.progress()?;
        let queries = self.coordinator.upgrade().map(|coordinator| coordinator.queries()).unwrap_or_default();
        let own = queries.into_iter().find(|query| query.id == self.id);
        Some(progress_of(progress, &own.map(|query| query.instances).unwrap_or_default()))
    }
}

fn progress_of(all: nyala_executor::Progress, instances: &[InstanceStatus]) -> Progress {
    let mut fragments = BTreeMap::<FragmentId, FragmentProgress>::new();
    for instance in instances {
        let fragment = fragments.entry(instance.fragment).or_insert_with(|| FragmentProgress {
            fragment: instance.fragment.0,
            ..FragmentProgress::default()
        });
        let is_done = match instance.state {
            InstanceState::Running => false,
            InstanceState::Finished | InstanceState::Failed(_) => true,
        };
        fragment.instances += 1;
        fragment.instances_done += u32::from(is_done);
        fragment.rows += instance.rows;
        fragment.rows_per_second += instance.rows_per_second;
        fragment.memory_bytes += instance.memory_bytes;
        fragment.sent_bytes += instance.bytes_sent;
    }
    Progress { fragments: fragments.into_values().collect(), ..progress_here(all) }
}
