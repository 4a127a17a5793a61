//! One program of a query and the code that runs it, which may be exchanged between two batches.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use nyala_pipeline::{Backend, Call, Code, Executable, Outcome};
use nyala_schema::id::OperatorId;
use nyala_schema::option::BackendChoice;
use nyala_schema::{ErrorCode, Result};

use crate::code::compiler::Compiler;
use crate::report::ProgramProfile;

/// Below so many rows compiling costs more than it gains.
pub(crate) const COMPILE_ROWS_MIN: u64 = 20_000;
const NEVER: u64 = u64::MAX;

/// The ways to run code that a query has.
#[derive(Clone)]
pub(crate) struct Backends {
    pub(crate) choice: BackendChoice,
    pub(crate) interpreter: Arc<dyn Backend>,
    pub(crate) native: Option<Arc<dyn Backend>>,
    pub(crate) compiler: Compiler,
}

pub(crate) struct CodeSlot {
    pub(crate) code: Code,
    operator: OperatorId,
    backends: Backends,
    interpreted: OnceLock<Result<Arc<dyn Executable>>>,
    /// Set once: to the code, or to nothing when the backend gains nothing or failed.
    compiled: OnceLock<Option<Arc<dyn Executable>>>,
    requested: AtomicBool,
    rows: AtomicU64,
    batches: AtomicU64,
    switched_at: AtomicU64,
    compile_ns: AtomicU64,
}

impl CodeSlot {
    pub(crate) fn new(code: &Code, operator: OperatorId, backends: &Backends) -> Arc<Self> {
        Arc::new(Self {
            code: code.clone(),
            operator,
            backends: backends.clone(),
            interpreted: OnceLock::new(),
            compiled: OnceLock::new(),
            requested: AtomicBool::new(false),
            rows: AtomicU64::new(0),
            batches: AtomicU64::new(0),
            switched_at: AtomicU64::new(NEVER),
            compile_ns: AtomicU64::new(0),
        })
    }

    /// To be called before the first batch of a pipeline that will see about `rows` rows: has the code compiled
    /// at once (blocking), in the background, or not at all, as the query's options say.
    pub(crate) fn prepare(self: &Arc<Self>, rows: u64) {
        match self.backends.choice {
            BackendChoice::Interpreter => {}
            BackendChoice::Native | BackendChoice::Wasm => self.compile(),
            BackendChoice::Auto if rows >= COMPILE_ROWS_MIN => self.request(),
            BackendChoice::Auto => {}
        }
    }

    /// # Errors
    /// Those of the program; those of the interpreter's compilation.
    pub(crate) fn run(self: &Arc<Self>, call: Call<'_>) -> Result<Outcome> {
        let rows = call.selection.map_or(call.rows, <[u32]>::len) as u64;
        let batch = self.batches.fetch_add(1, Relaxed);
        let before = self.rows.fetch_add(rows, Relaxed);
        if let Some(Some(compiled)) = self.compiled.get() {
            if self.switched_at.load(Relaxed) == NEVER {
                self.switched_at.fetch_min(batch, Relaxed);
            }
            return compiled.run(call);
        }
        if self.backends.choice == BackendChoice::Auto && before + rows >= COMPILE_ROWS_MIN {
            self.request();
        }
        self.interpreted()?.run(call)
    }

    fn interpreted(&self) -> Result<Arc<dyn Executable>> {
        let compile = || self.backends.interpreter.compile(&self.code.program);
        self.interpreted.get_or_init(compile).clone()
    }

    /// Asks the compiler threads for code, once.
    fn request(self: &Arc<Self>) {
        let Some(native) = &self.backends.native else { return };
        if self.requested.swap(true, Relaxed) {
            return;
        }
        match native.cached(&self.code.program) {
            Some(ready) => _ = self.compiled.set(Some(ready)),
            None => self.backends.compiler.submit(self),
        }
    }

    /// Compiles on this thread. What the backend refuses stays interpreted; so does what it fails on, since the
    /// interpreter gives the same rows.
    pub(crate) fn compile(&self) {
        let Some(native) = &self.backends.native else { return };
        self.compiled.get_or_init(|| {
            let start = Instant::now();
            let compiled = native.compile(&self.code.program);
            self.compile_ns.store(start.elapsed().as_nanos() as u64, Relaxed);
            if let Err(error) = &compiled {
                debug_assert_eq!(error.code(), ErrorCode::Unsupported, "native code: {error:?}");
            }
            compiled.ok()
        });
    }

    pub(crate) fn profile(&self) -> ProgramProfile {
        let switched_at = self.switched_at.load(Relaxed);
        let backend = match (&self.backends.native, switched_at) {
            (Some(native), batch) if batch != NEVER => native.name(),
            _ => self.backends.interpreter.name(),
        };
        ProgramProfile {
            operator: self.operator,
            backend,
            statements: self.code.program.body.statements.len(),
            batches: self.batches.load(Relaxed),
            rows: self.rows.load(Relaxed),
            compiling: Duration::from_nanos(self.compile_ns.load(Relaxed)),
            switched_at: (switched_at != NEVER).then_some(switched_at),
        }
    }
}
