//! The backend that is tested.

use std::sync::{Arc, OnceLock};

use nyala_sandbox::artefact::Artefacts;
use nyala_sandbox::{CompilerChoice, Kernels, WasmBackend};

use crate::builder::interpreter;
use crate::modules::Library;

/// Random programs to try; each takes a code generator some milliseconds.
pub const CASES: u32 = 200;

pub fn kernels() -> &'static (Arc<Kernels>, Arc<Library>) {
    static KERNELS: OnceLock<(Arc<Kernels>, Arc<Library>)> = OnceLock::new();
    KERNELS.get_or_init(|| {
        let library = Arc::new(Library::default());
        (Kernels::new(library.clone(), artefacts()).unwrap(), library)
    })
}

/// Kept nowhere.
fn artefacts() -> Arc<Artefacts> {
    Arc::new(Artefacts::new(None, CompilerChoice::InProcess).unwrap())
}

pub fn subject() -> WasmBackend {
    WasmBackend::new(Arc::clone(&kernels().0), Arc::new(interpreter()))
}
