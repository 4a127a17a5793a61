//! Queries cut into fragments that send each other rows, against the same queries in one piece.

mod aggregate;
mod cluster;
mod driven;
mod ending;
mod filter;
mod join;
mod network;
mod sort;
mod wire;

use std::sync::Arc;

use nyala_interpreter::Interpreter;
use nyala_native::NativeBackend;
use nyala_schema::option::BackendChoice;

use crate::harness::Harness;

/// One harness that interprets everything and one that compiles everything.
fn harnesses() -> Vec<Harness> {
    let mut interpreted = Harness::new();
    interpreted.options.backend = BackendChoice::Interpreter;
    let mut native = Harness::with_native(Some(Arc::new(NativeBackend::new(Arc::new(Interpreter::new())))));
    native.options.backend = BackendChoice::Native;
    vec![interpreted, native]
}
