//! Who runs what: decisions as pure functions and state machines, to which time and facts are given.
//!
//! Reading order: [`shape`] is what a plan asks for; [`nodes`] chooses who takes part, with the [`blacklist`]; [`preference`] gives
//! every part of a scan its node, [`leases`] hands them out; [`filters`] gathers what joins say; [`held`] keeps rows back.
//! [`share`] says how many queries a node may run at once, [`part`] how many threads each of them gets.

pub(crate) mod blacklist;
pub(crate) mod filters;
pub(crate) mod held;
pub(crate) mod leases;
pub(crate) mod nodes;
pub(crate) mod part;
pub(crate) mod preference;
pub(crate) mod shape;
pub(crate) mod share;
