//! The library of clients: a session on a cluster that outlives the node it runs on.
//!
//! Reading order: [`settings`] is what a client says of itself; [`link`] is what carries its requests, by [`rpc`] or by what
//! tests put in its place; [`session`] is what a
//! program holds, [`answer`] what a statement gives and [`rows`] how rows are fetched and held back; `place` is where the
//! session is now and how it moves to another node; `run` runs a statement until its outcome is known; `words` looks at
//! the text of statements.

pub mod answer;
pub mod link;
mod place;
pub mod rows;
pub mod rpc;
mod run;
pub mod session;
pub mod settings;
mod words;

pub use answer::Answer;
pub use link::{Dial, Link};
pub use rows::RowStream;
pub use session::{CancelHandle, RemoteSession};
pub use settings::ClientSettings;
