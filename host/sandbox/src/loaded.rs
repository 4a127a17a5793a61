//! Modules that are ready to be instantiated.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use nyala_schema::Result;
use nyala_schema::guest::{GuestCode, ModuleHash};
use wasmtime::{Engine, InstancePre, Linker};

use crate::artefact::{ArtefactKind, Artefacts, Key};
use crate::config::{Modules, SandboxConfig, UploadLimits};
use crate::engine::{self, EngineKind};
use crate::instance::{self, Host};
use crate::module::{self, ModuleInfo};

/// A module whose code is in memory and whose imports are bound.
pub(crate) struct Loaded {
    pub module: Arc<InstancePre<Host>>,
    pub code_bytes: u64,
    pub compile_time: Duration,
    pub artefact_cached: bool,
}

/// From hashes to code.
pub(crate) struct Loader {
    config: SandboxConfig,
    /// Made when the first module is loaded, so that processes that never call one start at once.
    runtime: OnceLock<Runtime>,
    artefacts: Arc<Artefacts>,
    modules: Arc<dyn Modules>,
    upload: UploadLimits,
    kept: Mutex<Kept>,
    kept_max: usize,
}

/// What instances run on.
struct Runtime {
    engine: Engine,
    linker: Linker<Host>,
}

/// What was loaded, with the count of loads at which it was last wanted.
#[derive(Default)]
struct Kept {
    modules: HashMap<ModuleHash, (Arc<Loaded>, u64)>,
    wanted: u64,
}

impl Loader {
    pub(crate) fn new(config: &SandboxConfig, modules: Arc<dyn Modules>) -> Result<Self> {
        let artefacts = Arc::new(Artefacts::new(config.artefacts.as_deref(), config.compiler.clone())?);
        let (upload, kept_max) = (config.upload, config.modules_max);
        let (config, runtime) = (config.clone(), OnceLock::new());
        Ok(Self { config, runtime, artefacts, modules, upload, kept: Mutex::default(), kept_max })
    }

    fn runtime(&self) -> Result<&Runtime> {
        if let Some(runtime) = self.runtime.get() {
            return Ok(runtime);
        }
        let engine = engine::pooled(&self.config)?;
        let linker = instance::linker(&engine)?;
        Ok(self.runtime.get_or_init(|| Runtime { engine, linker }))
    }

    /// The cache of compiled code.
    pub fn artefacts(&self) -> &Arc<Artefacts> {
        &self.artefacts
    }

    /// The stored bytes of a module, which are those that its hash names.
    ///
    /// # Errors
    /// `InvalidModule` when they are others; what reading them gives.
    pub fn bytes(&self, code: &GuestCode) -> Result<Arc<[u8]>> {
        let bytes = self.modules.bytes(code.module)?;
        if crate::artefact::sha256(&[&bytes]) != code.module.0 {
            let message =
                format!("the stored module of function {code} is damaged: it is not {}", code.module);
            return Err(module::invalid(message).with_hint("create the function again from its file"));
        }
        Ok(bytes)
    }

    /// What the module of a function consists of.
    ///
    /// # Errors
    /// `InvalidModule`.
    pub fn info(&self, code: &GuestCode) -> Result<ModuleInfo> {
        module::inspect(&self.bytes(code)?, &self.upload)
    }

    /// The module, out of memory, else out of the cache on disk, else compiled.
    pub(crate) fn load(&self, code: &GuestCode) -> Result<Arc<Loaded>> {
        if let Some(loaded) = self.kept().get(code.module) {
            return Ok(loaded);
        }
        let key = Key { hash: code.module.0, engine: EngineKind::Batch, kind: ArtefactKind::Module };
        let artefact = match self.artefacts.get(&key)? {
            Some(artefact) => artefact,
            None => {
                let bytes = self.bytes(code)?;
                // Checked when it was uploaded, but on another node, perhaps with other limits.
                module::inspect(&bytes, &self.upload)?;
                self.artefacts.compile(&key, &bytes)?
            }
        };
        let runtime = self.runtime()?;
        let module = artefact.module(&runtime.engine)?;
        let module = runtime.linker.instantiate_pre(&module).map_err(|error| {
            module::invalid(format!("the module of function {code} asks for what no guest gets: {error:#}"))
        })?;
        let loaded = Arc::new(Loaded {
            module: Arc::new(module),
            code_bytes: artefact.size_bytes(),
            compile_time: artefact.compile_time,
            artefact_cached: artefact.cached,
        });
        self.kept().insert(code.module, loaded.clone(), self.kept_max);
        Ok(loaded)
    }

    fn kept(&self) -> std::sync::MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Kept {
    fn get(&mut self, hash: ModuleHash) -> Option<Arc<Loaded>> {
        self.wanted += 1;
        let (loaded, last) = self.modules.get_mut(&hash)?;
        *last = self.wanted;
        Some(loaded.clone())
    }

    fn insert(&mut self, hash: ModuleHash, loaded: Arc<Loaded>, kept_max: usize) {
        self.modules.insert(hash, (loaded, self.wanted));
        while self.modules.len() > kept_max.max(1) {
            let oldest = self.modules.iter().min_by_key(|(_, (_, last))| *last).map(|(hash, _)| *hash);
            if let Some(oldest) = oldest {
                self.modules.remove(&oldest);
            }
        }
    }
}
