//! A bound of a column's values.

use std::cmp::Ordering;

/// In the order of its column. Bounds of two kinds do not compare.
#[derive(Debug, Clone, PartialEq, PartialOrd)]
pub enum Bound {
    /// Integers, dates, times, timestamps, decimals unscaled.
    Int(i128),
    Float(f64),
    Text(Vec<u8>),
}

impl Bound {
    /// The lesser of two; `None` when they do not compare.
    pub fn least(self, other: Self) -> Option<Self> {
        match self.partial_cmp(&other)? {
            Ordering::Less | Ordering::Equal => Some(self),
            Ordering::Greater => Some(other),
        }
    }

    /// The greater of two; `None` when they do not compare.
    pub fn greatest(self, other: Self) -> Option<Self> {
        match self.partial_cmp(&other)? {
            Ordering::Less | Ordering::Equal => Some(other),
            Ordering::Greater => Some(self),
        }
    }
}
