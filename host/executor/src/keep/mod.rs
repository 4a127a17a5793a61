//! Rows kept whole: the start of joins, sorts and windows, and all of a collect state.

pub(crate) mod collect;
pub(crate) mod kept;
pub(crate) mod limit;
pub(crate) mod result;

pub(crate) use collect::CollectState;
pub(crate) use kept::{Keeper, Kept};
pub(crate) use limit::LimitState;
pub(crate) use result::{Piece, ResultRows};
