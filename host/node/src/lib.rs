//! One node: configuration and the wiring of all parts, embedded in a program.
//!
//! Reading order: [`engine`] is what a process has once, [`session`] what each user has; a statement goes through
//! `statement` to `query`, `definition`, `function`, `copy`, `explain` or `show`, and comes back as an [`answer`].

pub mod answer;
mod copy;
mod definition;
pub mod engine;
mod explain;
mod folding;
mod function;
mod memory;
mod modules;
mod query;
pub mod session;
mod show;
mod tables;

pub use answer::{Answer, Progress, RowStream, Summary};
pub use engine::{Config, Engine, default_options};
pub use nyala_frontend::render as render_error;
pub use nyala_sandbox::compile_child;
pub use nyala_schema::{Error, ErrorCode, Result};
pub use nyala_storage as storage;
pub use session::{CancelHandle, Session};
