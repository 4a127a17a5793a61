//! The backend that is tested.

use std::sync::Arc;

use nyala_native::NativeBackend;

use crate::builder::interpreter;

/// Random programs to try.
pub const CASES: u32 = 600;

/// With Cranelift's verifier on.
pub fn subject() -> NativeBackend {
    NativeBackend::try_new(Arc::new(interpreter()), 64, true).unwrap()
}
