//! Who runs, who waits: the state that one node keeps for all coordinators. A state machine: time is given.

use std::collections::HashMap;
use std::time::Duration;

use nyala_schema::cluster::{NodeId, QueryId};
use nyala_schema::deploy::AdmissionAsk;
use nyala_schema::option::format_bytes;
use nyala_schema::{Error, ErrorCode};
use tokio::time::Instant;

use crate::admission::Pool;
use crate::settings::AdmissionSettings;

/// A query that waits and is not asked for any more is forgotten after this.
const ASK_SILENCE_MAX: Duration = Duration::from_secs(10);

/// A query that was admitted so shortly ago may be missing in a renewal that was under way.
const RENEWAL_RACE: Duration = Duration::from_secs(2);

/// What is answered to who asks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Decision {
    Admitted,
    /// Asks again, and keeps its place by that.
    Queued,
    Refused(Error),
}

#[derive(Debug)]
pub(crate) struct Controller {
    settings: AdmissionSettings,
    /// Until then it only learns what runs.
    settled_at: Instant,
    /// The coordinators that have said what they run.
    renewed: Vec<NodeId>,
    running: HashMap<QueryId, Running>,
    waiting: Vec<Waiting>,
}

#[derive(Debug, Clone)]
struct Running {
    coordinator: NodeId,
    pool: String,
    user: String,
    memory_bytes: u64,
    renewed: Instant,
}

#[derive(Debug, Clone)]
struct Waiting {
    ask: AdmissionAsk,
    coordinator: NodeId,
    /// When it first asked, whoever decided then.
    since: Instant,
    asked: Instant,
}

/// What runs, of all or of a part.
#[derive(Default)]
struct Usage {
    queries: u32,
    memory_bytes: u64,
}

impl Controller {
    pub(crate) fn new(settings: AdmissionSettings, now: Instant) -> Self {
        let settled_at = now + settings.settle;
        Self { settings, settled_at, renewed: vec![], running: HashMap::new(), waiting: vec![] }
    }

    pub(crate) fn places(&self) -> usize {
        self.running.len() + self.waiting.len()
    }

    /// Asks for a query, or asks again. It is known from then on.
    pub(crate) fn ask(&mut self, from: NodeId, ask: AdmissionAsk, now: Instant) -> Decision {
        self.expire(now);
        let Some(pool) = find(&self.settings.pools, &ask.pool).cloned() else {
            return Decision::Refused(no_pool(&self.settings.pools, &ask.pool));
        };
        if self.running.contains_key(&ask.query) {
            return Decision::Admitted;
        }
        if let Some(error) = never_fits(&self.settings, &pool, &ask) {
            return Decision::Refused(error);
        }
        let query = ask.query;
        match self.waiting.iter_mut().find(|waiting| waiting.ask.query == query) {
            Some(waiting) => waiting.asked = now,
            None => {
                let since = now - Duration::from_millis(ask.waited_ms).min(pool.queue_timeout);
                self.waiting.push(Waiting { ask, coordinator: from, since, asked: now });
                self.waiting.sort_by_key(|waiting| {
                    let pool = find(&self.settings.pools, &waiting.ask.pool);
                    (std::cmp::Reverse(pool.map_or(0, |pool| pool.priority)), waiting.since)
                });
            }
        }
        self.admit(now);
        if self.running.contains_key(&query) {
            return Decision::Admitted;
        }
        self.still_waits(query, &pool, now)
    }

    fn still_waits(&mut self, query: QueryId, pool: &Pool, now: Instant) -> Decision {
        let Some(position) = self.waiting.iter().position(|waiting| waiting.ask.query == query) else {
            return Decision::Queued;
        };
        let waiting = &self.waiting[position];
        let waited = now.saturating_duration_since(waiting.since);
        let before =
            self.waiting[..position].iter().filter(|other| other.ask.pool == waiting.ask.pool).count();
        let refused = if waited >= pool.queue_timeout {
            Some(timed_out(pool, waited))
        } else if before >= pool.queue_length as usize {
            Some(queue_full(pool))
        } else {
            None
        };
        let Some(error) = refused else { return Decision::Queued };
        self.waiting.remove(position);
        Decision::Refused(error)
    }

    /// All that a coordinator runs. What is not among it has ended, unless it waits still.
    pub(crate) fn renew(&mut self, from: NodeId, running: Vec<AdmissionAsk>, now: Instant) {
        self.running.retain(|query, known| {
            let fresh = now.saturating_duration_since(known.renewed) < RENEWAL_RACE;
            known.coordinator != from || fresh || running.iter().any(|ask| ask.query == *query)
        });
        for ask in running {
            let pool = find(&self.settings.pools, &ask.pool).map_or(ask.pool, |pool| pool.name.clone());
            let (user, memory_bytes) = (ask.user, ask.memory_bytes);
            self.waiting.retain(|waiting| waiting.ask.query != ask.query);
            self.running
                .insert(ask.query, Running { coordinator: from, pool, user, memory_bytes, renewed: now });
        }
        if !self.renewed.contains(&from) {
            self.renewed.push(from);
        }
        self.expire(now);
        self.admit(now);
    }

    /// All coordinators that there are have said what they run: nothing more is to be learnt.
    pub(crate) fn settle(&mut self, coordinators: &[NodeId], now: Instant) {
        if coordinators.iter().all(|coordinator| self.renewed.contains(coordinator)) {
            self.settled_at = self.settled_at.min(now);
            self.admit(now);
        }
    }

    pub(crate) fn release(&mut self, query: QueryId, now: Instant) {
        self.running.remove(&query);
        self.waiting.retain(|waiting| waiting.ask.query != query);
        self.expire(now);
        self.admit(now);
    }

    /// Queries that run, and that wait.
    #[cfg(test)]
    fn counts(&self) -> (usize, usize) {
        (self.running.len(), self.waiting.len())
    }

    /// When something may change by itself.
    pub(crate) fn settles_at(&self) -> Instant {
        self.settled_at
    }

    fn expire(&mut self, now: Instant) {
        let lease = self.settings.lease;
        self.running.retain(|_, running| now.saturating_duration_since(running.renewed) < lease);
        self.waiting.retain(|waiting| now.saturating_duration_since(waiting.asked) < ASK_SILENCE_MAX);
    }

    /// Lets in whoever fits, in order. One that does not fit its pool lets others pass, except those of its own pool that came
    /// later and are not held up by their user alone.
    fn admit(&mut self, now: Instant) {
        if now < self.settled_at {
            return;
        }
        let mut blocked: Vec<String> = Vec::new();
        let mut index = 0;
        while let Some(waiting) = self.waiting.get(index).cloned() {
            index += 1;
            let Some(pool) = find(&self.settings.pools, &waiting.ask.pool) else { continue };
            if blocked.contains(&pool.name) {
                continue;
            }
            let all = self.usage(|_| true);
            if !fits(&all, &waiting.ask, self.settings.slots, self.settings.memory_bytes) {
                // What is free of the whole is kept for who is first.
                return;
            }
            let own = self.usage(|running| running.pool == pool.name);
            if !fits(&own, &waiting.ask, pool.slots, pool.memory_bytes) {
                blocked.push(pool.name.clone());
                continue;
            }
            let of_user = self.usage(|running| running.pool == pool.name && running.user == waiting.ask.user);
            if pool.per_user.is_some_and(|max| of_user.queries >= max) {
                continue;
            }
            let running = Running {
                coordinator: waiting.coordinator,
                pool: pool.name.clone(),
                user: waiting.ask.user,
                memory_bytes: waiting.ask.memory_bytes,
                renewed: now,
            };
            self.running.insert(waiting.ask.query, running);
            index -= 1;
            self.waiting.remove(index);
        }
    }

    fn usage(&self, of: impl Fn(&Running) -> bool) -> Usage {
        self.running.values().filter(|running| of(running)).fold(Usage::default(), |usage, running| Usage {
            queries: usage.queries + 1,
            memory_bytes: usage.memory_bytes.saturating_add(running.memory_bytes),
        })
    }
}

fn fits(usage: &Usage, ask: &AdmissionAsk, slots: Option<u32>, memory_bytes: Option<u64>) -> bool {
    slots.is_none_or(|max| usage.queries < max)
        && memory_bytes.is_none_or(|max| usage.memory_bytes.saturating_add(ask.memory_bytes) <= max)
}

/// The pool of that name; the first for the empty name.
pub(crate) fn find<'a>(pools: &'a [Pool], name: &str) -> Option<&'a Pool> {
    pools.iter().find(|pool| name.is_empty() || pool.name == name)
}

pub(crate) fn no_pool(pools: &[Pool], name: &str) -> Error {
    let names: Vec<&str> = pools.iter().map(|pool| pool.name.as_str()).collect();
    Error::new(ErrorCode::UndefinedObject, format!("there is no pool '{name}'"))
        .with_hint(format!("pools are {}", names.join(", ")))
}

fn never_fits(settings: &AdmissionSettings, pool: &Pool, ask: &AdmissionAsk) -> Option<Error> {
    let limits = [pool.memory_bytes, settings.memory_bytes];
    let least = limits.into_iter().flatten().min().filter(|max| ask.memory_bytes > *max)?;
    let (wanted, least) = (format_bytes(ask.memory_bytes), format_bytes(least));
    let message = format!("pool {} never has the {wanted} that the query may use", pool.name);
    Some(
        Error::new(ErrorCode::OutOfMemory, message).with_hint(format!("SET memory_limit to at most {least}")),
    )
}

fn timed_out(pool: &Pool, waited: Duration) -> Error {
    let message =
        format!("the query waited {} s for pool {} and was not admitted", waited.as_secs(), pool.name);
    Error::new(ErrorCode::OutOfMemory, message).with_hint("try again later, or in another pool")
}

fn queue_full(pool: &Pool) -> Error {
    let message = format!("{} queries wait for pool {} already", pool.queue_length, pool.name);
    Error::new(ErrorCode::OutOfMemory, message).with_hint("try again later, or in another pool")
}

#[cfg(test)]
mod tests;
