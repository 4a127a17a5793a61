//! An instance that runs on this node.

use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};

use arrow::array::RecordBatch;
use bytes::Bytes;
use nyala_exchange::Output;
use nyala_executor::{CancelHandle, Execution, FilterSink, InstanceStatistics, Profile};
use nyala_schema::cluster::InstanceId;
use nyala_schema::deploy::{InstanceFigures, InstanceReport, InstanceState, MadeFilter};
use nyala_schema::id::RuntimeFilterId;
use nyala_schema::{Error, Result};

use crate::instance::morsels::LeasedMorsels;
use crate::instance::outbox::Outbox;
use crate::lock::lock;
use crate::profile;

pub(crate) struct RunningInstance {
    pub(crate) id: InstanceId,
    cancel: CancelHandle,
    /// Where its rows go; looked after until the receivers have confirmed them.
    output: Option<Arc<dyn Output>>,
    scans: Vec<Arc<LeasedMorsels>>,
    /// Filters that its scans await.
    awaits: Vec<RuntimeFilterId>,
    state: Mutex<State>,
    /// By itself: it is set while an execution is being used.
    over: Mutex<Option<Result<(), Error>>>,
}

struct State {
    /// Dropped as soon as nobody needs it: it holds memory.
    execution: Option<Execution>,
    is_reported: bool,
    /// Nothing that is worth a report can follow.
    is_settled: bool,
    statistics: InstanceStatistics,
    profile: Profile,
}

impl RunningInstance {
    pub(crate) fn new(
        id: InstanceId,
        execution: Execution,
        output: Option<Arc<dyn Output>>,
        scans: Vec<Arc<LeasedMorsels>>,
        awaits: Vec<RuntimeFilterId>,
        outbox: Arc<Outbox>,
    ) -> Arc<Self> {
        let cancel = execution.cancel_handle();
        let state = State {
            execution: None,
            is_reported: false,
            is_settled: false,
            statistics: InstanceStatistics::default(),
            profile: Profile::default(),
        };
        let running = Arc::new(Self {
            id,
            cancel,
            output,
            scans,
            awaits,
            state: Mutex::new(state),
            over: Mutex::default(),
        });
        let weak = Arc::downgrade(&running);
        execution.when_over(Box::new(move |result| {
            if let Some(running) = weak.upgrade() {
                lock(&running.over).get_or_insert(result);
                outbox.ended();
            }
        }));
        lock(&running.state).execution = Some(execution);
        running
    }

    /// The next rows for the client, of an instance that has no output.
    pub(crate) fn poll_next(&self, context: &mut Context<'_>) -> Poll<Result<Option<RecordBatch>>> {
        match &mut lock(&self.state).execution {
            Some(execution) => execution.poll_next(context),
            None => Poll::Ready(Err(Error::cancelled())),
        }
    }

    pub(crate) fn give_filter(&self, filter: RuntimeFilterId, bytes: &[u8]) -> Result<()> {
        match &lock(&self.state).execution {
            Some(execution) if self.awaits.contains(&filter) => execution.give_filter(filter, bytes),
            _ => Ok(()),
        }
    }

    /// Scans that waited for filters wait no more.
    pub(crate) fn give_up_filters(&self) {
        if let Some(execution) = &lock(&self.state).execution {
            self.awaits.iter().for_each(|filter| _ = execution.give_filter(*filter, &[]));
        }
    }

    pub(crate) fn scans(&self) -> &[Arc<LeasedMorsels>] {
        &self.scans
    }

    /// Ends it, whatever it does, and frees what it holds.
    pub(crate) fn end(&self, reason: &Error) {
        self.cancel.fail(reason.clone());
        self.scans.iter().for_each(|scan| scan.fail(reason.clone()));
        lock(&self.over).get_or_insert(Err(reason.clone()));
        let execution = {
            let mut state = lock(&self.state);
            state.note();
            state.execution.take()
        };
        drop(execution);
    }

    pub(crate) fn is_over(&self) -> bool {
        lock(&self.over).is_some()
    }

    /// As it is now; `None` when its end has been reported, and nothing has been lost since.
    pub(crate) fn report(&self) -> Option<InstanceReport> {
        let over = lock(&self.over).clone();
        let mut state = lock(&self.state);
        let over = match (state.is_reported, state.is_settled) {
            (false, _) => over,
            (true, true) => return None,
            (true, false) => match self.poll_output() {
                Poll::Pending => return None,
                Poll::Ready(Ok(())) => {
                    state.is_settled = true;
                    return None;
                }
                Poll::Ready(Err(error)) => Some(Err(error)),
            },
        };
        state.note();
        let figures = figures(&state.statistics, self.scans.iter().map(|scan| scan.taken()).sum());
        let (state, profile) = match over {
            None => (InstanceState::Running, None),
            Some(Ok(())) => (InstanceState::Finished, Some(profile::figures(&state.profile))),
            Some(Err(error)) => (InstanceState::Failed(error), Some(profile::figures(&state.profile))),
        };
        Some(InstanceReport { instance: self.id, state, figures, profile })
    }

    /// Its counts now.
    pub(crate) fn figures(&self) -> InstanceFigures {
        let mut state = lock(&self.state);
        if let Some(execution) = &state.execution {
            state.statistics = execution.statistics();
        }
        figures(&state.statistics, self.scans.iter().map(|scan| scan.taken()).sum())
    }

    /// Its end has arrived at the coordinator.
    pub(crate) fn reported(&self, has_failed: bool) {
        let execution = {
            let mut state = lock(&self.state);
            state.is_settled = has_failed || self.output.is_none();
            state.is_reported = true;
            // A client still takes rows of an instance without output.
            self.output.as_ref().and_then(|_| state.execution.take())
        };
        drop(execution);
    }

    /// Whether its rows have arrived, or what kept them from their receivers after it had handed them over.
    fn poll_output(&self) -> Poll<Result<()>> {
        let mut context = Context::from_waker(Waker::noop());
        self.output.as_ref().map_or(Poll::Ready(Ok(())), |output| output.poll_ended(&mut context))
    }

    /// What it took, with what users' functions took.
    pub(crate) fn profile(&self) -> Profile {
        let mut state = lock(&self.state);
        state.note();
        state.profile.clone()
    }
}

impl State {
    fn note(&mut self) {
        if let Some(execution) = &self.execution {
            self.statistics = execution.statistics();
            self.profile = execution.profile();
        }
    }
}

fn figures(statistics: &InstanceStatistics, morsels_taken: u64) -> InstanceFigures {
    InstanceFigures {
        rows_scanned: statistics.rows_scanned,
        rows_passed: statistics.rows_passed,
        rows_total: statistics.rows_total,
        rows_out: statistics.rows_out,
        bytes_out: statistics.bytes_out,
        bytes_read: statistics.bytes_read,
        memory_bytes: if statistics.is_over { 0 } else { statistics.memory_bytes },
        memory_peak_bytes: statistics.memory_peak_bytes,
        elapsed_us: statistics.elapsed.as_micros() as u64,
        morsels_taken,
    }
}

/// Sends on the filters that other fragments want.
pub(crate) struct WantedFilters {
    pub(crate) instance: InstanceId,
    pub(crate) wanted: Vec<RuntimeFilterId>,
    pub(crate) outbox: Arc<Outbox>,
}

impl FilterSink for WantedFilters {
    fn made(&self, filter: RuntimeFilterId, bytes: Bytes) {
        if self.wanted.contains(&filter) {
            self.outbox.filter(MadeFilter { instance: self.instance, filter, bytes });
        }
    }
}
