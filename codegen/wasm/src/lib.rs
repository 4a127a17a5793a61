//! Loops of the IR as WASM modules; runs nothing.
//!
//! A [`Driver`] is the loop of one stage as a core module. It reads and writes the host's buffers in place by
//! [`Intrinsic`]s, and calls users' functions, which a runtime can inline when it compiles driver and functions
//! together. Reading order: `driver` assembles the module, `emit` makes its one function.

mod component;
mod driver;
mod emit;
mod intrinsic;
mod signature;

pub use driver::Driver;
pub use intrinsic::Intrinsic;
pub use signature::{Number, Signature};
