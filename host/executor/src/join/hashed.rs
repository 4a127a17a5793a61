//! A hash table whose entries lie side by side, ordered by hash: the unchained table of Birler, Schmidt, Fent and
//! Neumann, "Simple, Efficient, and Robust Hash Tables for Join Processing", DaMoN 2024. The directory has, beside
//! where a slot's entries end, a small Bloom filter of their hashes, so that most lookups in vain end there.

use crate::column::hash::hash_u64;

/// A key's code and its build row.
#[derive(Clone, Copy, Default)]
pub(crate) struct Entry {
    pub(crate) code: u64,
    pub(crate) row: u32,
}

/// One table for each value of the hash's highest bits, so that they can be built side by side.
pub(crate) struct Hashed {
    partitions: Vec<Partition>,
    partition_bits: u32,
    /// No code occurs twice.
    pub(crate) is_unique: bool,
}

pub(crate) struct Partition {
    /// For slot `s` the entry `s + 1` has the end of its entries in the high half, their tags in the low one; the high
    /// half of the entry before is where they begin.
    directory: Vec<u64>,
    slot_bits: u32,
    entries: Vec<Entry>,
    is_unique: bool,
}

/// The partition of a hash.
#[inline(always)]
pub(crate) fn partition_of(hash: u64, bits: u32) -> usize {
    (hash.rotate_left(bits) & ((1 << bits) - 1)) as usize
}

/// Two bits of 32.
#[inline(always)]
fn tag(hash: u64) -> u64 {
    (1 << (hash & 31)) | (1 << ((hash >> 5) & 31))
}

impl Partition {
    /// The bits of the hashes before `partition_bits` are the same for all.
    pub(crate) fn build(groups: &[&[Entry]], partition_bits: u32) -> Self {
        let count: usize = groups.iter().map(|group| group.len()).sum();
        let slot_bits = count.max(1).next_power_of_two().trailing_zeros();
        let slot = |hash: u64| slot_of(hash, partition_bits, slot_bits);
        let mut directory = vec![0u64; (1 << slot_bits) + 1];
        for entry in groups.iter().copied().flatten() {
            let hash = hash_u64(entry.code);
            let cell = &mut directory[slot(hash) + 1];
            *cell = (*cell + (1 << 32)) | tag(hash);
        }
        // From counts to where each slot's entries begin; placing the entries moves that to where they end.
        let mut begin = 0;
        for cell in &mut directory {
            let count = *cell >> 32;
            *cell = (begin << 32) | (*cell & 0xFFFF_FFFF);
            begin += count;
        }
        let mut entries = vec![Entry::default(); count];
        for entry in groups.iter().copied().flatten() {
            let cell = &mut directory[slot(hash_u64(entry.code)) + 1];
            entries[(*cell >> 32) as usize] = *entry;
            *cell += 1 << 32;
        }
        let mut partition = Self { directory, slot_bits, entries, is_unique: true };
        partition.is_unique = partition.has_no_duplicates();
        partition
    }

    fn has_no_duplicates(&self) -> bool {
        self.directory.windows(2).all(|cells| {
            let entries = &self.entries[(cells[0] >> 32) as usize..(cells[1] >> 32) as usize];
            entries.iter().enumerate().all(|(i, entry)| entries[..i].iter().all(|e| e.code != entry.code))
        })
    }

    /// Where the entries of the hash's slot are; none when the tags say so.
    #[inline(always)]
    fn range(&self, hash: u64, partition_bits: u32) -> (u32, u32) {
        let slot = slot_of(hash, partition_bits, self.slot_bits);
        let cell = self.directory[slot + 1];
        let tag = tag(hash);
        if cell & tag != tag {
            return (0, 0);
        }
        ((self.directory[slot] >> 32) as u32, (cell >> 32) as u32)
    }
}

#[inline(always)]
fn slot_of(hash: u64, partition_bits: u32, slot_bits: u32) -> usize {
    (hash.rotate_left(partition_bits + slot_bits) & ((1 << slot_bits) - 1)) as usize
}

impl Hashed {
    pub(crate) fn new(partitions: Vec<Partition>) -> Self {
        let partition_bits = partitions.len().trailing_zeros();
        let is_unique = partitions.iter().all(|partition| partition.is_unique);
        Self { partitions, partition_bits, is_unique }
    }

    /// Bytes held.
    pub(crate) fn size(&self) -> usize {
        let size = |p: &Partition| p.directory.len() * 8 + p.entries.len() * size_of::<Entry>();
        self.partitions.iter().map(size).sum()
    }

    /// For each code where the entries of its slot begin and end. The directory is read for all before any entry
    /// is, so that the cache misses overlap.
    pub(crate) fn ranges(&self, codes: &[u64], ranges: &mut Vec<(u32, u32)>) {
        ranges.clear();
        ranges.extend(codes.iter().map(|&code| {
            if code == super::packing::NO_CODE {
                return (0, 0);
            }
            let hash = hash_u64(code);
            self.partitions[partition_of(hash, self.partition_bits)].range(hash, self.partition_bits)
        }));
    }

    /// The slot entries of a code.
    #[inline(always)]
    pub(crate) fn entries(&self, code: u64, range: (u32, u32)) -> &[Entry] {
        let partition = &self.partitions[partition_of(hash_u64(code), self.partition_bits)];
        &partition.entries[range.0 as usize..range.1 as usize]
    }
}
