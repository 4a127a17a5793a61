//! The engine that sessions share.

use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

use nyala_catalog::{Catalog, MemoryStore, SledStore, Store};
use nyala_executor::{Executor, ExecutorConfig};
use nyala_frontend::Frontend;
use nyala_interpreter::{FunctionLibrary, Interpreter};
use nyala_native::NativeBackend;
use nyala_schema::Result;
use nyala_schema::command::{Command, DropKind};
use nyala_schema::option::Options;
use nyala_schema::table::TableDefinition;
use nyala_storage::Storage;

use crate::memory;
use crate::session::Session;
use crate::tables::StorageScans;

/// How to open an engine. The default keeps everything in memory.
#[derive(Debug, Clone, Default)]
pub struct Config {
    /// Where definitions persist.
    pub data: Option<PathBuf>,
    /// Options that sessions start with.
    pub options: Options,
    /// Sends every plan through its wire form and back, and fails when it comes back changed: for tests.
    pub check_wire: bool,
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
        let catalog = Catalog::open(store)?;
        forget_memory_tables(&catalog)?;
        let storage = Storage::new();
        let interpreter = Arc::new(Interpreter::new());
        let native = Arc::new(NativeBackend::new(interpreter.clone()));
        let executor = Executor::new(ExecutorConfig {
            threads: config.options.threads,
            interpreter,
            native: Some(native.clone()),
            wasm: None,
            library: Arc::new(FunctionLibrary::new()),
            guests: None,
            scans: Arc::new(StorageScans(storage.clone())),
        });
        Ok(Arc::new(Engine {
            catalog,
            storage,
            executor,
            native,
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

    /// A version that no memory table of this process has had.
    pub(crate) fn next_memory_version(&self) -> u64 {
        self.memory_version.fetch_add(1, Ordering::Relaxed)
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
