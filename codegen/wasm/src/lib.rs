//! Loops of the IR as WASM modules; runs nothing.
