//! The engine that sessions share.

use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

use nyala_catalog::{Blobs, Catalog, FileBlobs, MemoryBlobs, MemoryStore, SledStore, Store};
use nyala_executor::{Executor, ExecutorConfig};
use nyala_frontend::Frontend;
use nyala_interpreter::{FunctionLibrary, Interpreter};
use nyala_native::NativeBackend;
use nyala_sandbox::{CompilerChoice, Modules, Sandbox, SandboxConfig, UploadLimits};
use nyala_schema::Result;
use nyala_schema::command::{Command, DropKind};
use nyala_schema::guest::ModuleHash;
use nyala_schema::option::Options;
use nyala_schema::table::TableDefinition;
use nyala_storage::Storage;

use crate::memory;
use crate::modules::{InUse, ModuleStore};
use crate::session::Session;
use crate::tables::StorageScans;

/// How to open an engine. The default keeps everything in memory.
#[derive(Debug, Clone, Default)]
pub struct Config {
    /// Where definitions persist.
    pub data: Option<PathBuf>,
    /// A program that compiles uploaded modules when it is run with `compile-module`; without it they are compiled in
    /// this process.
    pub compiler: Option<PathBuf>,
    /// Options that sessions start with.
    pub options: Options,
    /// Sends every plan through its wire form and back, and fails when it comes back changed: for tests.
    pub check_wire: bool,
}

impl Config {
    /// For the `nyala` program, which is also its own compiler of modules.
    pub fn of_program() -> Self {
        Self { compiler: std::env::current_exe().ok(), ..Self::default() }
    }
}

/// The options of a session on this machine when nothing is said.
pub fn default_options() -> Options {
    let mut options = Options::default();
    if let Some(limit) = memory::default_limit() {
        options.memory_limit = limit;
    }
    options
}

/// All that a process needs to run SQL.
pub struct Engine {
    pub(crate) catalog: Catalog,
    pub(crate) storage: Storage,
    pub(crate) executor: Executor,
    pub(crate) native: Arc<NativeBackend>,
    pub(crate) sandbox: Arc<Sandbox>,
    pub(crate) modules: Arc<ModuleStore>,
    pub(crate) defaults: Options,
    pub(crate) check_wire: bool,
    frontend: OnceLock<Frontend>,
    memory_version: AtomicU64,
}

impl Engine {
    /// # Errors
    /// `Store` when the data directory is damaged, locked by another process or not writable.
    pub fn open(config: Config) -> Result<Arc<Engine>> {
        let store: Box<dyn Store> = match &config.data {
            Some(folder) => Box::new(SledStore::open(folder)?),
            None => Box::new(MemoryStore::default()),
        };
        let blobs: Box<dyn Blobs> = match &config.data {
            Some(folder) => Box::new(FileBlobs::open(folder)?),
            None => Box::new(MemoryBlobs::default()),
        };
        let catalog = Catalog::open(store)?;
        forget_memory_tables(&catalog)?;
        let modules = Arc::new(ModuleStore::new(blobs));
        modules.collect(&catalog.snapshot())?;
        let sandbox = Sandbox::new(sandbox_config(&config), modules.clone())?;
        let storage = Storage::new();
        storage.set_column_cache(memory::column_cache_limit());
        let interpreter = Arc::new(Interpreter::with_guests(sandbox.clone()));
        let native = Arc::new(NativeBackend::new(interpreter.clone()));
        let executor = Executor::new(ExecutorConfig {
            threads: config.options.threads,
            interpreter: interpreter.clone(),
            native: Some(native.clone()),
            wasm: Some(Arc::new(sandbox.backend(interpreter.clone()))),
            guests: Some(sandbox.clone()),
            library: Arc::new(FunctionLibrary::with_guests(sandbox.clone())),
            scans: Arc::new(StorageScans(storage.clone())),
        });
        Ok(Arc::new(Engine {
            catalog,
            storage,
            executor,
            native,
            sandbox,
            modules,
            defaults: config.options,
            check_wire: config.check_wire,
            frontend: OnceLock::new(),
            memory_version: AtomicU64::new(1),
        }))
    }

    pub fn session(self: &Arc<Self>) -> Session {
        Session::new(self.clone())
    }

    /// Made when the first statement needs it, so that a program starts at once.
    pub(crate) fn frontend(&self) -> &Frontend {
        self.frontend.get_or_init(Frontend::new)
    }

    pub(crate) fn upload_limits(&self) -> &UploadLimits {
        self.sandbox.upload_limits()
    }

    /// # Errors
    /// `Store` when the bytes cannot be read.
    pub(crate) fn module_bytes(&self, hash: ModuleHash) -> Result<Arc<[u8]>> {
        self.modules.bytes(hash)
    }

    /// To be held by a statement from before it takes its snapshot: the code that this names stays as long.
    pub(crate) fn use_modules(&self) -> InUse {
        self.modules.in_use()
    }

    /// Gives up the bytes that nothing names any more, unless another statement runs.
    ///
    /// # Errors
    /// `Store` when they cannot be removed.
    pub(crate) fn collect_modules(&self, own: InUse) -> Result<()> {
        drop(own);
        self.modules.collect(&self.catalog.snapshot())
    }

    /// A version that no memory table of this process has had.
    pub(crate) fn next_memory_version(&self) -> u64 {
        self.memory_version.fetch_add(1, Ordering::Relaxed)
    }
}

fn sandbox_config(config: &Config) -> SandboxConfig {
    SandboxConfig {
        artefacts: config.data.as_ref().map(|folder| folder.join("artefacts")),
        compiler: config.compiler.clone().map_or(CompilerChoice::InProcess, CompilerChoice::Child),
        ..SandboxConfig::default()
    }
}

/// Rows in memory ended with the process that held them, so their definitions go as well.
fn forget_memory_tables(catalog: &Catalog) -> Result<()> {
    let snapshot = catalog.snapshot();
    let gone =
        snapshot.tables.iter().filter(|(_, table)| matches!(table.as_ref(), TableDefinition::Memory { .. }));
    for (name, _) in gone {
        catalog.commit(&Command::DropTable { name: name.clone(), if_exists: true, kind: DropKind::Table })?;
    }
    Ok(())
}
