//! The WASM backend.

use std::sync::Arc;

use nyala_loops::{CompileStats, LoopBackend, PROGRAMS_CACHED_MAX};
use nyala_pipeline::{Backend, Executable, Program};
use nyala_schema::Result;

use super::compiler::KernelCompiler;
use super::engine::Kernels;

/// Compiles programs to WASM, with users' row-tier functions inlined; what that does not cover it leaves to the
/// interpreter.
pub struct WasmBackend {
    loops: LoopBackend,
}

impl WasmBackend {
    /// `fallback` is the interpreter: it runs the parts of programs that loops do not cover, and batches in which a
    /// loop or a function failed, to say where.
    pub fn new(kernels: Arc<Kernels>, fallback: Arc<dyn Backend>) -> Self {
        let compiler = Arc::new(KernelCompiler::fused(kernels));
        Self { loops: LoopBackend::new(compiler, fallback, PROGRAMS_CACHED_MAX) }
    }

    pub fn compile_stats(&self) -> CompileStats {
        self.loops.compile_stats()
    }

    /// The drivers of the program's loops, for batches without selection, groups or NULLs, and what the interpreter
    /// does between them.
    ///
    /// # Errors
    /// Unsupported as for `compile`.
    pub fn describe(&self, program: &Program) -> Result<String> {
        self.loops.describe(program)
    }
}

impl Backend for WasmBackend {
    fn name(&self) -> &'static str {
        self.loops.name()
    }

    fn compile(&self, program: &Arc<Program>) -> Result<Arc<dyn Executable>> {
        self.loops.compile(program)
    }

    fn cached(&self, program: &Arc<Program>) -> Option<Arc<dyn Executable>> {
        self.loops.cached(program)
    }
}
