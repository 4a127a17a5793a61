//! Loops as kernels.

use std::sync::{Arc, Mutex, PoisonError};

use nyala_loops::{CallFacts, Compiled, Detail, LoopCompiler, Part};
use nyala_schema::Result;
use nyala_schema::guest::{GuestFunction, OnError, Tier};
use nyala_wasm::Driver;

use super::engine::Kernels;
use super::instance::Kernel;
use super::row::Making;

/// Compiles loops with wasmtime.
pub(crate) struct KernelCompiler {
    pub kernels: Arc<Kernels>,
    /// Loops are a call of one function and nothing else, whose failures `RowFunction` sees to.
    bare: bool,
    made: Mutex<Making>,
}

impl KernelCompiler {
    /// For programs.
    pub fn fused(kernels: Arc<Kernels>) -> Self {
        Self { kernels, bare: false, made: Mutex::default() }
    }

    /// For calls on their own.
    pub fn bare(kernels: &Arc<Kernels>) -> Self {
        Self { kernels: Arc::clone(kernels), bare: true, made: Mutex::default() }
    }

    /// What the last loop took to make.
    pub fn made(&self) -> Making {
        *self.made.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl LoopCompiler for KernelCompiler {
    fn name(&self) -> &'static str {
        "wasm"
    }

    fn call(&self, function: &GuestFunction) -> Option<CallFacts> {
        if function.tier != Tier::Row || !function.strict {
            return None;
        }
        let analysis = self.kernels.analysis(function).ok()?;
        let checked = matches!(function.returns, arrow::datatypes::DataType::Decimal64(..));
        let fallible = analysis.may_trap || analysis.unbounded || checked;
        // Which rows become NULL, only a call on its own can tell.
        let alone = fallible && function.code.limits.on_error == OnError::Null;
        // What is left behind must not depend on which other rows the loop calls it for.
        (self.bare || !alone).then_some(CallFacts { fallible: fallible || analysis.stateful })
    }

    fn compile(&self, part: Part<'_, '_>) -> Result<Compiled> {
        let driver = Driver::of(part)?;
        let made = self.kernels.compile(&driver, self.bare)?;
        *self.made.lock().unwrap_or_else(PoisonError::into_inner) =
            Making { code_bytes: made.code_bytes, time: made.compile_time, cached: made.cached };
        let kernel = Kernel::new(Arc::clone(&self.kernels), &made, driver.functions, self.bare)?;
        Ok(Compiled { code: Arc::new(kernel), code_bytes: made.code_bytes as usize })
    }

    fn listing(&self, part: Part<'_, '_>, _: Detail) -> Result<String> {
        Driver::listing(part)
    }
}
