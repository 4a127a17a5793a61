//! How wasmtime is set up, and the clock that interrupts what runs too long.

use std::sync::Mutex;
use std::time::Duration;

use nyala_schema::{Error, Result};
use wasmtime::{
    Config, Engine, EngineWeak, Inlining, InstanceAllocationStrategy, OptLevel, PoolingAllocationConfig,
    RegallocAlgorithm, WasmBacktraceDetails,
};

use crate::config::{SandboxConfig, UploadLimits};

/// How often running code is asked whether it may go on.
pub const TICK: Duration = Duration::from_millis(5);
/// What guest code may use of the calling thread's stack.
pub const STACK_BYTES: usize = 512 << 10;
/// Every 32-bit address is inside it, so that loads and stores need no check.
const MEMORY_RESERVATION_BYTES: u64 = 4 << 30;
/// Driver and function together may be so large, in Cranelift's instructions, and still be inlined.
const INLINED_SIZE_MAX: &str = "4000";
/// Of a freed memory, what is set to zero by hand instead of being given back to the system: cheaper for small guests.
const KEPT_RESIDENT_BYTES: usize = 256 << 10;

/// The settings that code is compiled with. Code of one kind does not run on an engine of another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum EngineKind {
    /// Modules that are called once a batch.
    Batch,
    /// Components of a loop and the functions that it calls, inlined across modules; without `epochs` nothing interrupts
    /// them, which is right only where the loop's own length bounds the time.
    Kernel { epochs: bool, effort: Effort },
}

/// How much time the compiler takes for good code. Code of either runs on the same engine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Effort {
    Full,
    /// Half the time, and code half as fast.
    Quick,
}

impl EngineKind {
    pub(crate) fn to_byte(self) -> u8 {
        match self {
            Self::Batch => 0,
            Self::Kernel { epochs: true, effort: Effort::Full } => 1,
            Self::Kernel { epochs: false, effort: Effort::Full } => 2,
            Self::Kernel { epochs: true, effort: Effort::Quick } => 3,
            Self::Kernel { epochs: false, effort: Effort::Quick } => 4,
        }
    }

    pub(crate) fn from_byte(byte: u8) -> Option<Self> {
        match byte {
            0 => Some(Self::Batch),
            1 => Some(Self::Kernel { epochs: true, effort: Effort::Full }),
            2 => Some(Self::Kernel { epochs: false, effort: Effort::Full }),
            3 => Some(Self::Kernel { epochs: true, effort: Effort::Quick }),
            4 => Some(Self::Kernel { epochs: false, effort: Effort::Quick }),
            _ => None,
        }
    }

    /// Everything that decides what code comes out, and whether it loads; where instances are placed is not part of it.
    fn config(self) -> Config {
        let mut config = Config::new();
        config
            .wasm_memory64(false)
            .wasm_multi_memory(self != Self::Batch)
            .wasm_tail_call(false)
            .wasm_relaxed_simd(false)
            .memory_reservation(MEMORY_RESERVATION_BYTES)
            .signals_based_traps(true)
            .cranelift_nan_canonicalization(self == Self::Batch)
            .native_unwind_info(true)
            .wasm_backtrace_details(WasmBacktraceDetails::Enable)
            .max_wasm_stack(STACK_BYTES)
            .concurrency_support(false);
        match self {
            Self::Batch => config.epoch_interruption(true),
            Self::Kernel { epochs, effort } => {
                // SAFETY: this setting only says how much is inlined.
                unsafe {
                    config.cranelift_flag_set("wasmtime_inlining_sum_size_threshold", INLINED_SIZE_MAX)
                };
                // Errors of kernels say which function and row, and nothing reads where in the code it was.
                config
                    .epoch_interruption(epochs)
                    .generate_address_map(false)
                    .native_unwind_info(false)
                    .wasm_wide_arithmetic(true)
                    .compiler_inlining(Inlining::InterModule);
                if effort == Effort::Quick {
                    config
                        .cranelift_regalloc_algorithm(RegallocAlgorithm::SinglePass)
                        .cranelift_opt_level(OptLevel::None);
                }
                &mut config
            }
        };
        config
    }

    /// An engine that only compiles.
    pub(crate) fn compiler(self) -> Result<Engine> {
        Engine::new(&self.config()).map_err(|error| setup_error(&error))
    }
}

/// An engine whose instances come out of a pool: a new one takes microseconds, and its memory is zero.
///
/// # Errors
/// Internal, when the system does not give the address space.
pub(crate) fn pooled(config: &SandboxConfig) -> Result<Engine> {
    let mut settings = EngineKind::Batch.config();
    settings.allocation_strategy(InstanceAllocationStrategy::Pooling(pool(config)));
    let engine = Engine::new(&settings).or_else(|error| {
        tracing::warn!(
            "instances are placed one by one, since there is no address space for a pool: {error:#}"
        );
        Engine::new(&EngineKind::Batch.config()).map_err(|error| setup_error(&error))
    })?;
    interrupt(&engine);
    Ok(engine)
}

fn pool(config: &SandboxConfig) -> PoolingAllocationConfig {
    let UploadLimits { tables_max, table_elements_max, .. } = config.upload;
    let mut pool = PoolingAllocationConfig::new();
    pool.total_core_instances(config.instances_max)
        .total_memories(config.instances_max)
        .total_tables(config.instances_max.saturating_mul(2))
        .max_memories_per_module(1)
        .max_tables_per_module(tables_max)
        .table_elements(table_elements_max as usize)
        .linear_memory_keep_resident(KEPT_RESIDENT_BYTES)
        .table_keep_resident(KEPT_RESIDENT_BYTES);
    pool
}

/// An engine for kernels, whose instances are placed one by one.
///
/// # Errors
/// Internal, when the machine does not have what wasmtime needs.
pub fn kernel(epochs: bool) -> Result<Engine> {
    let engine = EngineKind::Kernel { epochs, effort: Effort::Full }.compiler()?;
    if epochs {
        interrupt(&engine);
    }
    Ok(engine)
}

fn setup_error(error: &wasmtime::Error) -> Error {
    Error::internal(format!("WebAssembly cannot be set up on this machine: {error:#}"))
}

static TICKED: Mutex<Vec<EngineWeak>> = Mutex::new(Vec::new());

/// Ticks `engine` as long as it lives. One thread does it for all engines of the process; it ends with the last of them.
fn interrupt(engine: &Engine) {
    let mut ticked = TICKED.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    ticked.push(engine.weak());
    if ticked.len() > 1 {
        return;
    }
    let started = std::thread::Builder::new().name("nyala-guest-clock".to_owned()).spawn(|| {
        loop {
            std::thread::sleep(TICK);
            let mut ticked = TICKED.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
            ticked.retain(|engine| engine.upgrade().inspect(Engine::increment_epoch).is_some());
            if ticked.is_empty() {
                return;
            }
        }
    });
    if let Err(error) = started {
        tracing::error!("guest code is not interrupted, since no thread could be started: {error}");
        ticked.clear();
    }
}
