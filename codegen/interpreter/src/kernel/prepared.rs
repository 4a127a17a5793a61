//! Things made of a parameter once and used for every batch.

use std::sync::{Arc, Mutex, PoisonError};

/// A small cache beside a statement. Queries with different constants share compiled programs, so there may be more
/// than one value at a time; the oldest gives way.
#[derive(Debug)]
pub(crate) struct Prepared<K, V>(Mutex<Vec<(K, Arc<V>)>>);

const ENTRIES_MAX: usize = 8;

impl<K, V> Default for Prepared<K, V> {
    fn default() -> Self {
        Self(Mutex::new(Vec::new()))
    }
}

impl<K: Clone, V> Prepared<K, V> {
    /// The value for `key`, made now if it is not there.
    pub fn get<E>(
        &self,
        key: &K,
        same: impl Fn(&K, &K) -> bool,
        make: impl FnOnce() -> Result<V, E>,
    ) -> Result<Arc<V>, E> {
        // A panic of another thread cannot leave an entry half made.
        let find = |entries: &[(K, Arc<V>)]| {
            entries.iter().find(|(known, _)| same(known, key)).map(|(_, value)| value.clone())
        };
        if let Some(value) = find(&self.0.lock().unwrap_or_else(PoisonError::into_inner)) {
            return Ok(value);
        }
        let value = Arc::new(make()?);
        let mut entries = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(value) = find(&entries) {
            return Ok(value);
        }
        if entries.len() >= ENTRIES_MAX {
            entries.remove(0);
        }
        entries.push((key.clone(), value.clone()));
        Ok(value)
    }
}
