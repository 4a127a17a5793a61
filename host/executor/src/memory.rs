//! What the operators of a query hold, and the limit on it. `pool` is what all queries of a process hold.

mod pool;

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use nyala_pipeline::{PipelinePlan, Source};
use nyala_schema::id::OperatorId;
use nyala_schema::option::format_bytes;
use nyala_schema::{Error, ErrorCode, Result};

pub(crate) use pool::{Endable, QueryAccount};
pub use pool::{MemoryPool, MemoryUse};

/// The account of one instance of a query. All sizes are bytes.
pub(crate) struct Memory {
    pool: Arc<MemoryPool>,
    /// Of all instances of the query.
    query: Arc<QueryAccount>,
    /// Of the query, over its instances in this process.
    limit: u64,
    held: AtomicU64,
    peak: AtomicU64,
    operators: HashMap<OperatorId, Account>,
    output: Account,
    /// Instances of uploaded code.
    guests: Account,
}

/// Whose account something goes on.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Holder {
    Operator(OperatorId),
    Output,
    Guests,
}

struct Account {
    name: &'static str,
    held: AtomicU64,
    peak: AtomicU64,
}

/// What one holder has; given back when it is dropped.
pub(crate) struct Reservation {
    memory: Arc<Memory>,
    holder: Holder,
    bytes: u64,
}

impl Memory {
    /// Has an account for every operator that keeps a state or receives rows.
    pub(crate) fn new(
        limit: u64,
        plan: &PipelinePlan,
        pool: Arc<MemoryPool>,
        query: Arc<QueryAccount>,
    ) -> Arc<Self> {
        let account = |name| Account { name, held: AtomicU64::new(0), peak: AtomicU64::new(0) };
        let states = plan.states.iter().map(|state| (state.operator, state.spec.name()));
        let inputs = plan.pipelines.iter().filter_map(|pipeline| match pipeline.source {
            Source::Receive { operator, .. } => Some((operator, "receive")),
            Source::Scan { .. }
            | Source::Values { .. }
            | Source::Series { .. }
            | Source::State { .. }
            | Source::BuildRows { .. } => None,
        });
        let operators = states.chain(inputs).map(|(id, name)| (id, account(name))).collect();
        Arc::new(Self {
            pool,
            query,
            limit,
            held: AtomicU64::new(0),
            peak: AtomicU64::new(0),
            operators,
            output: account("output"),
            guests: account("guests"),
        })
    }

    pub(crate) fn reserve(self: &Arc<Self>, operator: OperatorId) -> Reservation {
        Reservation { memory: self.clone(), holder: Holder::Operator(operator), bytes: 0 }
    }

    /// For rows that wait to be sent.
    pub(crate) fn reserve_output(self: &Arc<Self>) -> Reservation {
        Reservation { memory: self.clone(), holder: Holder::Output, bytes: 0 }
    }

    pub(crate) fn query(&self) -> &Arc<QueryAccount> {
        &self.query
    }

    pub(crate) fn held(&self) -> u64 {
        self.held.load(Relaxed)
    }

    pub(crate) fn peak(&self) -> u64 {
        self.peak.load(Relaxed)
    }

    pub(crate) fn peak_of(&self, operator: OperatorId) -> u64 {
        self.operators.get(&operator).map_or(0, |account| account.peak.load(Relaxed))
    }

    /// # Errors
    /// OutOfMemory; nothing is accounted then.
    pub(crate) fn grow_guests(&self, bytes: u64) -> Result<()> {
        self.take(Holder::Guests, bytes)
    }

    pub(crate) fn shrink_guests(&self, bytes: u64) {
        self.give_back(Holder::Guests, bytes);
    }

    fn account(&self, holder: Holder) -> Option<&Account> {
        match holder {
            Holder::Operator(operator) => self.operators.get(&operator),
            Holder::Output => Some(&self.output),
            Holder::Guests => Some(&self.guests),
        }
    }

    fn take(&self, holder: Holder, bytes: u64) -> Result<()> {
        if !self.query.grow(bytes, self.limit) {
            return Err(self.exceeded(holder, bytes));
        }
        self.pool.take(&self.query, bytes).inspect_err(|_| self.query.shrink(bytes))?;
        let held = self.held.fetch_add(bytes, Relaxed) + bytes;
        self.peak.fetch_max(held, Relaxed);
        if let Some(account) = self.account(holder) {
            let held = account.held.fetch_add(bytes, Relaxed) + bytes;
            account.peak.fetch_max(held, Relaxed);
        }
        Ok(())
    }

    fn give_back(&self, holder: Holder, bytes: u64) {
        self.free(bytes);
        if let Some(account) = self.account(holder) {
            account.held.fetch_sub(bytes, Relaxed);
        }
    }

    fn free(&self, bytes: u64) {
        self.held.fetch_sub(bytes, Relaxed);
        self.query.shrink(bytes);
        self.pool.give_back(bytes);
    }

    fn exceeded(&self, holder: Holder, wanted: u64) -> Error {
        let others = [&self.output, &self.guests].into_iter();
        let elsewhere = self.query.held().saturating_sub(self.held());
        let mut holders: Vec<(u64, String)> = self
            .operators
            .iter()
            .map(|(id, account)| (account.held.load(Relaxed), format!("{} {id}", account.name)))
            .chain(others.map(|account| (account.held.load(Relaxed), account.name.to_owned())))
            .chain([(elsewhere, "its other fragments here".to_owned())])
            .filter(|(held, _)| *held > 0)
            .collect();
        holders.sort_by(|left, right| right.cmp(left));
        let holders: Vec<String> =
            holders.into_iter().map(|(held, name)| format!("{name} {}", format_bytes(held))).collect();
        let name = self.account(holder).map_or("operator", |account| account.name);
        let who = match holder {
            Holder::Operator(operator) => format!("{name} {operator}"),
            Holder::Output | Holder::Guests => name.to_owned(),
        };
        let held = if holders.is_empty() { "nothing".to_owned() } else { holders.join(", ") };
        Error::new(
            ErrorCode::OutOfMemory,
            format!(
                "out of memory: {who} needs {} more than the query's limit of {} allows; held: {held}",
                format_bytes(wanted),
                format_bytes(self.limit),
            ),
        )
        .with_hint(
            "raise the limit with --memory-limit or SET memory_limit, or let the query keep fewer rows",
        )
    }
}

impl Drop for Memory {
    fn drop(&mut self) {
        // No reservation is left; instances of uploaded code that outlive their query give nothing back.
        self.free(self.held());
    }
}

impl Reservation {
    /// # Errors
    /// OutOfMemory; the reservation stays as it was.
    pub(crate) fn grow(&mut self, bytes: u64) -> Result<()> {
        self.memory.take(self.holder, bytes)?;
        self.bytes += bytes;
        Ok(())
    }

    /// Changes the reservation to `bytes`.
    ///
    /// # Errors
    /// OutOfMemory; the reservation stays as it was.
    pub(crate) fn set(&mut self, bytes: u64) -> Result<()> {
        if bytes > self.bytes {
            return self.grow(bytes - self.bytes);
        }
        self.memory.give_back(self.holder, self.bytes - bytes);
        self.bytes = bytes;
        Ok(())
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        self.memory.give_back(self.holder, self.bytes);
    }
}
