//! A join's build side, ready to be probed.

use std::sync::atomic::AtomicBool;

use arrow::array::ArrayRef;

use crate::join::index::Index;
use crate::join::keys::KeyScheme;

pub(crate) struct JoinTable {
    pub(crate) scheme: KeyScheme,
    pub(crate) index: Index,
    /// All build rows, those with NULL keys included.
    pub(crate) rows: usize,
    /// The columns behind the keys.
    pub(crate) payload: Vec<ArrayRef>,
    /// A flag for each row that has met a match, for kinds that emit build rows.
    pub(crate) matched: Vec<AtomicBool>,
    /// Rows with a NULL key, of null-aware joins.
    pub(crate) null_rows: Vec<u32>,
}

impl JoinTable {
    /// Codes are enough to tell that keys are equal.
    pub(crate) fn is_exact(&self) -> bool {
        matches!(self.scheme, KeyScheme::Packed(_))
    }
}
