//! The part of a process that runs queries: worker pool, compiler thread, backends.

use std::sync::Arc;
use std::task::{Context, Poll};

use nyala_pipeline::{Backend, Guests, Library, PipelinePlan};
use nyala_schema::Result;
use nyala_schema::option::Options;
use nyala_schema::scan::TableScan;
use nyala_storage::Scanner;

use crate::code::{Backends, Compiler};
use crate::ends::Ends;
use crate::execution::Execution;
use crate::memory::{MemoryPool, MemoryUse};
use crate::run::{Functions, Pool, Query, schedule};

/// Opens the tables of a plan.
pub trait Scans: Send + Sync {
    /// # Errors
    /// FileAccess, CorruptFile, UndefinedTable.
    fn open(&self, scan: &TableScan, options: &Options) -> Result<Box<dyn Scanner>>;
}

impl<F> Scans for F
where
    F: Fn(&TableScan) -> Result<Box<dyn Scanner>> + Send + Sync,
{
    fn open(&self, scan: &TableScan, _: &Options) -> Result<Box<dyn Scanner>> {
        self(scan)
    }
}

/// What an executor is made of.
pub struct ExecutorConfig {
    /// Worker threads, shared by all queries. With 0 there is no thread at all: whoever holds the executor has it work by
    /// [`run_one`](Executor::run_one), and `Auto` interprets everything.
    pub threads: usize,
    pub interpreter: Arc<dyn Backend>,
    /// Without it everything that it would run is interpreted.
    pub native: Option<Arc<dyn Backend>>,
    /// Runs users' functions over numbers, and everything for those who ask for it. Without it the native backend or the
    /// interpreter does.
    pub wasm: Option<Arc<dyn Backend>>,
    pub library: Arc<dyn Library>,
    /// Runs users' table functions and operators; without it plans that have some fail.
    pub guests: Option<Arc<dyn Guests>>,
    pub scans: Arc<dyn Scans>,
    /// What all queries hold together.
    pub memory: Arc<MemoryPool>,
}

/// One per process. Its threads end when it and all its executions are dropped.
pub struct Executor {
    config: ExecutorConfig,
    pool: Arc<Pool>,
    compiler: Compiler,
}

impl Executor {
    pub fn new(config: ExecutorConfig) -> Self {
        let compiler = if config.threads == 0 { Compiler::none() } else { Compiler::start() };
        Self { pool: Arc::new(Pool::start(config.threads)), compiler, config }
    }

    /// Starts a query; its rows come from the execution.
    ///
    /// # Errors
    /// Those of opening the scans; Unsupported for what this executor does not run. What goes wrong later is
    /// reported by the execution.
    pub fn start(&self, plan: Arc<PipelinePlan>, options: &Options) -> Result<Execution> {
        self.start_instance(plan, options, Ends::default())
    }

    /// Starts an instance of a fragment. With an output its rows go there, and the execution gives only the end. Whatever
    /// ends it, also an error here, ends the output and closes the inputs.
    ///
    /// # Errors
    /// As [`start`](Self::start); Internal when an input is missing that the plan receives from.
    pub fn start_instance(
        &self,
        plan: Arc<PipelinePlan>,
        options: &Options,
        ends: Ends,
    ) -> Result<Execution> {
        let backends = Backends {
            choice: options.backend,
            interpreter: self.config.interpreter.clone(),
            native: self.config.native.clone(),
            wasm: self.config.wasm.clone(),
            verify: options.verify_backends,
            compiler: self.compiler.clone(),
        };
        let query = Query::new(
            plan,
            options,
            (self.pool.handle().clone(), self.pool.threads()),
            &backends,
            Functions { library: self.config.library.clone(), guests: self.config.guests.clone() },
            self.config.scans.as_ref(),
            &self.config.memory,
            ends.clone(),
        );
        let query = query.inspect_err(|error| ends.close(Err(error.clone())))?;
        schedule::proceed(&query);
        Ok(Execution::new(query, self.pool.clone()))
    }

    /// What opens the tables of plans.
    pub fn scans(&self) -> &Arc<dyn Scans> {
        &self.config.scans
    }

    /// What all queries hold now.
    pub fn memory(&self) -> MemoryUse {
        self.config.memory.now()
    }

    /// Queries that are not freed yet, with all that they hold.
    pub fn queries(&self) -> usize {
        self.pool.users()
    }

    /// Runs one queued job on the caller's thread; `false` when there was none. For executors without threads.
    pub fn run_one(&self) -> bool {
        self.pool.run_one()
    }

    /// Ready when [`run_one`](Self::run_one) has something to run; of executors without threads.
    pub fn poll_work(&self, context: &mut Context<'_>) -> Poll<()> {
        self.pool.poll_work(context)
    }
}

impl Drop for Executor {
    fn drop(&mut self) {
        self.compiler.stop();
    }
}
