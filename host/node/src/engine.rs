//! The engine that sessions share.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use nyala_catalog::{
    Blobs, Catalog, CatalogHandle, FileBlobs, MemoryBlobs, MemoryStore, SledStore, Snapshot, Store,
};
use nyala_executor::{Executor, ExecutorConfig, MemoryPool};
use nyala_frontend::Frontend;
use nyala_interpreter::{FunctionLibrary, Interpreter};
use nyala_native::NativeBackend;
use nyala_sandbox::{CompilerChoice, Modules, Sandbox, SandboxConfig, UploadLimits};
use nyala_schema::guest::ModuleHash;
use nyala_schema::option::Options;
use nyala_schema::{Error, ErrorCode, Result};
use nyala_storage::Storage;
use nyala_storage::managed::Warehouse;

use crate::memory;
use crate::modules::{InUse, ModuleStore};
use crate::network::Network;
use crate::session::Session;
use crate::snapshots::Snapshots;
use crate::statements::Statements;
use crate::tables::StorageScans;
use crate::write::FoldedTables;
use crate::writing::Writing;

/// How to open an engine. The default keeps everything in memory.
#[derive(Debug, Clone, Default)]
pub struct Config {
    /// Where the catalog persists, and the files of tables unless `warehouse` says another place.
    pub data: Option<PathBuf>,
    /// A folder or the URL of an object store for the files of tables. Only with `data`.
    pub warehouse: Option<String>,
    /// Once in this time, if something has changed, the catalog keeps a snapshot of itself. `None` is daily.
    pub snapshot_every: Option<Duration>,
    /// A program that compiles uploaded modules when it is run with `compile-module`; without it they are compiled in
    /// this process.
    pub compiler: Option<PathBuf>,
    /// Options that sessions start with.
    pub options: Options,
    /// Bytes that all queries may hold together. `None`: as much as the machine has for them, or one query may hold.
    pub memory_bytes: Option<u64>,
    /// Sends every plan through its wire form and back, and fails when it comes back changed: for tests.
    pub check_wire: bool,
    /// `SET fault` is allowed: for tests.
    pub allow_faults: bool,
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

/// What all queries of an engine share, which is at `place`.
fn memory_pool(config: &Config, place: &str) -> Arc<MemoryPool> {
    let machine = memory::default_limit().unwrap_or(0);
    MemoryPool::new(config.memory_bytes.unwrap_or(machine.max(config.options.memory_limit)), place)
}

/// All that a process needs to run SQL.
pub struct Engine {
    pub(crate) catalog: Arc<dyn CatalogHandle>,
    pub(crate) snapshots: Snapshots,
    pub(crate) storage: Storage,
    pub(crate) writing: Arc<Writing>,
    pub(crate) executor: Arc<Executor>,
    pub(crate) statements: Statements,
    pub(crate) native: Arc<NativeBackend>,
    pub(crate) sandbox: Arc<Sandbox>,
    pub(crate) modules: Arc<ModuleStore>,
    pub(crate) defaults: Options,
    pub(crate) check_wire: bool,
    pub(crate) allow_faults: bool,
    /// Held by the one statement that tries again after several attempts.
    pub(crate) trying_again: Mutex<()>,
    pub(crate) folded_tables: FoldedTables,
    frontend: OnceLock<Frontend>,
    /// Of the engine of a node.
    network: OnceLock<Arc<Network>>,
}

/// What an engine stands on.
pub(crate) struct Ground {
    /// For people.
    pub place: String,
    pub catalog: Arc<dyn CatalogHandle>,
    pub blobs: Box<dyn Blobs>,
    pub warehouse: Warehouse,
    pub writing: Writing,
    /// Its queries have no threads: whoever has the executor has it work.
    pub is_driven: bool,
}

impl Engine {
    /// # Errors
    /// `Store` when the data directory is damaged, locked by another process or not writable; `InvalidParameter` for a
    /// warehouse without it.
    pub fn open(config: Config) -> Result<Arc<Engine>> {
        let store: Box<dyn Store> = match &config.data {
            Some(folder) => Box::new(open_store(folder, config.snapshot_every)?),
            None => Box::new(MemoryStore::default()),
        };
        let blobs: Box<dyn Blobs> = match &config.data {
            Some(folder) => Box::new(FileBlobs::open(folder)?),
            None => Box::new(MemoryBlobs::default()),
        };
        let catalog = Catalog::open(store)?;
        let newest = catalog.snapshot();
        let warehouse = open_warehouse(&config, &newest)?;
        let writing = Writing::open(config.data.as_deref(), &warehouse, &newest)?;
        let place = "this process".to_owned();
        let catalog = Arc::new(catalog);
        Self::on(Ground { place, catalog, blobs, warehouse, writing, is_driven: false }, config)
    }

    /// On what is open already.
    ///
    /// # Errors
    /// `Store` when modules cannot be read.
    pub(crate) fn on(ground: Ground, config: Config) -> Result<Arc<Engine>> {
        let Ground { place, catalog, blobs, warehouse, writing, is_driven } = ground;
        let modules = Arc::new(ModuleStore::new(blobs));
        modules.collect(&catalog.snapshot())?;
        let sandbox = Sandbox::new(sandbox_config(&config), modules.clone())?;
        let storage = Storage::with_warehouse(warehouse);
        storage.set_column_cache(memory::column_cache_limit());
        let interpreter = Arc::new(Interpreter::with_guests(sandbox.clone()));
        let native = Arc::new(NativeBackend::new(interpreter.clone()));
        let executor = Executor::new(ExecutorConfig {
            threads: if is_driven { 0 } else { config.options.threads },
            interpreter: interpreter.clone(),
            native: Some(native.clone()),
            wasm: Some(Arc::new(sandbox.backend(interpreter.clone()))),
            guests: Some(sandbox.clone()),
            library: Arc::new(FunctionLibrary::with_guests(sandbox.clone())),
            scans: Arc::new(StorageScans { storage: storage.clone(), allow_faults: config.allow_faults }),
            memory: memory_pool(&config, &place),
        });
        Ok(Arc::new(Engine {
            catalog,
            snapshots: Snapshots::default(),
            storage,
            writing: Arc::new(writing),
            executor: Arc::new(executor),
            statements: Statements::default(),
            native,
            sandbox,
            modules,
            defaults: config.options,
            check_wire: config.check_wire,
            allow_faults: config.allow_faults,
            trying_again: Mutex::default(),
            folded_tables: FoldedTables::default(),
            frontend: OnceLock::new(),
            network: OnceLock::new(),
        }))
    }

    pub fn session(self: &Arc<Self>) -> Session {
        Session::new(self.clone())
    }

    /// The other nodes; `None` for an engine that is embedded.
    pub(crate) fn network(&self) -> Option<&Network> {
        self.network.get().map(Arc::as_ref)
    }

    pub(crate) fn is_simulated(&self) -> bool {
        self.network().is_some_and(|network| network.random.is_some())
    }

    /// Once, before the first session.
    pub(crate) fn set_network(&self, network: Arc<Network>) {
        let _ = self.network.set(network);
    }

    /// Ends the connections with all other nodes; they are made again when they are needed.
    pub(crate) fn drop_connections(&self) {
        if let Some(network) = self.network() {
            network.drop_connections();
        }
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
        self.modules.collect(&self.newest())
    }

    /// The newest snapshot of the catalog. The files that it names stay as long as somebody holds it.
    pub(crate) fn newest(&self) -> Arc<Snapshot> {
        self.snapshots.newest(&*self.catalog)
    }

    /// A number that nothing else has.
    pub(crate) fn new_id(&self) -> u128 {
        let drawn = self.network().and_then(Network::draw_id);
        drawn.unwrap_or_else(|| uuid::Uuid::now_v7().as_u128())
    }

    /// Milliseconds since 1970.
    pub(crate) fn now_ms(&self) -> i64 {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
    }

    pub(crate) fn warehouse(&self) -> &Warehouse {
        self.storage.warehouse()
    }
}

fn open_store(folder: &Path, snapshot_every: Option<Duration>) -> Result<SledStore> {
    let store = SledStore::open(folder)?;
    Ok(match snapshot_every {
        Some(every) => store.with_snapshot_interval(i64::try_from(every.as_millis()).unwrap_or(i64::MAX)),
        None => store,
    })
}

/// In the data folder unless another place is named.
fn open_warehouse(config: &Config, snapshot: &Snapshot) -> Result<Warehouse> {
    const FOLDER: &str = "warehouse";
    match (&config.data, &config.warehouse) {
        (Some(data), None) => {
            let folder = data.join(FOLDER);
            require_there(&folder, snapshot)?;
            Warehouse::open(&folder.to_string_lossy())
        }
        (None, None) => Ok(Warehouse::in_memory()),
        (None, Some(location)) => {
            let message = format!("the warehouse {location} needs a catalog that outlives this process");
            Err(Error::new(ErrorCode::InvalidParameter, message).with_hint("give --data DIR as well"))
        }
        (Some(_), Some(location)) => {
            if !location.contains("://") {
                require_there(Path::new(location), snapshot)?;
            }
            Warehouse::open(location)
        }
    }
}

/// An empty folder in the place of one that is gone would hide that tables have lost their files.
fn require_there(folder: &Path, snapshot: &Snapshot) -> Result<()> {
    if folder.exists() {
        return Ok(());
    }
    let tables = snapshot.tables.values().filter_map(|table| table.managed());
    let mut files = tables.flat_map(|table| table.files.iter());
    if files.all(|file| file.paths().next().is_none()) {
        return Ok(());
    }
    let message = format!("the warehouse {} is gone, in which the tables have their files", folder.display());
    Err(Error::new(ErrorCode::FileAccess, message)
        .with_hint("bring the folder back, mount it, or say where it is now with --warehouse"))
}

fn sandbox_config(config: &Config) -> SandboxConfig {
    SandboxConfig {
        artefacts: config.data.as_ref().map(|folder| folder.join("artefacts")),
        compiler: config.compiler.clone().map_or(CompilerChoice::InProcess, CompilerChoice::Child),
        ..SandboxConfig::default()
    }
}
