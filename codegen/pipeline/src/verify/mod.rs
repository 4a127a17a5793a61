//! The rules of the IR, checked after every build: a plan that breaks one is a mistake of ours.

mod chunk;
mod guest;
mod plan;
mod program;

pub use plan::verify;
