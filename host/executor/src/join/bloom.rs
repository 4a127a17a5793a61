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

    /// How many keys it has room for.
    pub(crate) fn capacity(&self) -> usize {
        self.blocks.len() * BLOCK_BITS / BITS_PER_KEY
    }

    pub(crate) fn blocks(&self) -> &[[u32; 8]] {
        &self.blocks
    }

    /// `None` unless there is a power of two of blocks.
    pub(crate) fn from_blocks(blocks: Vec<[u32; 8]>) -> Option<Self> {
        blocks.len().is_power_of_two().then_some(Self { blocks })
    }

    /// With as many keys in half the blocks, of which there are at least two.
    pub(crate) fn halved(self) -> Self {
        let pairs = self.blocks.chunks_exact(2);
        let join = |pair: &[[u32; 8]]| std::array::from_fn(|word| pair[0][word] | pair[1][word]);
        Self { blocks: pairs.map(join).collect() }
    }

    /// Adds the keys of another one, which may be larger or smaller: the block of a key in a filter of half the size is at
    /// half the place.
    pub(crate) fn union(self, other: Self) -> Self {
        let (mut large, small) =
            if self.blocks.len() >= other.blocks.len() { (self, other) } else { (other, self) };
        let times = large.blocks.len() / small.blocks.len();
        for (index, block) in large.blocks.iter_mut().enumerate() {
            let added = &small.blocks[index / times];
            block.iter_mut().zip(added).for_each(|(word, added)| *word |= added);
        }
        large
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
