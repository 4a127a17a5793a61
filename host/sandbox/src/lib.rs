//! Runs what users uploaded, with wasmtime, within limits.

mod kernel;
