//! What the process allows uploaded code, and where the sandbox gets its bytes from.

use std::path::PathBuf;
use std::sync::Arc;

use nyala_schema::Result;
use nyala_schema::guest::ModuleHash;

/// Settings of a [`Sandbox`](crate::Sandbox).
#[derive(Debug, Clone)]
pub struct SandboxConfig {
    /// Where compiled modules are kept over restarts; `None`: nowhere.
    pub artefacts: Option<PathBuf>,
    pub compiler: CompilerChoice,
    pub upload: UploadLimits,
    /// The most instances that live at the same time in the process.
    pub instances_max: u32,
    /// Compiled modules that are kept in memory.
    pub modules_max: usize,
    /// The most bytes that one call may give back.
    pub output_bytes_max: u64,
    /// The most bytes of one instance's scratch file.
    pub scratch_bytes_max: u64,
}

impl Default for SandboxConfig {
    fn default() -> Self {
        Self {
            artefacts: None,
            compiler: CompilerChoice::InProcess,
            upload: UploadLimits::default(),
            instances_max: 1024,
            modules_max: 256,
            output_bytes_max: 128 << 20,
            scratch_bytes_max: 1 << 30,
        }
    }
}

/// Where modules are compiled.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CompilerChoice {
    /// On the calling thread: for tests and for programs that embed the engine and have no second program at hand.
    InProcess,
    /// By `PROGRAM compile-module`, which calls [`compile_child`](crate::compile_child): a module that makes the compiler use
    /// too much time or memory, or crash, takes only that process down.
    Child(PathBuf),
}

/// What a module may consist of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UploadLimits {
    pub module_bytes_max: u64,
    pub functions_max: u32,
    pub function_bytes_max: u32,
    pub tables_max: u32,
    pub table_elements_max: u32,
    pub globals_max: u32,
    /// What the memory may have before the first call.
    pub memory_bytes_max: u64,
    pub manifest_bytes_max: u32,
}

impl Default for UploadLimits {
    fn default() -> Self {
        Self {
            module_bytes_max: 16 << 20,
            functions_max: 20_000,
            function_bytes_max: 512 << 10,
            tables_max: 4,
            table_elements_max: 65_536,
            globals_max: 1_000,
            memory_bytes_max: 1 << 30,
            manifest_bytes_max: 1 << 20,
        }
    }
}

/// The blob store, as the sandbox sees it.
pub trait Modules: Send + Sync {
    /// # Errors
    /// `UndefinedObject` or `InvalidModule` when no such module is stored; what reading it gives.
    fn bytes(&self, hash: ModuleHash) -> Result<Arc<[u8]>>;
}
