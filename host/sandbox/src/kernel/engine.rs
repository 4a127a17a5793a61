//! The engines that compile and run kernels.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use nyala_schema::Result;
use nyala_schema::guest::{GuestCode, GuestFunction, ModuleHash, OnError};
use nyala_wasm::Driver;
use wasmtime::Engine;
use wasmtime::component::Component;

use super::analysis::Analysis;
use super::extract::extract;
use super::failure;
use crate::artefact::{ArtefactKind, Artefacts, Key};
use crate::config::Modules;
use crate::engine::{self, Effort, EngineKind};
use crate::health::{Health, Record};
use crate::sandbox::Inlining;

/// Calls on their own, of more code than this, are compiled in a hurry: CREATE FUNCTION waits for them, and queries over
/// many rows have loops of their own.
const QUICK_BYTES_MIN: usize = 8 << 10;

/// Code kept whose analysis is remembered.
const ANALYSES_MAX: usize = 4096;

/// Makes kernels. Shared by all queries of a process.
///
/// Code whose time is bounded by its size runs without looking for interruptions, which cost more than it does
/// itself; all other code runs on an engine with epochs.
pub struct Kernels {
    /// Made when the first kernel needs it.
    bounded: OnceLock<Engine>,
    watched: OnceLock<Engine>,
    modules: Arc<dyn Modules>,
    artefacts: Arc<Artefacts>,
    /// Drivers without functions are ours alone: they are compiled here, not in a child.
    own: Artefacts,
    analyses: Mutex<HashMap<GuestCode, Result<Analysis>>>,
    health: Arc<Health>,
}

/// What is compiled of a driver.
pub(crate) struct Made {
    pub component: Component,
    pub code_bytes: u64,
    /// Or the time to load it, where it was cached.
    pub compile_time: Duration,
    pub cached: bool,
    /// It needs epochs to be stopped.
    pub watched: bool,
    /// An instance is good for one batch.
    pub stateful: bool,
}

impl Kernels {
    /// # Errors
    /// `Store` as [`Artefacts::new`].
    pub fn new(modules: Arc<dyn Modules>, artefacts: Arc<Artefacts>) -> Result<Arc<Self>> {
        Self::with_health(modules, artefacts, Arc::default())
    }

    /// Notes calls in `health`.
    pub(crate) fn with_health(
        modules: Arc<dyn Modules>,
        artefacts: Arc<Artefacts>,
        health: Arc<Health>,
    ) -> Result<Arc<Self>> {
        let own = artefacts.in_process();
        Ok(Arc::new(Self {
            health,
            bounded: OnceLock::new(),
            watched: OnceLock::new(),
            modules,
            artefacts,
            own,
            analyses: Mutex::default(),
        }))
    }

    /// Where calls of a version are noted.
    pub(crate) fn record(&self, code: &GuestCode) -> Arc<Record> {
        self.health.record(code)
    }

    /// # Errors
    /// Internal on machines that wasmtime does not compile for.
    pub(crate) fn engine(&self, watched: bool) -> Result<&Engine> {
        let place = if watched { &self.watched } else { &self.bounded };
        if let Some(engine) = place.get() {
            return Ok(engine);
        }
        let made = engine::kernel(watched)?;
        Ok(place.get_or_init(|| made))
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

    /// Whether queries have the function in their loops.
    ///
    /// # Errors
    /// Those of `analysis`.
    pub(crate) fn inlining(&self, function: &GuestFunction) -> Result<Inlining> {
        let analysis = self.analysis(function)?;
        let fails = analysis.may_trap || analysis.unbounded;
        Ok(if fails && function.code.limits.on_error == OnError::Null {
            Inlining::Called(
                "it may fail, and only a call on its own tells which rows become NULL".to_owned(),
            )
        } else {
            Inlining::Inlined
        })
    }

    /// Compiles a driver with the modules that it calls, or finds it compiled. `bare`: it is a call on its own.
    ///
    /// # Errors
    /// Those of `analysis`; `InvalidModule` where the code generator refuses a module.
    pub(crate) fn compile(&self, driver: &Driver, bare: bool) -> Result<Made> {
        let (mut watched, mut stateful) = (false, false);
        for function in &driver.functions {
            let analysis = self.analysis(function)?;
            watched |= analysis.unbounded;
            stateful |= analysis.stateful;
        }
        let engine = self.engine(watched)?;
        let quick = bare && self.is_large(driver)?;
        let effort = if quick { Effort::Quick } else { Effort::Full };
        let key = Key {
            hash: identity(driver),
            engine: EngineKind::Kernel { epochs: watched, effort },
            kind: ArtefactKind::Component { unsafe_intrinsics: Some(Driver::INTRINSICS.to_owned()) },
        };
        let artefacts = if driver.functions.is_empty() { &self.own } else { &self.artefacts };
        let artefact = match artefacts.get(&key)? {
            Some(artefact) => artefact,
            None => artefacts
                .compile(&key, &self.component(driver)?)
                .map_err(|error| failure::of_compilation(error, &driver.functions))?,
        };
        Ok(Made {
            component: artefact.component(engine)?,
            code_bytes: artefact.size_bytes(),
            compile_time: artefact.compile_time,
            cached: artefact.cached,
            watched,
            stateful,
        })
    }

    /// The driver with what it calls of its functions' modules.
    fn component(&self, driver: &Driver) -> Result<Vec<u8>> {
        let mut called: HashMap<ModuleHash, Vec<&GuestFunction>> = HashMap::new();
        for function in &driver.functions {
            called.entry(function.code.module).or_default().push(function);
        }
        let mut modules: HashMap<ModuleHash, Vec<u8>> = HashMap::new();
        for (module, functions) in called {
            modules.insert(module, extract(&self.modules.bytes(module)?, functions)?);
        }
        Ok(driver.component(&modules))
    }

    fn is_large(&self, driver: &Driver) -> Result<bool> {
        let mut code_bytes = 0;
        for function in &driver.functions {
            code_bytes += self.analysis(function)?.code_bytes;
        }
        Ok(code_bytes > QUICK_BYTES_MIN)
    }
}

/// Changes with what [`extract`] and [`Driver::component`] make of the same code.
const COMPONENT_FORMAT: u8 = 1;

/// Names what a component is made of without making it: a new process finds compiled code by it.
fn identity(driver: &Driver) -> [u8; 32] {
    let mut parts: Vec<&[u8]> = vec![&[COMPONENT_FORMAT], &driver.module];
    for function in &driver.functions {
        parts.extend([&function.code.module.0[..], function.code.export.as_bytes(), &[0]]);
    }
    crate::artefact::sha256(&parts)
}
