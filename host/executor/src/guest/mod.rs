//! Users' operators: rows of every input sorted, cut into partitions, matched, and given to instances of the guest.
//!
//! `state` goes through the stages, `partition` cuts and matches, `run` is one job over some partitions; `given`
//! checks what guests give.

pub(crate) mod given;
mod partition;
mod run;
mod state;

pub(crate) use state::GuestState;
