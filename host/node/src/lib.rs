//! One node: configuration and the wiring of all parts, embedded in a program.

pub mod answer;
pub mod engine;
pub mod session;

pub use answer::{Answer, Progress, RowStream, Summary};
pub use engine::{Config, Engine};
pub use nyala_schema::{Error, ErrorCode, Result};
pub use session::{CancelHandle, Session};
