//! Compiled code, kept on disk by what it was made of.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use nyala_schema::{Error, ErrorCode, Result};
use wasmtime::Engine;

use crate::config::CompilerChoice;
use crate::engine::EngineKind;

mod child;
mod file;

pub use child::compile_child;

/// The most bytes of all files together.
const KEPT_BYTES_MAX: u64 = 1 << 30;

/// What the bytes are.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum ArtefactKind {
    Module,
    /// `unsafe_intrinsics` is the import name under which wasmtime's unsafe intrinsics are given to it: only for components
    /// that we made ourselves.
    Component {
        unsafe_intrinsics: Option<String>,
    },
}

/// What decides what the compiled code is, beside the compiler.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Key {
    /// SHA-256 of the bytes.
    pub hash: [u8; 32],
    pub engine: EngineKind,
    pub kind: ArtefactKind,
}

impl Key {
    pub fn new(bytes: &[u8], engine: EngineKind, kind: ArtefactKind) -> Self {
        Self { hash: sha256(&[bytes]), engine, kind }
    }
}

/// Code that wasmtime made in this build, so that it may be deserialised.
#[derive(Debug, Clone)]
pub struct Artefact {
    bytes: Vec<u8>,
    kind: ArtefactKind,
    /// It was found, not compiled.
    pub cached: bool,
    pub compile_time: Duration,
}

impl Artefact {
    pub fn size_bytes(&self) -> u64 {
        self.bytes.len() as u64
    }

    /// # Errors
    /// Internal when `engine` is not of the kind that the key named.
    pub fn module(&self, engine: &Engine) -> Result<wasmtime::Module> {
        if self.kind != ArtefactKind::Module {
            return Err(Error::internal("a compiled component was taken for a module"));
        }
        // SAFETY: an `Artefact` is made only of what wasmtime's compiler gave in this process or in a child of the same
        // program, or of a file that was written from such and whose build, key and SHA-256 were checked. Compatibility
        // with `engine` is checked by wasmtime itself.
        unsafe { wasmtime::Module::deserialize(engine, &self.bytes) }.map_err(|error| foreign(&error))
    }

    /// # Errors
    /// Internal when `engine` is not of the kind that the key named.
    pub fn component(&self, engine: &Engine) -> Result<wasmtime::component::Component> {
        if self.kind == ArtefactKind::Module {
            return Err(Error::internal("a compiled module was taken for a component"));
        }
        // SAFETY: as in `module`.
        unsafe { wasmtime::component::Component::deserialize(engine, &self.bytes) }
            .map_err(|error| foreign(&error))
    }
}

fn foreign(error: &wasmtime::Error) -> Error {
    Error::internal(format!("compiled code does not load: {error:#}"))
}

/// The cache of compiled code, in front of the compiler. Shared by all threads.
pub struct Artefacts {
    directory: Option<PathBuf>,
    compiler: CompilerChoice,
}

impl Artefacts {
    /// # Errors
    /// `Store` when the directory cannot be made.
    pub fn new(directory: Option<&Path>, compiler: CompilerChoice) -> Result<Self> {
        if let Some(directory) = directory {
            std::fs::create_dir_all(directory).map_err(|error| {
                let message = format!("directory \"{}\" for compiled modules: {error}", directory.display());
                Error::new(ErrorCode::Store, message)
            })?;
        }
        Ok(Self { directory: directory.map(Path::to_owned), compiler })
    }

    /// The same cache in front of a compiler in this process.
    pub(crate) fn in_process(&self) -> Self {
        Self { directory: self.directory.clone(), compiler: CompilerChoice::InProcess }
    }

    /// The code that is kept for `key`. A file that is damaged or of another build is as good as none.
    ///
    /// # Errors
    /// Internal when WebAssembly cannot be set up.
    pub fn get(&self, key: &Key) -> Result<Option<Artefact>> {
        let start = Instant::now();
        let Some(path) = self.path(key)? else { return Ok(None) };
        Ok(file::read(&path, key)?.map(|bytes| Artefact {
            bytes,
            kind: key.kind.clone(),
            cached: true,
            compile_time: start.elapsed(),
        }))
    }

    /// Compiles `bytes`, which must be what `key` was made of, and keeps the code; if that cannot be done it is noted in the
    /// log only.
    ///
    /// # Errors
    /// `InvalidModule` when the compiler refuses the bytes, or takes more time or memory than it may.
    pub fn compile(&self, key: &Key, bytes: &[u8]) -> Result<Artefact> {
        let start = Instant::now();
        let compiled = match &self.compiler {
            CompilerChoice::InProcess => compile(key.engine, &key.kind, bytes)?,
            CompilerChoice::Child(program) => child::compile(program, key, bytes)?,
        };
        if let Some(directory) = &self.directory {
            match file::write(&file::path(directory, key)?, key, &compiled) {
                Ok(()) => file::prune(directory, KEPT_BYTES_MAX),
                Err(error) => tracing::warn!("compiled code is not kept: {error}"),
            }
        }
        Ok(Artefact { bytes: compiled, kind: key.kind.clone(), cached: false, compile_time: start.elapsed() })
    }

    /// [`get`](Self::get), else [`compile`](Self::compile).
    ///
    /// # Errors
    /// Those of both.
    pub fn get_or_compile(&self, key: &Key, bytes: &[u8]) -> Result<Artefact> {
        match self.get(key)? {
            Some(artefact) => Ok(artefact),
            None => self.compile(key, bytes),
        }
    }

    fn path(&self, key: &Key) -> Result<Option<PathBuf>> {
        self.directory.as_ref().map(|directory| file::path(directory, key)).transpose()
    }
}

/// Compiles here and now.
fn compile(engine: EngineKind, kind: &ArtefactKind, bytes: &[u8]) -> Result<Vec<u8>> {
    let engine = engine.compiler()?;
    let mut builder = wasmtime::CodeBuilder::new(&engine);
    let compiled = builder.wasm_binary(bytes, None).and_then(|builder| match kind {
        ArtefactKind::Module => builder.compile_module_serialized(),
        ArtefactKind::Component { unsafe_intrinsics } => {
            if let Some(name) = unsafe_intrinsics {
                // SAFETY: the name is given only for components that the kernel generator made; user modules in them
                // are instantiated without this import, so that they cannot reach host memory.
                unsafe { builder.expose_unsafe_intrinsics(name.clone()) };
            }
            builder.compile_component_serialized()
        }
    });
    compiled.map_err(|error| {
        Error::new(ErrorCode::InvalidModule, format!("the module does not compile: {error:#}"))
            .with_hint("check it with `wasm-tools validate`, and that it is a core module")
    })
}

pub(crate) fn sha256(parts: &[&[u8]]) -> [u8; 32] {
    use sha2::Digest;
    let mut hasher = sha2::Sha256::new();
    parts.iter().for_each(|part| hasher.update(part));
    hasher.finalize().into()
}
