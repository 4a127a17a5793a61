//! The sandbox as the rest of the system sees it.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use arrow::datatypes::SchemaRef;
use nyala_pipeline::GroupAccumulator;
use nyala_pipeline::guest::{Guests, OperatorGuest, ScalarGuest, TableGuest};
use nyala_schema::expr::Volatility;
use nyala_schema::function::FunctionKind;
use nyala_schema::guest::{GuestCode, GuestFunction, GuestOperator, Tier};
use nyala_schema::operator::GuestCall;
use nyala_schema::{Error, Result};

use crate::config::{Modules, SandboxConfig, UploadLimits};
use crate::guest::{Aggregate, Operator, Scalar, Source, Table};
use crate::health::{FunctionHealth, Health, Record};
use crate::instance::{Blueprint, Grants, Instance};
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
    pub inlining: Inlining,
}

/// Whether a function becomes part of the loop over the rows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Inlining {
    Inlined,
    /// And why not.
    Called(String),
}

/// Runs scalar functions that are called with numbers.
pub trait RowTier: Send + Sync {
    /// # Errors
    /// As [`Guests::scalar`].
    fn scalar(&self, function: &Arc<GuestFunction>) -> Result<Arc<dyn ScalarGuest>>;

    /// Compiles the bare call.
    ///
    /// # Errors
    /// `InvalidModule`.
    fn check(&self, function: &GuestFunction, info: &ModuleInfo) -> Result<FunctionReport>;
}

/// Runs what users uploaded. Shared by all queries of a process.
pub struct Sandbox {
    config: SandboxConfig,
    loader: Loader,
    health: Health,
    clock: Arc<StatementClock>,
    row_tier: OnceLock<Arc<dyn RowTier>>,
}

impl Sandbox {
    /// # Errors
    /// `Store` when the directory for compiled code cannot be made; Internal when WebAssembly cannot be set up.
    pub fn new(config: SandboxConfig, modules: Arc<dyn Modules>) -> Result<Arc<Self>> {
        let loader = Loader::new(&config, modules)?;
        let (health, clock) = (Health::default(), Arc::default());
        Ok(Arc::new(Self { config, loader, health, clock, row_tier: OnceLock::new() }))
    }

    /// What runs functions that are called with numbers; the first one set stays.
    pub fn set_row_tier(&self, row_tier: Arc<dyn RowTier>) {
        let _ = self.row_tier.set(row_tier);
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

    /// Where calls of a version are noted; refuses those of a version in quarantine.
    pub fn record(&self, code: &GuestCode) -> Arc<Record> {
        self.health.record(code)
    }

    /// Compiled code and where it is kept.
    pub fn loader(&self) -> &Loader {
        &self.loader
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
            return self.row_tier()?.check(function, info);
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
        Instance::new(&blueprint, None, 0)?;
        Ok(FunctionReport {
            tier: Tier::Batch,
            imports: info.imports.iter().map(ToString::to_string).collect(),
            module_bytes: info.size_bytes,
            code_bytes: loaded.code_bytes,
            compile_time: loaded.compile_time,
            artefact_cached: loaded.artefact_cached,
            inlining: Inlining::Called("it is called once for a batch, with columns".to_owned()),
        })
    }

    fn row_tier(&self) -> Result<&Arc<dyn RowTier>> {
        self.row_tier.get().ok_or_else(|| {
            Error::unsupported("functions that are called with numbers cannot be run by this program")
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
            Tier::Row => self.row_tier()?.scalar(function),
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
