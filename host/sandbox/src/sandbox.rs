//! The sandbox as the rest of the system sees it.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use arrow::datatypes::SchemaRef;
use nyala_pipeline::guest::{Guests, OperatorGuest, ScalarGuest, TableGuest};
use nyala_pipeline::{Backend, GroupAccumulator};
use nyala_schema::Result;
use nyala_schema::expr::Volatility;
use nyala_schema::function::FunctionKind;
use nyala_schema::guest::{GuestCode, GuestFunction, GuestOperator, Tier};
use nyala_schema::operator::GuestCall;

use crate::config::{Modules, SandboxConfig, UploadLimits};
use crate::guest::{Aggregate, Operator, Scalar, Source, Table};
use crate::health::{FunctionHealth, Health};
use crate::instance::{Blueprint, Grants, Instance};
use crate::kernel::{Kernels, RowFunction, WasmBackend};
use crate::loaded::{Loaded, Loader};
use crate::module::{self, ModuleInfo};
use crate::statement::StatementClock;

/// What checking a function or operator has shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FunctionReport {
    pub tier: Tier,
    /// What it may call of the host: `nyala.fail`.
    pub imports: Vec<String>,
    pub module_bytes: u64,
    /// Machine code and what belongs to it, of the whole module.
    pub code_bytes: u64,
    /// Or the time to load it, where it was cached.
    pub compile_time: Duration,
    pub artefact_cached: bool,
    /// To make one instance; `None` where a call needs none of its own.
    pub instance_time: Option<Duration>,
    pub inlining: Inlining,
}

/// Whether a function becomes part of the loop over the rows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Inlining {
    Inlined,
    /// And why not.
    Called(String),
}

/// Runs what users uploaded. Shared by all queries of a process.
pub struct Sandbox {
    config: SandboxConfig,
    loader: Loader,
    health: Arc<Health>,
    clock: Arc<StatementClock>,
    kernels: Arc<Kernels>,
    rows: Mutex<HashMap<GuestFunction, Arc<RowFunction>>>,
}

impl Sandbox {
    /// # Errors
    /// `Store` when the directory for compiled code cannot be made; Internal when WebAssembly cannot be set up.
    pub fn new(config: SandboxConfig, modules: Arc<dyn Modules>) -> Result<Arc<Self>> {
        let loader = Loader::new(&config, modules.clone())?;
        let (health, clock) = (Arc::<Health>::default(), Arc::default());
        let kernels = Kernels::with_health(modules, loader.artefacts().clone(), health.clone())?;
        Ok(Arc::new(Self { config, loader, health, clock, kernels, rows: Mutex::default() }))
    }

    /// Runs programs as WebAssembly, with users' functions over numbers inlined; `interpreter` runs what that does not
    /// cover.
    pub fn backend(&self, interpreter: Arc<dyn Backend>) -> WasmBackend {
        WasmBackend::new(self.kernels.clone(), interpreter)
    }

    pub fn upload_limits(&self) -> &UploadLimits {
        &self.config.upload
    }

    /// Of every function and operator that was called since the process began.
    pub fn health(&self) -> Vec<FunctionHealth> {
        self.health.all()
    }

    /// Lets a function that had failed too often be called again; whether it was ever called.
    pub fn resume(&self, name: &str) -> bool {
        self.health.resume(name)
    }

    /// Whether the module has what the function says of it; compiles it and starts an instance. The kind of function is
    /// what the module's exports say.
    ///
    /// # Errors
    /// As [`check_as`](Self::check_as).
    pub fn check(&self, function: &GuestFunction) -> Result<FunctionReport> {
        let info = self.loader.info(&function.code)?;
        let kind = module::kind_of(&info, function);
        self.check_info(function, kind, &info)
    }

    /// As [`check`](Self::check), where the kind of function is known.
    ///
    /// # Errors
    /// `InvalidModule`, Unsupported; they name export, what was wanted and what was found. `GuestLimit` when the module
    /// wants more memory to begin with than the function's limits allow.
    pub fn check_as(&self, function: &GuestFunction, kind: FunctionKind) -> Result<FunctionReport> {
        let info = self.loader.info(&function.code)?;
        self.check_info(function, kind, &info)
    }

    fn check_info(
        &self,
        function: &GuestFunction,
        kind: FunctionKind,
        info: &ModuleInfo,
    ) -> Result<FunctionReport> {
        module::check_function(info, function, kind)?;
        if function.tier == Tier::Row && kind == FunctionKind::Scalar {
            return self.row_report(function, info);
        }
        self.report(&function.code, info)
    }

    /// As [`check`](Self::check), for an operator.
    ///
    /// # Errors
    /// As [`check`](Self::check).
    pub fn check_operator(&self, operator: &GuestOperator) -> Result<FunctionReport> {
        let info = self.loader.info(&operator.code)?;
        module::check_operator(&info, operator)?;
        self.report(&operator.code, &info)
    }

    fn report(&self, code: &GuestCode, info: &ModuleInfo) -> Result<FunctionReport> {
        let loaded = self.loader.load(code)?;
        let blueprint = self.blueprint(code, &loaded, grants(Volatility::Immutable));
        // The first one maps the module's memory; those after it are like those of queries.
        Instance::new(&blueprint, None, 0)?;
        let started = Instant::now();
        Instance::new(&blueprint, None, 0)?;
        let instance_time = Some(started.elapsed());
        Ok(FunctionReport {
            tier: Tier::Batch,
            imports: info.imports.iter().map(ToString::to_string).collect(),
            module_bytes: info.size_bytes,
            code_bytes: loaded.code_bytes,
            compile_time: loaded.compile_time,
            artefact_cached: loaded.artefact_cached,
            instance_time,
            inlining: Inlining::Called("it is called once for a batch, with columns".to_owned()),
        })
    }

    /// A function over numbers with its loop, compiled once for all queries.
    fn row(&self, function: &Arc<GuestFunction>) -> Result<Arc<RowFunction>> {
        let rows = || self.rows.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = rows().get(function.as_ref()) {
            return Ok(known.clone());
        }
        let made = Arc::new(RowFunction::new(&self.kernels, function.clone())?);
        let mut rows = rows();
        if rows.len() >= self.config.modules_max {
            rows.clear();
        }
        rows.insert(function.as_ref().clone(), made.clone());
        Ok(made)
    }

    fn row_report(&self, function: &GuestFunction, info: &ModuleInfo) -> Result<FunctionReport> {
        let row = self.row(&Arc::new(function.clone()))?;
        Ok(FunctionReport {
            tier: Tier::Row,
            imports: Vec::new(),
            module_bytes: info.size_bytes,
            code_bytes: row.made.code_bytes,
            compile_time: row.made.time,
            artefact_cached: row.made.cached,
            instance_time: None,
            inlining: self.kernels.inlining(function)?,
        })
    }

    fn source(&self, code: &GuestCode, grants: Grants) -> Result<Source> {
        let record = self.health.record(code);
        record.admit()?;
        let loaded: Arc<Loaded> = self.loader.load(code)?;
        let blueprint = Arc::new(self.blueprint(code, &loaded, grants));
        Ok(Source { blueprint, record, clock: self.clock.clone() })
    }

    fn blueprint(&self, code: &GuestCode, loaded: &Loaded, grants: Grants) -> Blueprint {
        Blueprint {
            code: code.clone(),
            module: loaded.module.clone(),
            grants,
            table_elements_max: self.config.upload.table_elements_max,
            output_bytes_max: self.config.output_bytes_max,
        }
    }
}

fn grants(volatility: Volatility) -> Grants {
    Grants {
        clock: volatility != Volatility::Immutable,
        random: volatility == Volatility::Volatile,
        scratch_bytes: 0,
    }
}

impl Guests for Sandbox {
    fn scalar(&self, function: &Arc<GuestFunction>) -> Result<Arc<dyn ScalarGuest>> {
        match function.tier {
            Tier::Row => Ok(self.row(function)?),
            Tier::Batch => {
                let source = self.source(&function.code, grants(function.volatility))?;
                Ok(Arc::new(Scalar::new(function.clone(), source)))
            }
        }
    }

    fn aggregate(&self, function: &Arc<GuestFunction>) -> Result<Box<dyn GroupAccumulator>> {
        let grants = Grants { clock: false, random: false, scratch_bytes: self.config.scratch_bytes_max };
        let source = self.source(&function.code, grants)?;
        Ok(Box::new(Aggregate::new(function.clone(), source)))
    }

    fn table(&self, function: &Arc<GuestFunction>) -> Result<Box<dyn TableGuest>> {
        let source = self.source(&function.code, grants(function.volatility))?;
        Ok(Box::new(Table::new(function.clone(), source)?))
    }

    fn operator(&self, call: &GuestCall, inputs: &[SchemaRef]) -> Result<Box<dyn OperatorGuest>> {
        let grants = Grants { clock: true, random: false, scratch_bytes: self.config.scratch_bytes_max };
        let source = self.source(&call.operator.code, grants)?;
        Ok(Box::new(Operator::new(call, inputs, source)?))
    }
}
