//! The backend: programs to executables, through the cache.

use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError};

use nyala_pipeline::{Backend, Executable, Program};
use nyala_schema::Result;

use crate::cache::Cache;
use crate::code::Compiler;
use crate::executable::NativeExecutable;
use crate::stats::CompileStats;

/// Programs kept compiled; at some 10 KiB each.
const PROGRAMS_CACHED_MAX: usize = 1024;

/// Compiles programs with Cranelift; what it does not compile it leaves to `fallback`.
pub struct NativeBackend {
    compiler: Arc<Compiler>,
    fallback: Arc<dyn Backend>,
    cache: Mutex<Cache<NativeExecutable>>,
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
        Ok(Self { compiler, fallback, cache: Mutex::new(Cache::new(capacity)) })
    }

    pub fn compile_stats(&self) -> CompileStats {
        self.compiler.counters.read(self.lock().len())
    }

    /// Cranelift's IR of the program's loops, for batches without selection, groups or NULLs, and what the
    /// interpreter does between them.
    ///
    /// # Errors
    /// Unsupported as for `compile`.
    pub fn clif(&self, program: &Program) -> Result<String> {
        self.executable(&Arc::new(program.clone()))?.clif()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Cache<NativeExecutable>> {
        // A panic elsewhere leaves the map whole: its methods do not call out.
        self.cache.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn executable(&self, program: &Arc<Program>) -> Result<Arc<NativeExecutable>> {
        let counters = &self.compiler.counters;
        if let Some(executable) = self.lock().get(program) {
            counters.hits.fetch_add(1, Ordering::Relaxed);
            return Ok(executable);
        }
        counters.misses.fetch_add(1, Ordering::Relaxed);
        let executable = NativeExecutable::new(
            Arc::clone(program),
            Arc::clone(&self.compiler),
            Arc::clone(&self.fallback),
        )?;
        let (kept, evicted) = self.lock().insert(Arc::clone(program), Arc::new(executable));
        counters.evictions.fetch_add(evicted, Ordering::Relaxed);
        Ok(kept)
    }
}

impl Backend for NativeBackend {
    fn name(&self) -> &'static str {
        "native"
    }

    fn compile(&self, program: &Arc<Program>) -> Result<Arc<dyn Executable>> {
        let executable: Arc<dyn Executable> = self.executable(program)?;
        Ok(executable)
    }

    fn cached(&self, program: &Arc<Program>) -> Option<Arc<dyn Executable>> {
        let executable: Arc<dyn Executable> = self.lock().get(program)?;
        Some(executable)
    }
}
