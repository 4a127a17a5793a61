//! Files that go again unless a commit names them.

use std::sync::{Mutex, PoisonError};

use nyala_storage::managed::Written;

use crate::writing::WritingTable;

/// Removes its files when it is dropped without having been kept.
pub trait Uncommitted: Send {
    /// A commit names the files now.
    fn keep(self: Box<Self>);
}

impl Uncommitted for Written {
    fn keep(self: Box<Self>) {
        Written::keep(*self);
    }
}

/// What a transaction, or a statement of its own, has written. Queries that read the files hold it too: after a
/// ROLLBACK the files go with the last of them.
#[derive(Default)]
pub struct UncommittedFiles(Mutex<Vec<(Box<dyn Uncommitted>, WritingTable)>>);

impl UncommittedFiles {
    pub fn add(&self, files: Vec<(Box<dyn Uncommitted>, WritingTable)>) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).extend(files);
    }

    /// A commit names all of them now.
    pub fn keep(&self) {
        for (files, _) in self.0.lock().unwrap_or_else(PoisonError::into_inner).drain(..) {
            files.keep();
        }
    }
}
