//! Compiling in a child process: this program is the child, too.

use std::process::ExitCode;
use std::sync::Arc;

use nyala_sandbox::artefact::{ArtefactKind, Artefacts, Key};
use nyala_sandbox::engine::{Effort, EngineKind};
use nyala_sandbox::{CompilerChoice, compile_child, to_wasm};
use nyala_schema::ErrorCode;

fn main() -> ExitCode {
    if std::env::args().nth(1).as_deref() == Some("compile-module") {
        return compile_child();
    }
    a_child_compiles_what_the_process_compiles();
    what_a_child_refuses_is_reported();
    ExitCode::SUCCESS
}

fn key(bytes: &[u8]) -> Key {
    Key::new(bytes, EngineKind::Batch, ArtefactKind::Module)
}

fn a_child_compiles_what_the_process_compiles() {
    let folder = tempfile::tempdir().unwrap();
    let child = CompilerChoice::Child(std::env::current_exe().unwrap());
    let artefacts = Arc::new(Artefacts::new(Some(folder.path()), child).unwrap());
    let bytes = to_wasm("(module (func (export \"f\") (result i32) i32.const 7))").unwrap();
    let first = artefacts.get_or_compile(&key(&bytes), &bytes).unwrap();
    assert!(!first.cached);
    let second = artefacts.get_or_compile(&key(&bytes), &bytes).unwrap();
    assert!(second.cached);
    assert_eq!(first.size_bytes(), second.size_bytes());

    let component = to_wasm("(component)").unwrap();
    for name in [None, Some("native".to_owned())] {
        let kind = ArtefactKind::Component { unsafe_intrinsics: name };
        let key = Key::new(&component, EngineKind::Kernel { epochs: false, effort: Effort::Full }, kind);
        let artefact = artefacts.get_or_compile(&key, &component).unwrap();
        assert!(!artefact.cached, "kinds must not share code");
        artefact.component(&nyala_sandbox::engine::kernel(false).unwrap()).unwrap();
    }
}

fn what_a_child_refuses_is_reported() {
    let child = CompilerChoice::Child(std::env::current_exe().unwrap());
    let artefacts = Artefacts::new(None, child).unwrap();
    let error = artefacts.get_or_compile(&key(b"\0asm rubbish"), b"\0asm rubbish").unwrap_err();
    assert_eq!(error.code(), ErrorCode::InvalidModule, "{error:?}");

    let dying = Artefacts::new(None, CompilerChoice::Child("/bin/false".into())).unwrap();
    let error = dying.get_or_compile(&key(b""), b"").unwrap_err();
    assert_eq!(error.code(), ErrorCode::InvalidModule, "{error:?}");
}
