//! The runtime filters of a query: those of its own joins, and those that other fragments make.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, OnceLock};
use std::task::{Context, Poll, Waker};

use nyala_pipeline::{PipelinePlan, Source};
use nyala_schema::Result;
use nyala_schema::id::RuntimeFilterId;

use crate::join::RuntimeFilter;
use crate::lock::lock;

pub(crate) struct Filters {
    /// Empty until the join that makes the filter has been built.
    slots: HashMap<RuntimeFilterId, Arc<OnceLock<RuntimeFilter>>>,
    foreign: Mutex<Foreign>,
}

/// Filters of other fragments' joins.
#[derive(Default)]
struct Foreign {
    ids: HashSet<RuntimeFilterId>,
    /// Those that scans still wait for.
    missing: HashSet<RuntimeFilterId>,
    waiting: Vec<Waker>,
}

impl Filters {
    /// `own`: of joins in the plan. `wait`: scans wait for all others.
    pub(crate) fn new(
        own: HashMap<RuntimeFilterId, Arc<OnceLock<RuntimeFilter>>>,
        plan: &PipelinePlan,
        wait: bool,
    ) -> Self {
        let mut slots = own;
        let mut ids = HashSet::new();
        for pipeline in &plan.pipelines {
            let Source::Scan { scan, .. } = &pipeline.source else { continue };
            for used in &scan.runtime_filters {
                slots.entry(used.filter).or_insert_with(|| {
                    ids.insert(used.filter);
                    Arc::default()
                });
            }
        }
        let missing = if wait { ids.clone() } else { HashSet::new() };
        Self { slots, foreign: Mutex::new(Foreign { ids, missing, waiting: vec![] }) }
    }

    pub(crate) fn get(&self, id: RuntimeFilterId) -> Option<&Arc<OnceLock<RuntimeFilter>>> {
        self.slots.get(&id)
    }

    /// A filter of another fragment; those of own joins come from there.
    ///
    /// # Errors
    /// Connection for bytes that are no filter.
    pub(crate) fn give(&self, id: RuntimeFilterId, bytes: &[u8]) -> Result<()> {
        let filter = RuntimeFilter::from_bytes(bytes)?;
        let waiting = {
            let mut foreign = lock(&self.foreign);
            if !foreign.ids.contains(&id) {
                return Ok(());
            }
            if let (Some(filter), Some(slot)) = (filter, self.slots.get(&id)) {
                _ = slot.set(filter);
            }
            foreign.missing.remove(&id);
            std::mem::take(&mut foreign.waiting)
        };
        waiting.into_iter().for_each(Waker::wake);
        Ok(())
    }

    /// Ready when none of these is still waited for.
    pub(crate) fn poll(
        &self,
        mut ids: impl Iterator<Item = RuntimeFilterId>,
        context: &mut Context<'_>,
    ) -> Poll<()> {
        let mut foreign = lock(&self.foreign);
        if !ids.any(|id| foreign.missing.contains(&id)) {
            return Poll::Ready(());
        }
        foreign.waiting.push(context.waker().clone());
        Poll::Pending
    }
}
