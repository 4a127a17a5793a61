//! A compiled kernel and its instances.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use nyala_loops::{CompiledLoop, Frame};
use nyala_pipeline::guest::{GuestUsage, Supervised, Supervisor};
use nyala_schema::guest::GuestFunction;
use nyala_schema::{Error, ErrorCode, Result};
use nyala_wasm::Driver;
use wasmtime::component::{InstancePre, Linker, TypedFunc};
use wasmtime::{ResourceLimiter, Store, StoreContextMut, UpdateDeadline};

use super::engine::{Kernels, Made};
use super::failure::{self, CutOff};
use crate::health::Record;

/// Instances kept for the next batches; as many threads run one loop at once at most, mostly.
const IDLE_MAX: usize = 64;

/// Entries that the tables of an instance may have.
const TABLE_ELEMENTS_MAX: usize = 100_000;

/// A loop compiled to WASM, with its functions.
pub(crate) struct Kernel {
    kernels: Arc<Kernels>,
    instance: InstancePre<Guard>,
    functions: Vec<Arc<GuestFunction>>,
    /// Where calls are noted; of a bare call by who calls it. Failures are noted there, too: batches that fail are run
    /// again, call by call.
    records: Vec<Arc<Record>>,
    watched: bool,
    stateful: bool,
    memory_max: u64,
    time_max: Duration,
    idle: Mutex<Vec<Ready>>,
}

/// An instance that waits for a batch.
struct Ready {
    store: Store<Guard>,
    entry: TypedFunc<(u64,), (u64,)>,
}

/// What stands between an instance and the machine.
struct Guard {
    memory_max: u64,
    memory: u64,
    /// Whom memory was accounted to; instances that outlive a query account to nobody.
    accounted: Option<Arc<dyn Supervisor>>,
    deadline: Instant,
    supervisor: Option<Arc<dyn Supervisor>>,
}

impl Kernel {
    /// # Errors
    /// Internal: the driver is not what its component was made of.
    pub(crate) fn new(
        kernels: Arc<Kernels>,
        made: &Made,
        functions: Vec<Arc<GuestFunction>>,
        bare: bool,
    ) -> Result<Self> {
        let linker: Linker<Guard> = Linker::new(kernels.engine(made.watched)?);
        let instance = linker
            .instantiate_pre(&made.component)
            .map_err(|error| Error::internal(format!("a kernel cannot be linked: {error:#}")))?;
        let limits = functions.iter().map(|function| function.code.limits);
        let noted = functions.iter().filter(|_| !bare);
        let records = noted.map(|function| kernels.record(&function.code)).collect();
        Ok(Self {
            records,
            kernels,
            instance,
            memory_max: limits.map(|limits| limits.memory_bytes).fold(0, u64::saturating_add),
            time_max: Duration::from_millis(failure::time_limit_ms(&functions)),
            functions,
            watched: made.watched,
            stateful: made.stateful,
            idle: Mutex::default(),
        })
    }

    fn idle(&self) -> std::sync::MutexGuard<'_, Vec<Ready>> {
        // A panic elsewhere leaves the list whole.
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn ready(&self, supervisor: Option<&Arc<dyn Supervisor>>) -> Result<Ready> {
        if let Some(mut ready) = self.idle().pop() {
            ready.store.data_mut().enter(self.time_max, supervisor);
            return Ok(ready);
        }
        let guard = Guard {
            memory_max: self.memory_max,
            memory: 0,
            accounted: supervisor.filter(|_| self.stateful).cloned(),
            deadline: Instant::now(),
            supervisor: None,
        };
        let mut store = Store::new(self.kernels.engine(self.watched)?, guard);
        store.data_mut().enter(self.time_max, supervisor);
        store.limiter(|guard| guard);
        if self.watched {
            store.epoch_deadline_callback(|context: StoreContextMut<'_, Guard>| context.data().look());
            store.set_epoch_deadline(1);
        }
        let instance = self.instance.instantiate(&mut store);
        let instance = instance.map_err(|error| failure::of_instance(&error, &self.functions))?;
        let entry = instance.get_typed_func(&mut store, Driver::ENTRY);
        let entry =
            entry.map_err(|error| Error::internal(format!("a kernel without an entry: {error:#}")))?;
        Ok(Ready { store, entry })
    }

    /// Of each function, as if all had had the same share.
    fn usage(&self, rows: u64, time: Duration, memory_bytes: u64) -> GuestUsage {
        let share = u32::try_from(self.records.len()).unwrap_or(u32::MAX).max(1);
        GuestUsage { calls: 1, rows, time: time / share, traps: 0, memory_bytes }
    }

    fn note(&self, supervisor: Option<&Arc<dyn Supervisor>>, rows: u64, time: Duration, memory_bytes: u64) {
        let usage = self.usage(rows, time, memory_bytes);
        self.records.iter().for_each(|record| record.note(&usage, &Ok(()), supervisor));
    }
}

impl CompiledLoop for Kernel {
    unsafe fn run(&self, frame: &mut Frame) -> Result<u64> {
        let supervisor = Supervised::current();
        if supervisor.as_ref().is_some_and(|supervisor| supervisor.is_cancelled()) {
            return Err(failure::cancelled());
        }
        self.records.iter().try_for_each(|record| record.admit())?;
        let started = Instant::now();
        let mut ready = self.ready(supervisor.as_ref())?;
        if self.watched {
            ready.store.set_epoch_deadline(1);
        }
        let (rows, address) = (frame.count, std::ptr::from_mut(frame) as u64);
        let result = ready.entry.call(&mut ready.store, (address,));
        match result {
            Ok((status,)) => {
                self.note(supervisor.as_ref(), rows, started.elapsed(), ready.store.data().memory);
                ready.store.data_mut().supervisor = None;
                let mut idle = self.idle();
                if !self.stateful && idle.len() < IDLE_MAX {
                    idle.push(ready);
                }
                Ok(status)
            }
            // Neither the instance nor its store is used again.
            Err(error) => {
                let error = failure::of_run(&error, &self.functions);
                // What took too long is not tried again call by call, so it is noted here.
                if error.code() == ErrorCode::GuestLimit {
                    let usage = self.usage(rows, started.elapsed(), 0);
                    let failed = Err::<(), _>(error.clone());
                    self.records.iter().for_each(|record| record.note(&usage, &failed, supervisor.as_ref()));
                }
                Err(error)
            }
        }
    }
}

impl Guard {
    fn enter(&mut self, time_max: Duration, supervisor: Option<&Arc<dyn Supervisor>>) {
        self.deadline = Instant::now() + time_max;
        self.supervisor = supervisor.cloned();
    }

    /// Whether the code may go on, asked once an epoch.
    fn look(&self) -> wasmtime::Result<UpdateDeadline> {
        if self.supervisor.as_ref().is_some_and(|supervisor| supervisor.is_cancelled()) {
            return Err(wasmtime::Error::new(CutOff::Cancelled));
        }
        if Instant::now() >= self.deadline {
            return Err(wasmtime::Error::new(CutOff::Time));
        }
        Ok(UpdateDeadline::Continue(1))
    }
}

impl ResourceLimiter for Guard {
    fn memory_growing(&mut self, current: usize, desired: usize, _: Option<usize>) -> wasmtime::Result<bool> {
        let added = desired.saturating_sub(current) as u64;
        if self.memory.saturating_add(added) > self.memory_max {
            return Ok(false);
        }
        if let Some(supervisor) = &self.accounted
            && supervisor.grow(added).is_err()
        {
            return Ok(false);
        }
        self.memory += added;
        Ok(true)
    }

    fn table_growing(&mut self, _: usize, desired: usize, _: Option<usize>) -> wasmtime::Result<bool> {
        Ok(desired <= TABLE_ELEMENTS_MAX)
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        if let Some(supervisor) = &self.accounted {
            supervisor.shrink(self.memory);
        }
    }
}
