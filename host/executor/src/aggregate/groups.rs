//! Tables that give every distinct key a group number, in the order of first sight.

use arrow::array::{Array, ArrayRef};
use arrow::datatypes::DataType;
use nyala_schema::{Error, Result};

use crate::aggregate::fixed::FixedKeys;
use crate::aggregate::integer::IntegerKeys;
use crate::aggregate::row_keys::RowKeys;
use crate::column::integers::integer_width;

/// The kernel is chosen by the key types alone, so that the tables of all workers can be merged.
pub(crate) enum Groups {
    /// One integer-like key of at most 8 bytes.
    Integer(IntegerKeys),
    /// Several of together at most 16 bytes.
    Fixed(FixedKeys),
    /// Everything else.
    Rows(RowKeys),
}

impl Groups {
    /// # Errors
    /// Unsupported for types that cannot be grouped by.
    pub(crate) fn new(types: &[DataType]) -> Result<Self> {
        if let [one] = types
            && integer_width(one).is_some_and(|width| width <= 8)
        {
            return Ok(Self::Integer(IntegerKeys::default()));
        }
        match FixedKeys::new(types) {
            Some(fixed) => Ok(Self::Fixed(fixed)),
            None => Ok(Self::Rows(RowKeys::new(types)?)),
        }
    }

    pub(crate) fn len(&self) -> usize {
        match self {
            Self::Integer(keys) => keys.len(),
            Self::Fixed(keys) => keys.len(),
            Self::Rows(keys) => keys.len(),
        }
    }

    /// The group of each row, appended to `groups`.
    ///
    /// # Errors
    /// TooComplex when there are more groups than group numbers.
    pub(crate) fn find(&mut self, keys: &[ArrayRef], groups: &mut Vec<u32>) -> Result<()> {
        let rows = keys.first().map_or(0, |key| key.len());
        if self.len() + rows >= u32::MAX as usize {
            return Err(Error::new(nyala_schema::ErrorCode::TooComplex, "there are 4 billion groups"));
        }
        match self {
            Self::Integer(table) => table.find(&keys[0], groups),
            Self::Fixed(table) => table.find(keys, groups),
            Self::Rows(table) => table.find(keys, groups),
        }
    }

    /// A hash for each group that only depends on its key.
    pub(crate) fn hashes(&self) -> Vec<u64> {
        match self {
            Self::Integer(keys) => keys.hashes(),
            Self::Fixed(keys) => keys.hashes(),
            Self::Rows(keys) => keys.hashes(),
        }
    }

    /// Makes room for about so many groups, of one partition by hash.
    pub(crate) fn reserve(&mut self, groups: usize) {
        match self {
            Self::Integer(table) => table.reserve(groups),
            Self::Fixed(table) => table.reserve(groups),
            Self::Rows(table) => table.reserve(groups),
        }
    }

    /// The groups here of `groups` of another table, made when they are new; appended to `mapped`.
    ///
    /// # Errors
    /// Internal when the tables are of different kinds.
    pub(crate) fn merge(&mut self, other: &Self, groups: &[u32], mapped: &mut Vec<u32>) -> Result<()> {
        match (self, other) {
            (Self::Integer(into), Self::Integer(from)) => into.merge(from, groups, mapped),
            (Self::Fixed(into), Self::Fixed(from)) => into.merge(from, groups, mapped),
            (Self::Rows(into), Self::Rows(from)) => into.merge(from, groups, mapped),
            _ => return Err(Error::internal("group tables of different kinds")),
        }
        Ok(())
    }

    /// The keys of the groups `range` as columns of these types.
    ///
    /// # Errors
    /// Of making arrays.
    pub(crate) fn keys(&self, range: std::ops::Range<u32>, types: &[DataType]) -> Result<Vec<ArrayRef>> {
        match self {
            Self::Integer(keys) => Ok(vec![keys.column(range, &types[0])?]),
            Self::Fixed(keys) => keys.columns(range, types),
            Self::Rows(keys) => keys.columns(range, types),
        }
    }

    /// Whether groups are found without hashing: neighbouring keys then stay neighbours.
    pub(crate) fn is_direct(&self) -> bool {
        matches!(self, Self::Integer(keys) if keys.direct().is_some())
    }

    /// Bytes held.
    pub(crate) fn size(&self) -> usize {
        match self {
            Self::Integer(keys) => keys.size(),
            Self::Fixed(keys) => keys.size(),
            Self::Rows(keys) => keys.size(),
        }
    }
}
