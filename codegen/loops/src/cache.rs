//! Compiled programs by their normalised form; the least recently used go first.

use std::collections::HashMap;
use std::sync::Arc;

use nyala_pipeline::Program;

/// A bounded map. What is put out lives on while somebody holds it.
pub struct Cache<T> {
    entries: HashMap<Arc<Program>, Entry<T>>,
    capacity: usize,
    /// Counts uses; the entry with the least was not used for longest.
    clock: u64,
}

struct Entry<T> {
    value: Arc<T>,
    used: u64,
}

impl<T> Cache<T> {
    pub fn new(capacity: usize) -> Self {
        Self { entries: HashMap::new(), capacity: capacity.max(1), clock: 0 }
    }

    pub fn len(&self) -> usize {
        self.entries.len()
    }

    pub fn get(&mut self, program: &Program) -> Option<Arc<T>> {
        self.clock += 1;
        let entry = self.entries.get_mut(program)?;
        entry.used = self.clock;
        Some(Arc::clone(&entry.value))
    }

    /// Adds an entry unless another thread was faster; gives the one that is kept, and how many were put out.
    pub fn insert(&mut self, program: Arc<Program>, value: Arc<T>) -> (Arc<T>, u64) {
        if let Some(earlier) = self.get(&program) {
            return (earlier, 0);
        }
        let mut evicted = 0;
        while self.entries.len() >= self.capacity {
            let oldest = self.entries.iter().min_by_key(|(_, entry)| entry.used);
            let Some(oldest) = oldest.map(|(program, _)| Arc::clone(program)) else { break };
            self.entries.remove(&oldest);
            evicted += 1;
        }
        self.entries.insert(program, Entry { value: Arc::clone(&value), used: self.clock });
        (value, evicted)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use nyala_pipeline::Block;

    fn program(output: u32) -> Arc<Program> {
        let outputs = vec![nyala_pipeline::ValueId(output)];
        Arc::new(Program {
            inputs: vec![],
            parameters: vec![],
            body: Block::default(),
            outputs,
            updates: vec![],
        })
    }

    #[test]
    fn the_least_recently_used_goes_first() {
        let mut cache = Cache::new(2);
        cache.insert(program(1), Arc::new(1));
        cache.insert(program(2), Arc::new(2));
        assert_eq!(cache.get(&program(1)).as_deref(), Some(&1));
        let (_, evicted) = cache.insert(program(3), Arc::new(3));
        assert_eq!((evicted, cache.len()), (1, 2));
        assert!(cache.get(&program(2)).is_none());
        assert_eq!(cache.get(&program(1)).as_deref(), Some(&1));
        let (kept, _) = cache.insert(program(1), Arc::new(10));
        assert_eq!(*kept, 1);
    }
}
