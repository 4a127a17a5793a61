//! Frames, streams and the network in memory.

mod cluster;
mod failures;
mod frames;
mod network;
mod partition;
mod simulation;
mod streams;

// Random arrays are made as for the other wire.
#[allow(dead_code, reason = "not all of it is used here")]
#[path = "../../../../schema/tests/wire/arrays.rs"]
mod arrays;
#[allow(dead_code, reason = "not all of it is used here")]
#[path = "../../../../schema/tests/wire/draw.rs"]
mod draw;
