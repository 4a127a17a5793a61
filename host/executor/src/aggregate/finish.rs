//! Groups to result rows.

use std::ops::Range;

use arrow::array::ArrayRef;
use nyala_pipeline::state::AggregateSpec;
use nyala_schema::Result;

use crate::aggregate::groups::Groups;
use crate::aggregate::records::Records;
use crate::aggregate::result::Finished;
use crate::keep::Piece;
use crate::state::data_types;

/// Groups whose states are complete.
pub(crate) struct CompleteTable {
    pub(crate) keys: Option<Groups>,
    pub(crate) records: Records,
    /// The results of the function library for all groups.
    pub(crate) library: Vec<ArrayRef>,
}

impl CompleteTable {
    pub(crate) fn len(&self) -> usize {
        self.keys.as_ref().map_or(1, Groups::len)
    }

    /// The result rows of the groups `range`.
    ///
    /// # Errors
    /// NumericOverflow.
    pub(crate) fn finish(&self, spec: &AggregateSpec, range: Range<u32>) -> Result<Piece> {
        let rows = range.len();
        let mut columns = match &self.keys {
            None => vec![],
            Some(keys) => keys.keys(range.clone(), &data_types(&spec.key_types))?,
        };
        let library: Vec<ArrayRef> =
            self.library.iter().map(|column| column.slice(range.start as usize, rows)).collect();
        let finished = Finished { records: &self.records, groups: range };
        for result in &spec.results {
            columns.push(finished.column(result, &library)?);
        }
        Ok(Piece::new(rows, columns))
    }
}
