//! Walks the candidate pairs of a chunk, a block at a time.

use crate::join::{JoinTable, ProbeKeys, Ranges};

/// Where the walk stands. First come the candidates with equal codes; then, of null-aware joins, the pairs that a
/// NULL on either side makes possible.
#[derive(Default)]
pub(crate) struct Cursor {
    row: usize,
    /// Next candidate of `row` among those that NULLs make.
    at: usize,
    in_nulls: bool,
}

impl Cursor {
    /// Whether the next pairs are those that NULLs make, which need not have equal keys.
    pub(crate) fn is_in_nulls(&self) -> bool {
        self.in_nulls
    }

    /// Adds pairs until there are at least `pairs_max` or no more of their sort; `true` when there may be more. One
    /// row's candidates with equal codes are never split.
    pub(crate) fn advance(
        &mut self,
        table: &JoinTable,
        keys: &ProbeKeys,
        ranges: &Ranges,
        null_aware: bool,
        pairs_max: usize,
        pairs: (&mut Vec<u32>, &mut Vec<u32>),
    ) -> bool {
        let (probe, build) = pairs;
        if !self.in_nulls {
            while self.row < ranges.len() {
                if build.len() >= pairs_max {
                    return true;
                }
                table.index.collect(keys.codes[self.row], ranges[self.row], build);
                probe.resize(build.len(), self.row as u32);
                self.row += 1;
            }
            (self.in_nulls, self.row, self.at) = (true, 0, 0);
            return null_aware;
        }
        self.advance_nulls(table, keys, pairs_max, (probe, build))
    }

    fn advance_nulls(
        &mut self,
        table: &JoinTable,
        keys: &ProbeKeys,
        pairs_max: usize,
        (probe, build): (&mut Vec<u32>, &mut Vec<u32>),
    ) -> bool {
        while self.row < keys.codes.len() {
            let is_null = keys.nulls.as_ref().is_some_and(|nulls| nulls.is_null(self.row));
            let candidates = if is_null { table.rows } else { table.null_rows.len() };
            let room = pairs_max.saturating_sub(build.len());
            let end = candidates.min(self.at + room);
            if is_null {
                build.extend(self.at as u32..end as u32);
            } else {
                build.extend_from_slice(&table.null_rows[self.at..end]);
            }
            probe.resize(build.len(), self.row as u32);
            if end < candidates {
                self.at = end;
                return true;
            }
            (self.row, self.at) = (self.row + 1, 0);
        }
        false
    }
}
