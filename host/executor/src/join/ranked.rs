//! A bitmap over the codes with ranks: small beside an array over them when few of the codes occur, and most
//! lookups in vain end at a bit that is in the cache.

use crate::join::packing::NO_CODE;

pub(crate) struct Ranked {
    bits: Vec<u64>,
    /// For each word of bits how many are set before it.
    ranks: Vec<u32>,
    /// By rank where a code's rows end in `rows`; `None` when each has one, which stands at its rank.
    ends: Option<Vec<u32>>,
    rows: Vec<u32>,
}

impl Ranked {
    /// `codes` are below `domain` or [`NO_CODE`].
    pub(crate) fn new(codes: &[u64], domain: u64) -> Self {
        let mut bits = vec![0u64; domain as usize / 64 + 1];
        let valid = || codes.iter().enumerate().filter(|&(_, &code)| code != NO_CODE);
        let mut count = 0;
        for (_, &code) in valid() {
            bits[(code >> 6) as usize] |= 1 << (code & 63);
            count += 1;
        }
        let mut distinct = 0;
        let ranks = bits.iter().map(|word| {
            let before = distinct;
            distinct += word.count_ones();
            before
        });
        let ranks: Vec<u32> = ranks.collect();
        let mut ranked = Self { bits, ranks, ends: None, rows: vec![0; count] };
        if distinct as usize == count {
            for (row, &code) in valid() {
                let rank = ranked.rank(code);
                ranked.rows[rank] = row as u32;
            }
            return ranked;
        }
        let mut ends = vec![0u32; distinct as usize];
        valid().for_each(|(_, &code)| ends[ranked.rank(code)] += 1);
        let mut begin = 0;
        for end in &mut ends {
            let count = *end;
            *end = begin;
            begin += count;
        }
        for (row, &code) in valid() {
            let place = &mut ends[ranked.rank(code)];
            ranked.rows[*place as usize] = row as u32;
            *place += 1;
        }
        ranked.ends = Some(ends);
        ranked
    }

    pub(crate) fn is_unique(&self) -> bool {
        self.ends.is_none()
    }

    #[inline(always)]
    pub(crate) fn contains(&self, code: u64) -> bool {
        // NO_CODE is far beyond the last word.
        self.bits.get((code >> 6) as usize).is_some_and(|word| (word >> (code & 63)) & 1 == 1)
    }

    /// How many codes that occur are less than `code`.
    #[inline(always)]
    fn rank(&self, code: u64) -> usize {
        let word = (code >> 6) as usize;
        let before = self.bits[word] & ((1 << (code & 63)) - 1);
        (self.ranks[word] + before.count_ones()) as usize
    }

    /// Of a unique index: the row plus one, or 0.
    #[inline(always)]
    pub(crate) fn find(&self, code: u64) -> u32 {
        if self.contains(code) { self.rows[self.rank(code)] + 1 } else { 0 }
    }

    /// Where the rows of the code stand in [`rows`](Self::rows).
    #[inline(always)]
    pub(crate) fn range(&self, code: u64) -> (u32, u32) {
        if !self.contains(code) {
            return (0, 0);
        }
        let rank = self.rank(code);
        match &self.ends {
            None => (rank as u32, rank as u32 + 1),
            Some(ends) => (if rank == 0 { 0 } else { ends[rank - 1] }, ends[rank]),
        }
    }

    pub(crate) fn rows(&self) -> &[u32] {
        &self.rows
    }

    /// Bytes held.
    pub(crate) fn size(&self) -> usize {
        let ends = self.ends.as_ref().map_or(0, Vec::len);
        self.bits.len() * 8 + (self.ranks.len() + ends + self.rows.len()) * 4
    }
}
