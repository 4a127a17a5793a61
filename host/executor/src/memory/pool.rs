//! What all queries of a process hold together, and which of them goes when that is too much.
//!
//! The query that holds most goes: the one that asked for more, or another one, which is ended so that who asked can go on. A
//! query that holds less than the others thus never fails because of them. What an ended query holds counts as free at once,
//! though it takes a moment until it is; for that moment the others may hold an eighth more than the limit.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, Weak};

use nyala_schema::cluster::Attempt;
use nyala_schema::option::format_bytes;
use nyala_schema::{Error, ErrorCode, Result};

use crate::lock::lock;

/// The part of the limit that may be held beyond it while a query that was ended frees what it has.
const OVERDRAFT: u64 = 8;
/// Queries that an error names.
const NAMED_MAX: usize = 3;

/// One for all queries of a process. All sizes are bytes.
pub struct MemoryPool {
    /// For people: `node n1`.
    place: String,
    limit: u64,
    held: AtomicU64,
    peak: AtomicU64,
    exhausted: AtomicU64,
    queries: Mutex<Queries>,
}

#[derive(Default)]
struct Queries {
    /// Those that hold nothing any more are forgotten when others begin.
    accounts: BTreeMap<Name, Weak<QueryAccount>>,
    /// Of queries without a name, so far.
    nameless: u64,
}

/// In the order in which they are asked to go when they hold as much: the latest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Name {
    Nameless(u64),
    Of(Attempt),
}

/// What a process holds now, and the most that it held.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MemoryUse {
    pub limit: u64,
    pub held: u64,
    pub peak: u64,
    /// How often a query was refused more, or ended, because all was taken.
    pub exhausted: u64,
}

/// What all instances of one attempt of a query hold in this process.
pub(crate) struct QueryAccount {
    name: Name,
    held: AtomicU64,
    /// What it holds will be free soon.
    is_ending: AtomicBool,
    instances: Mutex<Vec<Weak<dyn Endable>>>,
}

/// An instance that can be ended from wherever memory is asked for.
pub(crate) trait Endable: Send + Sync {
    /// Takes no lock that is held while memory is asked for.
    fn end_soon(self: Arc<Self>, error: Error);
}

impl MemoryPool {
    /// `place` is for people, such as `node n1`.
    pub fn new(limit: u64, place: &str) -> Arc<Self> {
        Arc::new(Self {
            place: place.to_owned(),
            limit,
            held: AtomicU64::new(0),
            peak: AtomicU64::new(0),
            exhausted: AtomicU64::new(0),
            queries: Mutex::default(),
        })
    }

    /// Where each query's own limit is all.
    pub fn unlimited() -> Arc<Self> {
        Self::new(u64::MAX, "this process")
    }

    pub fn now(&self) -> MemoryUse {
        MemoryUse {
            limit: self.limit,
            held: self.held.load(Relaxed),
            peak: self.peak.load(Relaxed),
            exhausted: self.exhausted.load(Relaxed),
        }
    }

    /// The account of a query, which all instances of an attempt share; of one without a name its own.
    pub(crate) fn account(&self, attempt: Option<Attempt>) -> Arc<QueryAccount> {
        let mut queries = lock(&self.queries);
        queries.accounts.retain(|_, account| account.strong_count() > 0);
        let name = attempt.map_or(Name::Nameless(queries.nameless), Name::Of);
        if let Some(known) = queries.accounts.get(&name).and_then(Weak::upgrade) {
            return known;
        }
        queries.nameless += u64::from(attempt.is_none());
        let account = Arc::new(QueryAccount {
            name,
            held: AtomicU64::new(0),
            is_ending: AtomicBool::new(false),
            instances: Mutex::default(),
        });
        queries.accounts.insert(name, Arc::downgrade(&account));
        account
    }

    /// More, which the query's account has already.
    ///
    /// # Errors
    /// OutOfMemory when the query holds more than any other and there is not enough; nothing is taken then.
    pub(crate) fn take(&self, account: &Arc<QueryAccount>, bytes: u64) -> Result<()> {
        let held = self.held.fetch_add(bytes, Relaxed).saturating_add(bytes);
        // Others may be asking for what they will not get: what counts is what was found to fit.
        let fits = if held <= self.limit { Ok(held) } else { self.make_room(account, bytes) };
        match fits {
            Ok(held) => _ = self.peak.fetch_max(held, Relaxed),
            Err(_) => self.give_back(bytes),
        }
        fits.map(|_| ())
    }

    pub(crate) fn give_back(&self, bytes: u64) {
        self.held.fetch_sub(bytes, Relaxed);
    }

    /// Ends queries until what the others hold is no more than the limit. Gives what all hold then.
    fn make_room(&self, asking: &Arc<QueryAccount>, bytes: u64) -> Result<u64> {
        // Dropped after the lock: it may be the last reference to a query.
        let mut ended = Vec::new();
        let queries = lock(&self.queries);
        let accounts: Vec<Arc<QueryAccount>> = queries.accounts.values().filter_map(Weak::upgrade).collect();
        let outcome = loop {
            let held = self.held.load(Relaxed);
            let soon_free: u64 =
                accounts.iter().filter(|account| account.is_ending()).map(|account| account.held()).sum();
            if held.saturating_sub(soon_free) <= self.limit {
                let most = self.limit.saturating_add(self.limit / OVERDRAFT);
                break if held <= most { Ok(held) } else { Err(self.refused(asking, bytes, &accounts)) };
            }
            let staying = accounts.iter().filter(|account| !account.is_ending());
            match staying.max_by_key(|account| (account.held(), account.name)) {
                Some(greatest) if !Arc::ptr_eq(greatest, asking) => {
                    let error = self.ended(greatest, bytes, &accounts);
                    ended.extend(greatest.end(&error));
                }
                _ => break Err(self.refused(asking, bytes, &accounts)),
            }
        };
        drop(queries);
        drop(ended);
        outcome
    }

    fn refused(&self, asking: &QueryAccount, bytes: u64, all: &[Arc<QueryAccount>]) -> Error {
        let own = format_bytes(asking.held().saturating_sub(bytes));
        self.out_of_memory(
            &format!("this query holds {own} and needs {} more", format_bytes(bytes)),
            asking,
            all,
        )
    }

    fn ended(&self, greatest: &QueryAccount, bytes: u64, all: &[Arc<QueryAccount>]) -> Error {
        let own = format_bytes(greatest.held());
        let what =
            format!("another query needs {} more, and this one holds most: {own}", format_bytes(bytes));
        self.out_of_memory(&what, greatest, all)
    }

    fn out_of_memory(&self, what: &str, of: &QueryAccount, all: &[Arc<QueryAccount>]) -> Error {
        self.exhausted.fetch_add(1, Relaxed);
        let others = others(of, all);
        let (place, limit) = (&self.place, format_bytes(self.limit));
        Error::new(
            ErrorCode::OutOfMemory,
            format!("out of memory on {place}: the {limit} of all queries are taken; {what}; {others}"),
        )
        .with_hint(
            "run it again when others have ended, let fewer run at once (slots of a pool), have each hold less with SET \
             memory_limit, or start with a larger --memory-limit",
        )
    }
}

/// The other queries that hold most.
fn others(of: &QueryAccount, all: &[Arc<QueryAccount>]) -> String {
    let mut others: Vec<(u64, Name)> =
        all.iter().map(|account| (account.held(), account.name)).filter(|(held, _)| *held > 0).collect();
    others.retain(|(_, name)| *name != of.name);
    others.sort_by(|one, other| other.cmp(one));
    if others.is_empty() {
        return "no other holds any".to_owned();
    }
    let rest = others.split_off(others.len().min(NAMED_MAX));
    let mut named: Vec<String> = others
        .iter()
        .map(|(held, name)| match name {
            Name::Nameless(_) => format!("another one holds {}", format_bytes(*held)),
            Name::Of(attempt) => format!("query {} holds {}", attempt.query, format_bytes(*held)),
        })
        .collect();
    if !rest.is_empty() {
        let bytes = rest.iter().map(|(held, _)| held).sum();
        named.push(format!("{} more hold {}", rest.len(), format_bytes(bytes)));
    }
    named.join(", ")
}

impl QueryAccount {
    /// An instance that begins.
    pub(crate) fn add(&self, instance: Weak<dyn Endable>) {
        let mut instances = lock(&self.instances);
        instances.retain(|known| known.strong_count() > 0);
        instances.push(instance);
    }

    /// Whether that is within the query's own limit; nothing is accounted if not.
    pub(crate) fn grow(&self, bytes: u64, limit: u64) -> bool {
        let fits = self.held.fetch_add(bytes, Relaxed).saturating_add(bytes) <= limit;
        if !fits {
            self.shrink(bytes);
        }
        fits
    }

    pub(crate) fn shrink(&self, bytes: u64) {
        self.held.fetch_sub(bytes, Relaxed);
    }

    pub(crate) fn held(&self) -> u64 {
        self.held.load(Relaxed)
    }

    fn is_ending(&self) -> bool {
        self.is_ending.load(Relaxed)
    }

    /// Gives what is to be dropped where no lock is held.
    fn end(&self, error: &Error) -> Vec<Arc<dyn Endable>> {
        self.is_ending.store(true, Relaxed);
        let instances: Vec<_> = lock(&self.instances).iter().filter_map(Weak::upgrade).collect();
        instances.iter().for_each(|instance| instance.clone().end_soon(error.clone()));
        instances
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Default)]
    struct Instance(AtomicBool);

    impl Endable for Instance {
        fn end_soon(self: Arc<Self>, error: Error) {
            assert!(error.message().contains("this one holds most"), "{error}");
            self.0.store(true, Relaxed);
        }
    }

    /// Asks as an instance of a query does that has no limit of its own.
    fn ask(pool: &MemoryPool, account: &Arc<QueryAccount>, bytes: u64) -> Result<()> {
        assert!(account.grow(bytes, u64::MAX));
        pool.take(account, bytes).inspect_err(|_| account.shrink(bytes))
    }

    #[test]
    fn who_holds_most_is_refused_more() {
        let pool = MemoryPool::new(1000, "node n7");
        let (small, great) = (pool.account(None), pool.account(None));
        ask(&pool, &small, 300).unwrap();
        ask(&pool, &great, 600).unwrap();
        let error = ask(&pool, &great, 200).unwrap_err();
        assert_eq!(error.code(), ErrorCode::OutOfMemory);
        let message = error.message();
        assert!(message.contains("on node n7") && message.contains("this query holds 600 B"), "{message}");
        assert!(message.contains("another one holds 300 B"), "{message}");
        assert!(error.hint().unwrap().contains("--memory-limit"));
        ask(&pool, &small, 100).unwrap();
        assert_eq!(pool.now(), MemoryUse { limit: 1000, held: 1000, peak: 1000, exhausted: 1 });
    }

    #[test]
    fn who_holds_most_makes_room_for_others() {
        let pool = MemoryPool::new(1000, "node n7");
        let (small, great) = (pool.account(None), pool.account(None));
        let instance: Arc<Instance> = Arc::default();
        let weak: Weak<Instance> = Arc::downgrade(&instance);
        great.add(weak);
        ask(&pool, &great, 800).unwrap();
        ask(&pool, &small, 300).unwrap();
        assert!(instance.0.load(Relaxed), "it was ended");
        // Until it is gone, an eighth beyond the limit is all that there is.
        assert_eq!(ask(&pool, &small, 100).unwrap_err().code(), ErrorCode::OutOfMemory);
        great.shrink(800);
        pool.give_back(800);
        ask(&pool, &small, 100).unwrap();
        assert_eq!(pool.now().held, 400);
    }
}
