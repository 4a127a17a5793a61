//! All that the tasks of one query share.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::{Duration, Instant};

use nyala_pipeline::guest::GuestUsage;
use nyala_pipeline::{Guests, Library, PipelinePlan, Source};
use nyala_schema::guest::GuestCode;
use nyala_schema::id::OperatorId;
use nyala_schema::option::Options;
use nyala_schema::{Error, Result};
use nyala_storage::Scanner;

use crate::code::Backends;
use crate::ends::Ends;
use crate::executor::Scans;
use crate::memory::{Endable, Memory, MemoryPool};
use crate::report::counters::source_operator;
use crate::report::{Counters, InstanceStatistics, OperatorProfile, Profile, Progress};
use crate::run::filters::Filters;
use crate::run::output::Output;
use crate::run::over::Over;
use crate::run::parking::Tasks;
use crate::run::pool::PoolHandle;
use crate::run::prepared::Prepared;
use crate::run::schedule::Schedule;
use crate::state::StateSlot;

/// What is called by name.
pub(crate) struct Functions {
    pub(crate) library: Arc<dyn Library>,
    pub(crate) guests: Option<Arc<dyn Guests>>,
}

pub(crate) struct Query {
    pub(crate) plan: Arc<PipelinePlan>,
    pub(crate) options: Options,
    /// Workers of one pipeline.
    pub(crate) threads: usize,
    pub(crate) pool: PoolHandle,
    pub(crate) library: Arc<dyn Library>,
    guests: Option<Arc<dyn Guests>>,
    pub(crate) guest_usage: Mutex<HashMap<GuestCode, GuestUsage>>,
    pub(crate) memory: Arc<Memory>,
    pub(crate) counters: Counters,
    /// By pipeline; those that scan nothing have none.
    pub(crate) scanners: Vec<Option<Arc<dyn Scanner>>>,
    pub(crate) prepared: Vec<Prepared>,
    pub(crate) states: Vec<StateSlot>,
    pub(crate) filters: Filters,
    pub(crate) ends: Ends,
    pub(crate) output: Output,
    pub(crate) tasks: Tasks,
    /// Workers that send rows to another fragment, so far.
    pub(crate) sinks: AtomicUsize,
    pub(crate) schedule: Mutex<Schedule>,
    pub(crate) rows_scanned: AtomicU64,
    /// Rows of the morsels that were handed out, of scans that read a share.
    pub(crate) rows_handed: AtomicU64,
    /// Rows of the scan morsels that are done, pruned ones included.
    pub(crate) rows_passed: AtomicU64,
    pub(crate) rows_given: AtomicU64,
    stopped: AtomicBool,
    /// The first one counts.
    outcome: OnceLock<Result<()>>,
    pub(crate) over: Over,
    started: Instant,
    elapsed: OnceLock<Duration>,
}

impl Query {
    /// Opens the scans and readies the code; starts nothing.
    ///
    /// # Errors
    /// Those of opening a scan; Unsupported for what cannot be run.
    pub(crate) fn new(
        plan: Arc<PipelinePlan>,
        options: &Options,
        pool: (PoolHandle, usize),
        backends: &Backends,
        functions: Functions,
        scans: &dyn Scans,
        memory: &Arc<MemoryPool>,
        ends: Ends,
    ) -> Result<Arc<Self>> {
        let started = Instant::now();
        ends.check(&plan)?;
        let scanners = plan.pipelines.iter().map(|pipeline| match &pipeline.source {
            Source::Scan { scan, .. } => Ok(Some(Arc::from(scans.open(scan, options)?))),
            Source::Receive { .. }
            | Source::Values { .. }
            | Source::Series { .. }
            | Source::State { .. }
            | Source::BuildRows { .. } => Ok(None),
        });
        let scanners = scanners.collect::<Result<Vec<_>>>()?;
        let account = memory.account(ends.attempt);
        let memory = Memory::new(options.memory_limit, &plan, memory.clone(), account);
        let states: Vec<StateSlot> = (0..plan.states.len())
            .map(|index| StateSlot::new(&plan, index, &memory))
            .collect::<Result<_>>()?;
        let own = states.iter().flat_map(StateSlot::runtime_filters).collect();
        let filters = Filters::new(own, &plan, !ends.filter_wait.is_zero());
        let query = Arc::new(Self {
            options: options.clone(),
            threads: options.threads.clamp(1, pool.1),
            pool: pool.0,
            library: functions.library,
            guests: functions.guests,
            guest_usage: Mutex::default(),
            counters: Counters::new(&plan),
            prepared: plan.pipelines.iter().map(|pipeline| Prepared::new(pipeline, backends)).collect(),
            scanners,
            states,
            filters,
            ends,
            output: Output::default(),
            tasks: Tasks::default(),
            sinks: AtomicUsize::new(0),
            schedule: Mutex::new(Schedule::new(&plan)),
            rows_scanned: AtomicU64::new(0),
            rows_handed: AtomicU64::new(0),
            rows_passed: AtomicU64::new(0),
            rows_given: AtomicU64::new(0),
            stopped: AtomicBool::new(false),
            outcome: OnceLock::new(),
            over: Over::default(),
            started,
            elapsed: OnceLock::new(),
            memory,
            plan,
        });
        let endable: Arc<dyn Endable> = query.clone();
        query.memory.query().add(Arc::downgrade(&endable));
        Ok(query)
    }

    /// Whether tasks have to end: the query failed, was cancelled, or nobody wants its rows.
    pub(crate) fn is_stopped(&self) -> bool {
        self.stopped.load(Relaxed)
    }

    /// What runs uploaded code.
    ///
    /// # Errors
    /// Unsupported when there is nothing that does.
    pub(crate) fn guests(&self, code: &GuestCode) -> Result<&Arc<dyn Guests>> {
        self.guests.as_ref().ok_or_else(|| {
            Error::unsupported(format!("{code} cannot be called: this engine runs no uploaded code"))
                .with_hint("open the engine with a sandbox, as the server and the command line do")
        })
    }

    /// Ends the query with an error, unless it has ended already.
    pub(crate) fn fail(&self, error: Error) {
        self.stop(Err(error));
    }

    /// Nobody wants more rows.
    pub(crate) fn enough(&self) {
        self.stop(Ok(()));
    }

    /// Has all tasks end, those that wait included. What others wait for is ended at once.
    fn stop(&self, outcome: Result<()>) {
        if self.decide(outcome.clone()) {
            self.wake_and_end(outcome);
        }
    }

    /// From here on tasks that run find that they have to end. Whether this was what decided it.
    fn decide(&self, outcome: Result<()>) -> bool {
        let is_first = self.outcome.set(outcome).is_ok();
        if is_first {
            self.stopped.store(true, Relaxed);
        }
        is_first
    }

    fn wake_and_end(&self, outcome: Result<()>) {
        if outcome.is_err() {
            self.output.end(outcome.clone());
        }
        self.ends.close(outcome);
        self.tasks.wake_all();
    }

    /// All pipelines have ended.
    pub(crate) fn end(&self) {
        _ = self.elapsed.set(self.started.elapsed());
        self.states.iter().for_each(StateSlot::release);
        let outcome = self.outcome.get_or_init(|| Ok(())).clone();
        self.ends.close(outcome.clone());
        self.output.end(outcome.clone());
        self.over.set(outcome);
    }

    pub(crate) fn is_over(&self) -> bool {
        self.over.is_over()
    }

    fn bytes_read(&self) -> u64 {
        self.scanners.iter().flatten().map(|scanner| scanner.bytes_read()).sum()
    }

    fn bytes_read_by(&self, operator: OperatorId) -> u64 {
        let pipelines = self.plan.pipelines.iter().zip(&self.scanners);
        pipelines
            .filter(|(pipeline, _)| source_operator(&pipeline.source) == operator)
            .filter_map(|(_, scanner)| scanner.as_ref())
            .map(|scanner| scanner.bytes_read())
            .sum()
    }

    /// Of scans, as far as it is known what is to be read.
    fn rows_total(&self) -> u64 {
        let pipelines = self.plan.pipelines.iter().zip(&self.scanners);
        let whole = pipelines
            .filter(|(pipeline, _)| !self.ends.morsels.contains_key(&source_operator(&pipeline.source)));
        let rows: u64 = whole
            .filter_map(|(_, scanner)| scanner.as_ref())
            .flat_map(|scanner| scanner.morsels())
            .map(|morsel| morsel.rows)
            .sum();
        rows + self.rows_handed.load(Relaxed)
    }

    pub(crate) fn progress(&self) -> Progress {
        let total = self.rows_total();
        let passed = self.rows_passed.load(Relaxed);
        let fraction = match (self.elapsed.get(), total) {
            (Some(_), _) => 1.0,
            (None, 0) => 0.0,
            (None, total) => (passed as f64 / total as f64).min(1.0),
        };
        Progress {
            fraction,
            rows_scanned: self.rows_scanned.load(Relaxed),
            bytes_read: self.bytes_read(),
            memory_bytes: self.memory.held(),
        }
    }

    pub(crate) fn profile(&self) -> Profile {
        let programs: Vec<_> =
            self.prepared.iter().flat_map(Prepared::slots).map(|slot| slot.profile()).collect();
        let operators = self.counters.iter().map(|(id, name, counters)| {
            let profile = OperatorProfile {
                name: name.to_owned(),
                rows_in: counters.rows_in.load(Relaxed),
                rows_out: counters.rows_out.load(Relaxed),
                rows_built: counters.rows_built.load(Relaxed),
                time: Duration::from_nanos(counters.time_ns.load(Relaxed)),
                peak_memory_bytes: self.memory.peak_of(id),
                bytes_read: self.bytes_read_by(id),
                morsels: counters.morsels.load(Relaxed),
                morsels_pruned: counters.morsels_pruned.load(Relaxed),
                rows_filtered: counters.rows_filtered.load(Relaxed),
            };
            (id, profile)
        });
        Profile {
            operators: operators.collect(),
            rows: self.rows_given.load(Relaxed),
            elapsed: self.elapsed(),
            compiling: programs.iter().map(|program| program.compiling).sum(),
            programs,
            guests: self.guest_profile(),
            peak_memory_bytes: self.memory.peak(),
            bytes_read: self.bytes_read(),
        }
    }

    pub(crate) fn statistics(&self) -> InstanceStatistics {
        let given = self.rows_given.load(Relaxed);
        let (bytes_out, rows_out) = self.ends.output.as_ref().map_or((0, given), |output| output.sent());
        InstanceStatistics {
            rows_scanned: self.rows_scanned.load(Relaxed),
            rows_passed: self.rows_passed.load(Relaxed),
            rows_total: self.rows_total(),
            bytes_read: self.bytes_read(),
            memory_bytes: self.memory.held(),
            memory_peak_bytes: self.memory.peak(),
            rows_out,
            bytes_out,
            elapsed: self.elapsed(),
            is_over: self.is_over(),
        }
    }

    fn elapsed(&self) -> Duration {
        self.elapsed.get().copied().unwrap_or_else(|| self.started.elapsed())
    }
}

impl Endable for Query {
    fn end_soon(self: Arc<Self>, error: Error) {
        if self.decide(Err(error.clone())) {
            let pool = self.pool.clone();
            pool.submit(Box::new(move || self.wake_and_end(Err(error))));
        }
    }
}
