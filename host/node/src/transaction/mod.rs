//! Transactions: changes that are staged on a snapshot and committed as one entry of the catalog.
//!
//! [`stage`] keeps the commands and what they make of the snapshot; [`net`] is what they make of the files of one table;
//! [`uncommitted`] holds files that no commit names yet; [`statements`] are BEGIN, COMMIT, ROLLBACK; [`retry`] runs a
//! statement again that met another's commit.

mod net;
pub mod retry;
mod stage;
pub mod statements;
pub mod uncommitted;

pub use stage::Transaction;
pub use uncommitted::{Uncommitted, UncommittedFiles};
