//! Splitting the entries of a large hash table by the highest bits of their hashes.

use crate::column::hash::hash_u64;
use crate::join::hashed::{Entry, partition_of};
use crate::join::packing::NO_CODE;

/// Smaller tables are built in one go.
pub(crate) const RADIX_ROWS_MIN: usize = 131_072;
/// So many entries and their directory fit a core's cache.
const PARTITION_ROWS: usize = 32_768;
const PARTITION_BITS_MAX: u32 = 6;

pub(crate) fn partition_bits(rows: usize) -> u32 {
    if rows < RADIX_ROWS_MIN {
        return 0;
    }
    rows.div_ceil(PARTITION_ROWS).next_power_of_two().trailing_zeros().min(PARTITION_BITS_MAX)
}

/// The entries of rows `first..`, by partition. Rows without a code are left out.
pub(crate) fn scatter(codes: &[u64], first: usize, bits: u32) -> Vec<Vec<Entry>> {
    let count = 1 << bits;
    let mut partitions: Vec<Vec<Entry>> =
        (0..count).map(|_| Vec::with_capacity(codes.len() / count * 9 / 8 + 16)).collect();
    for (offset, &code) in codes.iter().enumerate() {
        if code != NO_CODE {
            let entry = Entry { code, row: (first + offset) as u32 };
            partitions[partition_of(hash_u64(code), bits)].push(entry);
        }
    }
    partitions
}
