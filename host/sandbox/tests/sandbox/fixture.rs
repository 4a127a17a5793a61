//! A store of modules, a query that can be watched, and the frame that every module needs.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use arrow::datatypes::DataType;
use nyala_pipeline::guest::{GuestUsage, Supervised, Supervisor};
use nyala_sandbox::{Modules, Sandbox, SandboxConfig, UploadLimits, inspect, to_wasm};
use nyala_schema::expr::Volatility;
use nyala_schema::guest::{GuestCode, GuestFunction, Limits, ModuleHash, Tier};
use nyala_schema::{Error, ErrorCode, Result};

/// Modules by hash, in memory.
#[derive(Default)]
pub struct Stored(Mutex<HashMap<ModuleHash, Arc<[u8]>>>);

impl Modules for Stored {
    fn bytes(&self, hash: ModuleHash) -> Result<Arc<[u8]>> {
        let stored = self.0.lock().unwrap();
        stored.get(&hash).cloned().ok_or_else(|| Error::new(ErrorCode::UndefinedObject, "no such module"))
    }
}

pub struct Fixture {
    pub sandbox: Arc<Sandbox>,
    pub stored: Arc<Stored>,
}

impl Fixture {
    pub fn new() -> Self {
        Self::with(SandboxConfig { instances_max: 64, ..SandboxConfig::default() })
    }

    pub fn with(config: SandboxConfig) -> Self {
        let stored = Arc::new(Stored::default());
        Self { sandbox: Sandbox::new(config, stored.clone()).unwrap(), stored }
    }

    /// Stores the module and names its function `f` with these types.
    pub fn function(&self, wat: &str, arguments: &[DataType], returns: DataType) -> GuestFunction {
        GuestFunction {
            code: self.code(wat),
            tier: Tier::Batch,
            arguments: arguments.to_vec(),
            returns,
            strict: true,
            volatility: Volatility::Immutable,
            cost: 100,
            rows_per_row: 100,
        }
    }

    pub fn code(&self, wat: &str) -> GuestCode {
        let bytes = to_wasm(wat).unwrap_or_else(|error| panic!("{error}\n{wat}"));
        let hash = inspect(&bytes, &UploadLimits::default()).unwrap().hash;
        self.stored.0.lock().unwrap().insert(hash, bytes.into());
        GuestCode {
            name: "f".to_owned(),
            version: 1,
            module: hash,
            export: "f".to_owned(),
            limits: Limits { memory_bytes: 16 << 20, time_per_batch_ms: 200, ..Limits::default() },
        }
    }
}

/// What a module needs beside its functions: memory and a bump allocator behind `$top`. `body` may use `$fail`.
pub fn module(body: &str) -> String {
    format!(
        r#"(module
  (import "nyala" "fail" (func $fail (param i32 i32 i32)))
  (memory (export "memory") 2)
  (global $top (mut i32) (i32.const 4096))
  (func $alloc (export "nyala_alloc") (param $size i32) (param $align i32) (result i32)
    (local $at i32)
    (local.set $at (i32.and (i32.add (global.get $top) (i32.const 15)) (i32.const -16)))
    (global.set $top (i32.add (local.get $at) (local.get $size)))
    (if (i32.gt_u (global.get $top) (i32.mul (memory.size) (i32.const 65536)))
      (then (if (i32.eq (i32.const -1)
        (memory.grow (i32.add (i32.const 1) (i32.div_u (local.get $size) (i32.const 65536)))))
        (then (return (i32.const 0))))))
    (local.get $at))
  (func (export "nyala_reset") (global.set $top (i32.const 4096)))
  {body})"#
    )
}

/// Gives the first column of the batch back.
pub fn identity() -> String {
    module("(func (export \"nyala_scalar_f\") (param $batch i32) (result i32) (i32.load (local.get $batch)))")
}

/// A query whose memory and end are watched.
#[derive(Default)]
pub struct Query {
    pub cancelled: AtomicBool,
    pub held: AtomicU64,
    /// 0: no limit.
    pub memory_max: u64,
    pub usage: Mutex<Vec<GuestUsage>>,
}

impl Query {
    pub fn enter(self: &Arc<Self>) -> Supervised {
        Supervised::enter(self.clone())
    }

    pub fn held(&self) -> u64 {
        self.held.load(Ordering::SeqCst)
    }
}

impl Supervisor for Query {
    fn is_cancelled(&self) -> bool {
        self.cancelled.load(Ordering::SeqCst)
    }

    fn grow(&self, bytes: u64) -> Result<()> {
        if self.memory_max > 0 && self.held() + bytes > self.memory_max {
            return Err(Error::new(ErrorCode::OutOfMemory, "the query has used its memory"));
        }
        self.held.fetch_add(bytes, Ordering::SeqCst);
        Ok(())
    }

    fn shrink(&self, bytes: u64) {
        self.held.fetch_sub(bytes, Ordering::SeqCst);
    }

    fn record(&self, _: &GuestCode, usage: &GuestUsage) {
        self.usage.lock().unwrap().push(*usage);
    }
}
