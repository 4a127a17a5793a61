//! From the code of a key to the build rows that have it.

use crate::join::hashed::Hashed;
use crate::join::packing::NO_CODE;
use crate::join::ranked::Ranked;

/// An array over the codes may be this long whatever the rows are: it stays in the cache.
const DIRECT_DOMAIN_SMALL: u64 = 1 << 18;
/// Else it has at most so many places for each row.
const DIRECT_DOMAIN_PER_ROW: u64 = 4;
/// The same for a bitmap over the codes.
const BITS_DOMAIN_SMALL: u64 = 32 << 20;
const BITS_DOMAIN_PER_ROW: u64 = 64;
const DOMAIN_MAX: u64 = 1 << 31;

pub(crate) enum Index {
    Empty,
    /// One bit a code: there is a row.
    Bits(Vec<u64>),
    /// By code the row plus one, 0 for none; one more entry at the end stands for all larger codes.
    Unique(Vec<u32>),
    /// By code where its rows end in `rows`; they begin where those of the code before end.
    Grouped {
        ends: Vec<u32>,
        rows: Vec<u32>,
    },
    Ranked(Ranked),
    Hashed(Hashed),
}

/// Where the candidates of each row of a chunk stand.
pub(crate) type Ranges = Vec<(u32, u32)>;

impl Index {
    /// The table for these codes, all below `domain` or [`NO_CODE`], when they lie close enough together for one
    /// without hashes. `valid` of them are codes.
    pub(crate) fn dense(codes: &[u64], domain: u64, valid: usize, needs_rows: bool) -> Option<Self> {
        let rows = valid as u64;
        if valid == 0 {
            return Some(Self::Empty);
        }
        let is_below = |small: u64, per_row: u64| domain < DOMAIN_MAX && domain <= small.max(per_row * rows);
        if !is_below(BITS_DOMAIN_SMALL, BITS_DOMAIN_PER_ROW) {
            return None;
        }
        Some(if !needs_rows {
            Self::bits(codes, domain)
        } else if is_below(DIRECT_DOMAIN_SMALL, DIRECT_DOMAIN_PER_ROW) {
            Self::direct(codes, domain)
        } else {
            Self::Ranked(Ranked::new(codes, domain))
        })
    }

    fn bits(codes: &[u64], domain: u64) -> Self {
        let mut bits = vec![0u64; (domain as usize + 1).div_ceil(64)];
        for &code in codes.iter().filter(|&&code| code != NO_CODE) {
            bits[(code >> 6) as usize] |= 1 << (code & 63);
        }
        Self::Bits(bits)
    }

    /// A direct table, of the kind that the keys allow.
    fn direct(codes: &[u64], domain: u64) -> Self {
        let mut first = vec![0u32; domain as usize + 1];
        let mut is_unique = true;
        for (row, &code) in codes.iter().enumerate() {
            if code != NO_CODE {
                let place = &mut first[code as usize];
                if *place != 0 {
                    is_unique = false;
                    break;
                }
                *place = row as u32 + 1;
            }
        }
        if is_unique {
            return Self::Unique(first);
        }
        first.fill(0);
        Self::grouped(codes, first)
    }

    /// Counting sort of the rows by code; `ends` has a zero for every code.
    fn grouped(codes: &[u64], mut ends: Vec<u32>) -> Self {
        let mut count = 0;
        for &code in codes.iter().filter(|&&code| code != NO_CODE) {
            ends[code as usize] += 1;
            count += 1;
        }
        let mut begin = 0;
        for end in &mut ends {
            let count = *end;
            *end = begin;
            begin += count;
        }
        let mut rows = vec![0u32; count];
        for (row, &code) in codes.iter().enumerate().filter(|&(_, &code)| code != NO_CODE) {
            let place = &mut ends[code as usize];
            rows[*place as usize] = row as u32;
            *place += 1;
        }
        Self::Grouped { ends, rows }
    }

    /// Whether a code has at most one row, which [`find`](Self::find) then gives.
    pub(crate) fn is_unique(&self) -> bool {
        match self {
            Self::Empty | Self::Unique(_) => true,
            Self::Ranked(table) => table.is_unique(),
            Self::Hashed(table) => table.is_unique,
            Self::Bits(_) | Self::Grouped { .. } => false,
        }
    }

    /// Of a unique index: for each code the row plus one, or 0.
    pub(crate) fn find(&self, codes: &[u64], ranges: &mut Ranges, found: &mut Vec<u32>) {
        found.clear();
        match self {
            Self::Unique(first) => {
                let last = first.len() - 1;
                found
                    .extend(codes.iter().map(|&code| first[usize::try_from(code).unwrap_or(last).min(last)]));
            }
            Self::Ranked(table) => found.extend(codes.iter().map(|&code| table.find(code))),
            Self::Hashed(table) => {
                table.ranges(codes, ranges);
                found.extend(codes.iter().zip(ranges.iter()).map(|(&code, &range)| {
                    if range.0 == range.1 {
                        return 0;
                    }
                    let mut entries = table.entries(code, range).iter();
                    entries.find(|entry| entry.code == code).map_or(0, |entry| entry.row + 1)
                }));
            }
            Self::Empty | Self::Bits(_) | Self::Grouped { .. } => found.resize(codes.len(), 0),
        }
    }

    /// Whether each code has a row.
    pub(crate) fn contains(&self, codes: &[u64], ranges: &mut Ranges, matched: &mut Vec<bool>) {
        matched.clear();
        match self {
            Self::Empty => matched.resize(codes.len(), false),
            Self::Bits(bits) => {
                let bit =
                    |code: u64| bits.get((code >> 6) as usize).is_some_and(|w| (w >> (code & 63)) & 1 == 1);
                matched.extend(codes.iter().map(|&code| bit(code)));
            }
            Self::Unique(first) => {
                let last = first.len() - 1;
                let row = |code: u64| first[usize::try_from(code).unwrap_or(last).min(last)];
                matched.extend(codes.iter().map(|&code| row(code) != 0));
            }
            Self::Ranked(table) => matched.extend(codes.iter().map(|&code| table.contains(code))),
            Self::Grouped { .. } => {
                self.ranges(codes, ranges);
                matched.extend(ranges.iter().map(|range| range.0 < range.1));
            }
            Self::Hashed(table) => {
                table.ranges(codes, ranges);
                matched.extend(codes.iter().zip(ranges.iter()).map(|(&code, &range)| {
                    range.0 < range.1 && table.entries(code, range).iter().any(|entry| entry.code == code)
                }));
            }
        }
    }

    /// For each code where its candidates are; [`collect`](Self::collect) reads them.
    pub(crate) fn ranges(&self, codes: &[u64], ranges: &mut Ranges) {
        ranges.clear();
        match self {
            Self::Empty | Self::Bits(_) => ranges.resize(codes.len(), (0, 0)),
            Self::Unique(first) => {
                let last = first.len() as u64 - 1;
                ranges.extend(codes.iter().map(|&code| {
                    let row = first[code.min(last) as usize];
                    (row.saturating_sub(1), row)
                }));
            }
            Self::Grouped { ends, .. } => {
                let domain = ends.len() as u64 - 1;
                ranges.extend(codes.iter().map(|&code| match code {
                    0 => (0, ends[0]),
                    code if code < domain => (ends[code as usize - 1], ends[code as usize]),
                    _ => (0, 0),
                }));
            }
            Self::Ranked(table) => ranges.extend(codes.iter().map(|&code| table.range(code))),
            Self::Hashed(table) => table.ranges(codes, ranges),
        }
    }

    /// The build rows among the candidates `range` of `code`.
    #[inline(always)]
    pub(crate) fn collect(&self, code: u64, range: (u32, u32), rows: &mut Vec<u32>) {
        match self {
            Self::Empty | Self::Bits(_) => {}
            Self::Unique(_) => rows.extend(range.0..range.1),
            Self::Grouped { rows: all, .. } => {
                rows.extend_from_slice(&all[range.0 as usize..range.1 as usize])
            }
            Self::Ranked(table) => rows.extend_from_slice(&table.rows()[range.0 as usize..range.1 as usize]),
            Self::Hashed(table) => {
                let entries = table.entries(code, range).iter().filter(|entry| entry.code == code);
                rows.extend(entries.map(|entry| entry.row));
            }
        }
    }

    /// Bytes held.
    pub(crate) fn size(&self) -> usize {
        match self {
            Self::Empty => 0,
            Self::Bits(bits) => bits.len() * 8,
            Self::Unique(first) => first.len() * 4,
            Self::Grouped { ends, rows } => (ends.len() + rows.len()) * 4,
            Self::Ranked(table) => table.size(),
            Self::Hashed(table) => table.size(),
        }
    }
}
