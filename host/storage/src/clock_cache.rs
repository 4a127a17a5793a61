//! A bounded cache that many threads share: in shards, each evicted by the clock algorithm.
//!
//! The clock gives what was used since its last round another round (Corbató 1968), here as many as the value is worth.

use std::collections::{HashMap, HashSet, VecDeque};
use std::hash::{BuildHasher, Hash, RandomState};
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{Mutex, MutexGuard, PoisonError};

const SHARDS: usize = 16;
/// Rounds of the clock that a value gets, at most.
const WORTH_MAX: u8 = 8;
/// Keys that were asked for once, remembered in each shard.
const SEEN_MAX: usize = 4096;

pub struct ClockCache<K, V> {
    shards: [Mutex<Shard<K, V>>; SHARDS],
    hasher: RandomState,
    /// Of all shards.
    bytes: AtomicUsize,
    bytes_max: AtomicUsize,
    /// The shard that gives up a value next.
    turn: AtomicUsize,
}

struct Shard<K, V> {
    entries: HashMap<K, Entry<V>>,
    /// Every key of `entries` once, the one to look at next first.
    hand: VecDeque<K>,
    seen: HashSet<u64>,
}

struct Entry<V> {
    value: V,
    bytes: usize,
    /// Rounds that it gets when it is used.
    worth: u8,
    rounds: u8,
}

impl<K, V> Default for Shard<K, V> {
    fn default() -> Self {
        Self { entries: HashMap::new(), hand: VecDeque::new(), seen: HashSet::new() }
    }
}

impl<K: Hash + Eq + Clone, V: Clone> ClockCache<K, V> {
    pub fn new(bytes_max: usize) -> Self {
        Self {
            shards: std::array::from_fn(|_| Mutex::default()),
            hasher: RandomState::new(),
            bytes: AtomicUsize::new(0),
            bytes_max: AtomicUsize::new(bytes_max),
            turn: AtomicUsize::new(0),
        }
    }

    pub fn bytes(&self) -> usize {
        self.bytes.load(Relaxed)
    }

    pub fn bytes_max(&self) -> usize {
        self.bytes_max.load(Relaxed)
    }

    /// Drops what no longer fits.
    pub fn set_bytes_max(&self, bytes_max: usize) {
        self.bytes_max.store(bytes_max, Relaxed);
        self.shrink();
    }

    pub fn get(&self, key: &K) -> Option<V> {
        let (shard, _) = self.place(key);
        let mut shard = locked(&self.shards[shard]);
        let entry = shard.entries.get_mut(key)?;
        entry.rounds = entry.worth;
        Some(entry.value.clone())
    }

    pub fn contains(&self, key: &K) -> bool {
        let (shard, _) = self.place(key);
        locked(&self.shards[shard]).entries.contains_key(key)
    }

    /// Notes that a key was asked for; whether it had been before, as far as is remembered.
    pub fn was_seen(&self, key: &K) -> bool {
        let (shard, hash) = self.place(key);
        let mut shard = locked(&self.shards[shard]);
        if shard.seen.len() >= SEEN_MAX {
            shard.seen.clear();
        }
        !shard.seen.insert(hash)
    }

    /// Keeps a value if there can be room for it. `worth`: how many rounds of the clock it gets when it is used, one less
    /// at first.
    pub fn put(&self, key: K, value: V, bytes: usize, worth: u8) {
        if bytes > self.bytes_max() / SHARDS {
            return;
        }
        {
            let (number, _) = self.place(&key);
            let mut shard = locked(&self.shards[number]);
            let worth = worth.min(WORTH_MAX);
            let entry = Entry { value, bytes, worth, rounds: worth.saturating_sub(1) };
            match shard.entries.insert(key.clone(), entry) {
                Some(old) => _ = self.bytes.fetch_sub(old.bytes, Relaxed),
                None => shard.hand.push_back(key),
            }
            self.bytes.fetch_add(bytes, Relaxed);
        }
        self.shrink();
    }

    /// Evicts until the rest fits, one value from each shard in turn.
    fn shrink(&self) {
        let mut kept = 0;
        while self.bytes() > self.bytes_max() && kept <= SHARDS * usize::from(WORTH_MAX) {
            let number = self.turn.fetch_add(1, Relaxed) % SHARDS;
            match locked(&self.shards[number]).evict_one() {
                Some(freed) => {
                    self.bytes.fetch_sub(freed, Relaxed);
                    kept = 0;
                }
                None => kept += 1,
            }
        }
    }

    fn place(&self, key: &K) -> (usize, u64) {
        let hash = self.hasher.hash_one(key);
        ((hash >> 32) as usize % SHARDS, hash)
    }
}

impl<K: Hash + Eq + Clone, V> Shard<K, V> {
    /// Moves the hand on until a value goes, at most once around; gives its bytes.
    fn evict_one(&mut self) -> Option<usize> {
        for _ in 0..self.hand.len() {
            let key = self.hand.pop_front()?;
            match self.entries.get_mut(&key) {
                Some(entry) if entry.rounds > 0 => {
                    entry.rounds -= 1;
                    self.hand.push_back(key);
                }
                _ => return self.entries.remove(&key).map(|entry| entry.bytes),
            }
        }
        None
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_used_outlasts_what_is_not() {
        let cache = ClockCache::new(SHARDS * 100);
        for key in 0..SHARDS * 1000 {
            cache.put(key, key, 10, 1);
            assert_eq!(cache.get(&0), Some(0), "key 0 went at {key}");
            assert!(cache.bytes() <= cache.bytes_max());
        }
        let kept = (0..SHARDS * 1000).filter(|key| cache.contains(key)).count();
        assert_eq!(kept * 10, cache.bytes());
        assert_eq!(kept, SHARDS * 10);
        cache.set_bytes_max(0);
        assert_eq!((cache.bytes(), cache.get(&0)), (0, None));
    }

    #[test]
    fn what_is_too_large_is_not_kept_and_a_second_put_replaces() {
        let cache = ClockCache::new(SHARDS * 100);
        cache.put(1, 'a', 101, 1);
        assert!(!cache.contains(&1));
        cache.put(1, 'a', 50, 1);
        cache.put(1, 'b', 70, 1);
        assert_eq!((cache.get(&1), cache.bytes()), (Some('b'), 70));
        assert!(!cache.was_seen(&2) && cache.was_seen(&2));
    }
}
