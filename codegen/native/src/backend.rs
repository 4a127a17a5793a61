//! The backend: loops compiled with Cranelift.

use std::sync::Arc;

use nyala_loops::{CompileStats, LoopBackend, PROGRAMS_CACHED_MAX};
use nyala_pipeline::{Backend, Executable, Program};
use nyala_schema::Result;

use crate::code::Compiler;

/// Compiles programs with Cranelift; what it does not compile it leaves to `fallback`.
pub struct NativeBackend {
    loops: LoopBackend,
}

impl NativeBackend {
    /// `fallback` is the interpreter: it runs the parts of programs that native code does not cover, and batches
    /// in which native code met an error, to say which.
    ///
    /// # Panics
    /// On machines that Cranelift does not know; see [`try_new`](Self::try_new).
    pub fn new(fallback: Arc<dyn Backend>) -> Self {
        match Self::try_new(fallback, PROGRAMS_CACHED_MAX, cfg!(test)) {
            Ok(backend) => backend,
            Err(error) => panic!("native code cannot be made here: {error}"),
        }
    }

    /// With room for `capacity` programs, and Cranelift's verifier on or off.
    ///
    /// # Errors
    /// Unsupported on machines that Cranelift does not know.
    pub fn try_new(fallback: Arc<dyn Backend>, capacity: usize, verify: bool) -> Result<Self> {
        let compiler = Arc::new(Compiler::new(verify)?);
        Ok(Self { loops: LoopBackend::new(compiler, fallback, capacity) })
    }

    pub fn compile_stats(&self) -> CompileStats {
        self.loops.compile_stats()
    }

    /// Cranelift's IR of the program's loops, for batches without selection, groups or NULLs, and what the
    /// interpreter does between them.
    ///
    /// # Errors
    /// Unsupported as for `compile`.
    pub fn clif(&self, program: &Program) -> Result<String> {
        self.loops.describe(program)
    }
}

impl Backend for NativeBackend {
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
