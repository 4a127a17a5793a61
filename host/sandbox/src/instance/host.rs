//! What the host knows of one running instance, and how it holds it within its limits.

use std::fs::File;
use std::hash::{BuildHasher, RandomState};
use std::os::unix::fs::FileExt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use arrow::array::UInt32Array;
use nyala_pipeline::guest::Supervisor;
use nyala_schema::guest::Limits;
use nyala_schema::{Error, ErrorCode};
use wasmtime::{ResourceLimiter, UpdateDeadline};

/// What the host functions give to which guests.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Grants {
    pub clock: bool,
    pub random: bool,
    /// The most bytes of scratch file; 0: none.
    pub scratch_bytes: u64,
}

/// Which rows of the caller's batch a guest sees: it may be handed some of them only.
#[derive(Debug, Clone, Default)]
pub(crate) struct RowOrigin {
    /// The caller's row of each row passed; `None`: all in order.
    pub kept: Option<UInt32Array>,
    /// Rows that earlier calls for the same batch have taken.
    pub first: u64,
}

impl RowOrigin {
    /// The caller's row, counted from 0.
    pub(crate) fn row(&self, row: u32) -> Option<u64> {
        let row = match &self.kept {
            None => row,
            Some(kept) => *kept.values().get(row as usize)?,
        };
        Some(self.first + u64::from(row))
    }
}

/// What a guest said before it failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Complaint {
    pub message: String,
    /// In the caller's batch, counted from 0.
    pub row: Option<u64>,
}

/// The data of a store.
pub(crate) struct Host {
    /// `name@version`, for log messages.
    pub name: String,
    limits: Limits,
    table_elements_max: usize,
    grants: Grants,
    supervisor: Option<Arc<dyn Supervisor>>,
    deadline: Instant,
    origin: RowOrigin,
    /// Bytes of memory, all of them accounted to the query.
    memory_bytes: u64,
    /// The guest asked for so many bytes and was refused.
    pub refused_bytes: Option<u64>,
    /// Why the host ended the call.
    pub stop: Option<Error>,
    pub complaint: Option<Complaint>,
    /// Microseconds since 1970.
    now: i64,
    random: u64,
    scratch: Option<File>,
}

impl Host {
    pub(crate) fn new(
        name: String,
        limits: Limits,
        table_elements_max: u32,
        grants: Grants,
        supervisor: Option<Arc<dyn Supervisor>>,
        now: i64,
    ) -> Self {
        Self {
            name,
            limits,
            table_elements_max: table_elements_max as usize,
            grants,
            supervisor,
            deadline: Instant::now(),
            origin: RowOrigin::default(),
            memory_bytes: 0,
            refused_bytes: None,
            stop: None,
            complaint: None,
            now,
            random: RandomState::new().hash_one(0_u64),
            scratch: None,
        }
    }

    pub(crate) fn memory_bytes(&self) -> u64 {
        self.memory_bytes
    }

    pub(crate) fn limits(&self) -> &Limits {
        &self.limits
    }

    pub(crate) fn supervisor(&self) -> Option<&Arc<dyn Supervisor>> {
        self.supervisor.as_ref()
    }

    /// A call of a batch begins: its time runs from now.
    pub(crate) fn begin(&mut self, origin: RowOrigin) {
        self.origin = origin;
        self.deadline = Instant::now() + Duration::from_millis(u64::from(self.limits.time_per_batch_ms));
        self.refused_bytes = None;
        self.complaint = None;
    }

    /// Asked at every tick while guest code runs.
    pub(crate) fn tick(&mut self) -> wasmtime::Result<UpdateDeadline> {
        if self.supervisor.as_ref().is_some_and(|supervisor| supervisor.is_cancelled()) {
            return Err(self.stopped(Error::cancelled()));
        }
        if Instant::now() < self.deadline {
            return Ok(UpdateDeadline::Continue(1));
        }
        let message = format!("took more than {} ms for a batch", self.limits.time_per_batch_ms);
        Err(self.stopped(
            Error::new(ErrorCode::GuestLimit, message)
                .with_hint("allow more with WITH (time_per_batch = '…'), if it is not an endless loop"),
        ))
    }

    fn stopped(&mut self, reason: Error) -> wasmtime::Error {
        self.stop = Some(reason);
        wasmtime::Error::msg("stopped by the host")
    }

    pub(crate) fn complain(&mut self, message: String, row: Option<u32>) {
        let row = row.and_then(|row| self.origin.row(row));
        // The first is the cause; what follows comes of unwinding.
        self.complaint.get_or_insert(Complaint { message, row });
    }

    /// Microseconds since 1970 of the statement.
    pub(crate) fn now(&mut self) -> wasmtime::Result<i64> {
        if !self.grants.clock {
            return Err(self.withheld("nyala.now", "STABLE or VOLATILE"));
        }
        Ok(self.now)
    }

    /// SplitMix64, <https://prng.di.unimi.it/splitmix64.c>, from a seed of the operating system.
    pub(crate) fn random(&mut self) -> wasmtime::Result<i64> {
        if !self.grants.random {
            return Err(self.withheld("nyala.random", "VOLATILE"));
        }
        self.random = self.random.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut bits = self.random;
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        Ok((bits ^ (bits >> 31)).cast_signed())
    }

    fn withheld(&mut self, what: &str, needed: &str) -> wasmtime::Error {
        let message = format!("called {what}, which only {needed} functions may");
        self.stopped(
            Error::new(ErrorCode::GuestFailed, message).with_hint(format!("declare the function {needed}")),
        )
    }

    /// Whether it worked.
    pub(crate) fn scratch_write(&mut self, offset: i64, bytes: &[u8]) -> bool {
        let end = u64::try_from(offset).ok().and_then(|offset| offset.checked_add(bytes.len() as u64));
        if end.is_none_or(|end| end > self.grants.scratch_bytes) {
            return false;
        }
        if self.scratch.is_none() {
            self.scratch =
                tempfile::tempfile().inspect_err(|error| tracing::warn!("no scratch file: {error}")).ok();
        }
        self.scratch.as_ref().is_some_and(|file| file.write_all_at(bytes, offset.unsigned_abs()).is_ok())
    }

    /// Whether it worked.
    pub(crate) fn scratch_read(&self, offset: i64, bytes: &mut [u8]) -> bool {
        let Ok(offset) = u64::try_from(offset) else { return false };
        self.scratch.as_ref().is_some_and(|file| file.read_exact_at(bytes, offset).is_ok())
    }
}

impl ResourceLimiter for Host {
    fn memory_growing(
        &mut self,
        _current: usize,
        desired: usize,
        _maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        let desired = desired as u64;
        if desired > self.limits.memory_bytes {
            self.refused_bytes = Some(desired);
            return Ok(false);
        }
        let more = desired.saturating_sub(self.memory_bytes);
        if let Some(supervisor) = &self.supervisor
            && let Err(error) = supervisor.grow(more)
        {
            return Err(self.stopped(error));
        }
        self.memory_bytes += more;
        Ok(true)
    }

    fn table_growing(
        &mut self,
        _current: usize,
        desired: usize,
        _maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        Ok(desired <= self.table_elements_max)
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        if let Some(supervisor) = &self.supervisor {
            supervisor.shrink(self.memory_bytes);
        }
    }
}
