//! A split-block Bloom filter (Putze, Sanders, Singler, "Cache-, Hash- and Space-Efficient Bloom Filters", 2007), as
//! Parquet and Impala lay it out: a key sets one bit in each of the eight words of one block.

use crate::column::hash::hash_u64;

const SALTS: [u32; 8] =
    [0x47b6_137b, 0x4497_4d91, 0x8824_ad5b, 0xa2b7_289d, 0x7054_95c7, 0x2df1_424b, 0x9efc_4947, 0x5c6b_fb31];
/// Bits of the filter for each key; about one key in 500 is taken for one of them by mistake.
const BITS_PER_KEY: usize = 16;
const BLOCK_BITS: usize = 256;

pub(crate) struct Bloom {
    blocks: Vec<[u32; 8]>,
}

impl Bloom {
    pub(crate) fn new(keys: usize) -> Self {
        let blocks = (keys * BITS_PER_KEY).div_ceil(BLOCK_BITS).max(1).next_power_of_two();
        Self { blocks: vec![[0; 8]; blocks] }
    }

    pub(crate) fn insert(&mut self, key: u64) {
        let hash = hash_u64(key);
        let block = self.block(hash);
        for (word, mask) in self.blocks[block].iter_mut().zip(masks(hash as u32)) {
            *word |= mask;
        }
    }

    #[inline]
    pub(crate) fn contains(&self, key: u64) -> bool {
        let hash = hash_u64(key);
        let block = &self.blocks[self.block(hash)];
        let missing =
            block.iter().zip(masks(hash as u32)).fold(0, |missing, (word, mask)| missing | (!word & mask));
        missing == 0
    }

    #[inline(always)]
    fn block(&self, hash: u64) -> usize {
        (((hash >> 32) * self.blocks.len() as u64) >> 32) as usize
    }
}

#[inline(always)]
fn masks(hash: u32) -> [u32; 8] {
    SALTS.map(|salt| 1 << (hash.wrapping_mul(salt) >> 27))
}
