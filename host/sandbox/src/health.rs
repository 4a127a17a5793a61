//! How functions fare: what they took, how often they fail, and which are not called any more.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use nyala_pipeline::guest::{GuestUsage, Supervisor};
use nyala_schema::guest::{GuestCode, ModuleHash, OnError};
use nyala_schema::{Error, ErrorCode, Result};

/// So many failures after one another, and the function is not called any more.
pub const FAILURES_MAX: u32 = 5;

/// What is known of one version of a function or operator since the process began.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FunctionHealth {
    pub name: String,
    pub version: u32,
    pub usage: GuestUsage,
    /// Failures since the last call that went well.
    pub failures: u32,
    pub quarantined: bool,
    pub last_error: Option<String>,
}

/// By what runs: the same code with other limits is still the same.
#[derive(Default)]
pub(crate) struct Health(Mutex<HashMap<Subject, Arc<Record>>>);

/// Names are shared by overloads: module and export tell them apart.
#[derive(PartialEq, Eq, Hash)]
struct Subject {
    name: String,
    version: u32,
    module: ModuleHash,
    export: String,
}

/// Of one version; held by all that call it.
pub(crate) struct Record {
    code: GuestCode,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    usage: GuestUsage,
    failures: u32,
    last_error: Option<String>,
}

impl Health {
    pub(crate) fn record(&self, code: &GuestCode) -> Arc<Record> {
        let mut records = lock(&self.0);
        let new = || Arc::new(Record { code: code.clone(), state: Mutex::default() });
        let subject = Subject {
            name: code.name.clone(),
            version: code.version,
            module: code.module,
            export: code.export.clone(),
        };
        records.entry(subject).or_insert_with(new).clone()
    }

    /// By name and version.
    pub(crate) fn all(&self) -> Vec<FunctionHealth> {
        let mut all: Vec<FunctionHealth> = lock(&self.0).values().map(|record| record.health()).collect();
        all.sort_by(|a, b| (&a.name, a.version).cmp(&(&b.name, b.version)));
        all
    }

    /// Forgets the failures of all versions; whether there is anything of that name.
    pub(crate) fn resume(&self, name: &str) -> bool {
        let records = lock(&self.0);
        let of_name = records.values().filter(|record| record.code.name == name);
        of_name.map(|record| lock(&record.state).failures = 0).count() > 0
    }
}

impl Record {
    /// # Errors
    /// `Quarantined`.
    pub fn admit(&self) -> Result<()> {
        let state = lock(&self.state);
        if state.failures < FAILURES_MAX {
            return Ok(());
        }
        let last = state.last_error.as_deref().unwrap_or("unknown");
        let message = format!(
            "function {} has failed {} times after one another and is not called any more; the last time: {last}",
            self.code, state.failures
        );
        let hint = format!(
            "ALTER FUNCTION {} RESUME calls it again; ROLLBACK goes back to the version before",
            self.code.name
        );
        Err(Error::new(ErrorCode::Quarantined, message).with_hint(hint))
    }

    /// Notes one call and what it took, here and with the query.
    pub fn note<T>(&self, usage: &GuestUsage, result: &Result<T>, supervisor: Option<&Arc<dyn Supervisor>>) {
        let mut usage = *usage;
        let mut state = lock(&self.state);
        match result {
            Ok(_) => state.failures = 0,
            Err(error) => {
                let blamed = match error.code() {
                    ErrorCode::GuestFailed | ErrorCode::GuestLimit => true,
                    // The query's end or the node's lack of memory is not the function's fault.
                    _ => false,
                };
                let tried = supervisor.is_some_and(|supervisor| !supervisor.blames());
                if blamed && !tried {
                    usage.traps += 1;
                    state.last_error = Some(error.message().to_owned());
                    // A function that may fail on some rows is not worse for it; one that takes too much is.
                    if self.code.limits.on_error == OnError::Fail || error.code() == ErrorCode::GuestLimit {
                        state.failures = state.failures.saturating_add(1);
                    }
                }
            }
        }
        let total = &mut state.usage;
        total.calls += usage.calls;
        total.rows += usage.rows;
        total.time += usage.time;
        total.traps += usage.traps;
        total.memory_bytes = total.memory_bytes.max(usage.memory_bytes);
        drop(state);
        if let Some(supervisor) = supervisor {
            supervisor.record(&self.code, &usage);
        }
    }

    fn health(&self) -> FunctionHealth {
        let state = lock(&self.state);
        FunctionHealth {
            name: self.code.name.clone(),
            version: self.code.version,
            usage: state.usage,
            failures: state.failures,
            quarantined: state.failures >= FAILURES_MAX,
            last_error: state.last_error.clone(),
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
