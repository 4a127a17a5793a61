//! One program of a query and the code that runs it, which may be exchanged between two batches.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use nyala_pipeline::{Backend, Call, Code, Executable, Outcome, Program};
use nyala_schema::id::OperatorId;
use nyala_schema::option::BackendChoice;
use nyala_schema::{ErrorCode, Result};

use crate::code::compiler::Compiler;
use crate::code::verify;
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
    pub(crate) wasm: Option<Arc<dyn Backend>>,
    /// What is compiled is interpreted as well, and a difference is an error.
    pub(crate) verify: bool,
    pub(crate) compiler: Compiler,
}

impl Backends {
    /// Those that may compile the program, the best one first.
    fn compilers(&self, program: &Program) -> Vec<Arc<dyn Backend>> {
        let (native, wasm) = (self.native.iter(), self.wasm.iter());
        match self.choice {
            BackendChoice::Interpreter => vec![],
            BackendChoice::Wasm => wasm.cloned().collect(),
            // Only there the user's code and the loop over the rows become one.
            BackendChoice::Native | BackendChoice::Auto if program.calls_row_tier() => {
                wasm.chain(native).cloned().collect()
            }
            BackendChoice::Native | BackendChoice::Auto => native.cloned().collect(),
        }
    }
}

/// Code that a backend made.
struct Compiled {
    backend: &'static str,
    executable: Arc<dyn Executable>,
}

pub(crate) struct CodeSlot {
    pub(crate) code: Code,
    operator: OperatorId,
    backends: Backends,
    compilers: Vec<Arc<dyn Backend>>,
    interpreted: OnceLock<Result<Arc<dyn Executable>>>,
    /// Set once: to the code, or to nothing when the backend gains nothing or failed.
    compiled: OnceLock<Option<Compiled>>,
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
            compilers: backends.compilers(&code.program),
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
            if self.backends.verify && self.code.program.is_repeatable() {
                return verify::run(&self.code, compiled.as_parts(), &self.interpreted()?, call);
            }
            return compiled.executable.run(call);
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
        let Some(best) = self.compilers.first() else { return };
        if self.requested.swap(true, Relaxed) {
            return;
        }
        match best.cached(&self.code.program) {
            Some(executable) => _ = self.compiled.set(Some(Compiled { backend: best.name(), executable })),
            None => self.backends.compiler.submit(self),
        }
    }

    /// Compiles on this thread. What the backends refuse stays interpreted; so does what they fail on, since the
    /// interpreter gives the same rows, or the same error.
    pub(crate) fn compile(&self) {
        if self.compilers.is_empty() {
            return;
        }
        self.compiled.get_or_init(|| {
            let start = Instant::now();
            let compiled =
                self.compilers.iter().find_map(|backend| match backend.compile(&self.code.program) {
                    Ok(executable) => Some(Compiled { backend: backend.name(), executable }),
                    Err(error) => {
                        debug_assert_ne!(
                            error.code(),
                            ErrorCode::Internal,
                            "{} code: {error:?}",
                            backend.name()
                        );
                        None
                    }
                });
            self.compile_ns.store(start.elapsed().as_nanos() as u64, Relaxed);
            compiled
        });
    }

    pub(crate) fn profile(&self) -> ProgramProfile {
        let switched_at = self.switched_at.load(Relaxed);
        let backend = match (self.compiled.get(), switched_at) {
            (Some(Some(compiled)), batch) if batch != NEVER => compiled.backend,
            _ => self.backends.interpreter.name(),
        };
        ProgramProfile {
            operator: self.operator,
            backend: backend.into(),
            statements: self.code.program.body.statements.len(),
            batches: self.batches.load(Relaxed),
            rows: self.rows.load(Relaxed),
            compiling: Duration::from_nanos(self.compile_ns.load(Relaxed)),
            switched_at: (switched_at != NEVER).then_some(switched_at),
        }
    }
}

impl Compiled {
    fn as_parts(&self) -> (&'static str, &dyn Executable) {
        (self.backend, self.executable.as_ref())
    }
}
