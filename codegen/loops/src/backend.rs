//! The backend around a compiler of loops: programs to executables, through the cache.

use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError};

use nyala_pipeline::{Backend, Executable, Program};
use nyala_schema::Result;

use crate::cache::Cache;
use crate::compiler::{Detail, LoopCompiler};
use crate::executable::LoopExecutable;
use crate::stats::{CompileStats, Counters};

/// Programs kept compiled; at some 10 KiB each.
pub const PROGRAMS_CACHED_MAX: usize = 1024;

/// Compiles programs with `compiler`; what that does not do it leaves to `fallback`.
pub struct LoopBackend {
    compiler: Arc<dyn LoopCompiler>,
    counters: Arc<Counters>,
    fallback: Arc<dyn Backend>,
    cache: Mutex<Cache<LoopExecutable>>,
}

impl LoopBackend {
    /// `fallback` is the interpreter: it runs the parts of programs that loops do not cover, and batches in which
    /// a loop met an error, to say which. Keeps `capacity` programs.
    pub fn new(compiler: Arc<dyn LoopCompiler>, fallback: Arc<dyn Backend>, capacity: usize) -> Self {
        Self { compiler, counters: Arc::default(), fallback, cache: Mutex::new(Cache::new(capacity)) }
    }

    pub fn compile_stats(&self) -> CompileStats {
        self.counters.read(self.lock().len())
    }

    /// The program's loops in the compiler's own language, for batches without selection, groups or NULLs, and
    /// what the interpreter does between them.
    ///
    /// # Errors
    /// Unsupported as for `compile`.
    pub fn describe(&self, program: &Program) -> Result<String> {
        self.executable(&Arc::new(program.clone()))?.describe(Detail::Intermediate)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Cache<LoopExecutable>> {
        // A panic elsewhere leaves the map whole: its methods do not call out.
        self.cache.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn executable(&self, program: &Arc<Program>) -> Result<Arc<LoopExecutable>> {
        if let Some(executable) = self.lock().get(program) {
            self.counters.hits.fetch_add(1, Ordering::Relaxed);
            return Ok(executable);
        }
        self.counters.misses.fetch_add(1, Ordering::Relaxed);
        let executable = LoopExecutable::new(
            Arc::clone(program),
            Arc::clone(&self.compiler),
            Arc::clone(&self.counters),
            Arc::clone(&self.fallback),
        )?;
        let (kept, evicted) = self.lock().insert(Arc::clone(program), Arc::new(executable));
        self.counters.evictions.fetch_add(evicted, Ordering::Relaxed);
        Ok(kept)
    }
}

impl Backend for LoopBackend {
    fn name(&self) -> &'static str {
        self.compiler.name()
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
