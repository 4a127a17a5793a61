//! The engines that compile and run kernels.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::{Arc, Mutex, PoisonError};

use nyala_schema::guest::{GuestCode, GuestFunction, ModuleHash};
use nyala_schema::{Error, Result};
use nyala_wasm::Driver;
use sha2::{Digest, Sha256};
use wasmtime::component::Component;
use wasmtime::{CodeBuilder, Config, Engine, Inlining};

use super::analysis::Analysis;
use super::failure;
use super::source::{KernelArtefacts, Modules};
use super::ticker::Ticker;

/// Driver and function together may be so large, in Cranelift's instructions, and still be inlined.
const INLINED_SIZE_MAX: &str = "20000";

/// Code kept whose analysis is remembered.
const ANALYSES_MAX: usize = 4096;

/// Makes kernels. Shared by all queries of a process.
///
/// Code whose time is bounded by its size runs without looking for interruptions, which cost more than it does
/// itself; all other code runs on an engine with epochs.
pub struct Kernels {
    bounded: Engine,
    watched: Engine,
    ticker: Ticker,
    modules: Arc<dyn Modules>,
    artefacts: Option<Arc<dyn KernelArtefacts>>,
    analyses: Mutex<HashMap<GuestCode, Result<Analysis>>>,
}

/// What is compiled of a driver.
pub(crate) struct Made {
    pub component: Component,
    pub code_bytes: usize,
    /// It needs epochs to be stopped.
    pub watched: bool,
    /// An instance is good for one batch.
    pub stateful: bool,
}

impl Kernels {
    /// # Errors
    /// Unsupported on machines that wasmtime does not compile for.
    pub fn new(modules: Arc<dyn Modules>, artefacts: Option<Arc<dyn KernelArtefacts>>) -> Result<Arc<Self>> {
        let (bounded, watched) = (engine(false)?, engine(true)?);
        let ticker = Ticker::start(&watched)
            .map_err(|error| Error::internal(format!("no thread for the kernels' epochs: {error}")))?;
        let analyses = Mutex::default();
        Ok(Arc::new(Self { bounded, watched, ticker, modules, artefacts, analyses }))
    }

    pub(crate) fn ticker(&self) -> &Ticker {
        &self.ticker
    }

    pub(crate) fn engine(&self, watched: bool) -> &Engine {
        if watched { &self.watched } else { &self.bounded }
    }

    /// # Errors
    /// `InvalidModule`: see [`Analysis::of`] and [`Modules::bytes`].
    pub(crate) fn analysis(&self, function: &GuestFunction) -> Result<Analysis> {
        // A panic elsewhere leaves the map whole.
        let lock = || self.analyses.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = lock().get(&function.code) {
            return known.clone();
        }
        let bytes = self.modules.bytes(function.code.module)?;
        let found = Analysis::of(&bytes, function);
        let mut analyses = lock();
        if analyses.len() >= ANALYSES_MAX {
            analyses.clear();
        }
        analyses.insert(function.code.clone(), found.clone());
        found
    }

    /// Compiles a driver with the modules that it calls, or finds it compiled.
    ///
    /// # Errors
    /// Those of `analysis`; `InvalidModule` where the code generator refuses a module.
    pub(crate) fn compile(&self, driver: &Driver) -> Result<Made> {
        let (mut watched, mut stateful) = (false, false);
        let mut modules: HashMap<ModuleHash, Arc<[u8]>> = HashMap::new();
        for function in &driver.functions {
            let analysis = self.analysis(function)?;
            watched |= analysis.unbounded;
            stateful |= analysis.stateful;
            modules.insert(function.code.module, self.modules.bytes(function.code.module)?);
        }
        let bytes = driver.component(&modules);
        let engine = self.engine(watched);
        let key = key(engine, &bytes);
        let kept = self.artefacts.as_ref().and_then(|artefacts| artefacts.get(key));
        if let Some(code) = kept {
            // SAFETY: `KernelArtefacts` promises to give what `serialize` gave below under this key, which names
            // the component and the engine's settings; wasmtime refuses code of another version or machine.
            if let Ok(component) = unsafe { Component::deserialize(engine, &code) } {
                return Ok(Made { component, code_bytes: code.len(), watched, stateful });
            }
        }
        let component =
            build(engine, &bytes).map_err(|error| failure::of_compilation(&error, &driver.functions))?;
        let mut code_bytes = component.image_range().end as usize - component.image_range().start as usize;
        if let Some(artefacts) = &self.artefacts
            && let Ok(code) = component.serialize()
        {
            code_bytes = code.len();
            artefacts.put(key, &code);
        }
        Ok(Made { component, code_bytes, watched, stateful })
    }
}

fn build(engine: &Engine, bytes: &[u8]) -> wasmtime::Result<Component> {
    let mut builder = CodeBuilder::new(engine);
    // SAFETY: the intrinsics reach nobody but the driver, since the modules of users import nothing (`Analysis::of`
    // refuses them otherwise) and `Driver::component` hands the intrinsics to the driver alone. The driver is
    // generated by `nyala_wasm` and accesses what its frame leads to; that a frame is good, whoever runs the
    // loop answers for. None of them uses the store's data.
    unsafe { builder.expose_unsafe_intrinsics(Driver::INTRINSICS) };
    builder.wasm_binary(bytes, None)?;
    builder.compile_component()
}

fn engine(watched: bool) -> Result<Engine> {
    let mut config = Config::new();
    config.compiler_inlining(Inlining::InterModule);
    config.wasm_wide_arithmetic(true);
    config.concurrency_support(false);
    config.epoch_interruption(watched);
    // SAFETY: this setting only says how much is inlined.
    unsafe { config.cranelift_flag_set("wasmtime_inlining_sum_size_threshold", INLINED_SIZE_MAX) };
    Engine::new(&config).map_err(|error| Error::unsupported(format!("wasmtime: {error:#}")))
}

/// Names a component as compiled by an engine.
fn key(engine: &Engine, component: &[u8]) -> [u8; 32] {
    let mut settings = DefaultHasher::new();
    engine.precompile_compatibility_hash().hash(&mut settings);
    let mut hash = Sha256::new();
    hash.update(settings.finish().to_le_bytes());
    hash.update(component);
    hash.finalize().into()
}
