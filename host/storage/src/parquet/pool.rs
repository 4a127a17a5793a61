//! Memory for chunks and pages that goes from one morsel to the next: fresh memory costs a page fault every 4 KiB.

use std::sync::{Mutex, PoisonError};

use arrow::buffer::Buffer;

/// Kept buffers, and bytes of all of them, at most; more are given back to the allocator.
const BUFFERS_MAX: usize = 32;
const BYTES_MAX: usize = 64 << 20;

/// Shared by the morsels of a scan.
#[derive(Debug, Default)]
pub struct BufferPool {
    spare: Mutex<Vec<Vec<u8>>>,
}

impl BufferPool {
    /// `length` bytes of any content.
    pub fn take(&self, length: usize) -> Vec<u8> {
        let mut spare = self.spare.lock().unwrap_or_else(PoisonError::into_inner);
        let fitting = spare
            .iter()
            .enumerate()
            .filter(|(_, bytes)| bytes.capacity() >= length)
            .min_by_key(|(_, bytes)| bytes.capacity())
            .map(|(index, _)| index);
        let found = fitting.map(|index| spare.swap_remove(index));
        drop(spare);
        match found {
            Some(mut bytes) => {
                bytes.resize(length, 0);
                bytes
            }
            None => vec![0; length],
        }
    }

    /// Takes memory back, if nobody else reads it.
    pub fn give(&self, bytes: Buffer) {
        let Ok(bytes) = bytes.into_vec::<u8>() else { return };
        let mut spare = self.spare.lock().unwrap_or_else(PoisonError::into_inner);
        let kept: usize = spare.iter().map(Vec::capacity).sum();
        if bytes.capacity() > 0 && spare.len() < BUFFERS_MAX && kept + bytes.capacity() <= BYTES_MAX {
            spare.push(bytes);
        }
    }
}
