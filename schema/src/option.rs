//! The options of a session: `SET name = value`. One table feeds parsing, SHOW, completion and help.

use crate::error::{Error, ErrorCode, Result};

/// Which way pipelines run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum BackendChoice {
    /// Interpreted at once, native from the batch on at which the code is ready.
    Auto,
    Interpreter,
    /// Native from the first batch; waits for the compiler.
    Native,
    /// Generated WASM from the first batch; waits for the compiler.
    Wasm,
}

/// How new the catalog is that a statement sees, on a node of a cluster.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum CatalogReads {
    /// As new as this node has it, and never older than what the session has seen.
    Local,
    /// Asks the other nodes: all that was committed anywhere before the statement began.
    Latest,
}

/// Whether a query runs on several nodes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum DistributionChoice {
    /// When there is enough to read for it to be worth the exchanges.
    Auto,
    /// Whatever its size.
    Always,
    /// On the coordinator alone.
    Never,
}

/// What is done to rows that go from node to node.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ExchangeCompression {
    None,
    /// Batches that become smaller by it: worth it where the network is slower than LZ4.
    Lz4,
}

#[derive(Debug, Clone, PartialEq)]
pub struct Options {
    pub backend: BackendChoice,
    /// Everything is also interpreted, and a difference is an error.
    pub verify_backends: bool,
    /// Worker threads of one query, at most.
    pub threads: usize,
    /// Bytes that one query's operators may hold, on each node.
    pub memory_limit: u64,
    /// Rows of a batch.
    pub batch_rows: usize,
    pub runtime_filters: bool,
    pub join_reordering: bool,
    pub distribution: DistributionChoice,
    pub exchange_compression: ExchangeCompression,
    /// Whether scans use and fill the cache of decoded columns.
    pub column_cache: bool,
    /// For date and time functions.
    pub time_zone: String,
    /// Whose limits queries run under.
    pub pool: String,
    pub catalog_reads: CatalogReads,
    /// `name[:argument]` of what is to go wrong, for tests; empty for nothing.
    pub fault: String,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            backend: BackendChoice::Auto,
            verify_backends: false,
            threads: std::thread::available_parallelism().map_or(1, usize::from),
            memory_limit: DEFAULT_MEMORY_LIMIT,
            batch_rows: DEFAULT_BATCH_ROWS,
            runtime_filters: true,
            join_reordering: true,
            distribution: DistributionChoice::Auto,
            exchange_compression: ExchangeCompression::None,
            column_cache: true,
            time_zone: "UTC".to_owned(),
            pool: DEFAULT_POOL.to_owned(),
            catalog_reads: CatalogReads::Local,
            fault: String::new(),
        }
    }
}

/// Used when the machine's memory is not known; `host/node` sets a part of what there is.
pub const DEFAULT_MEMORY_LIMIT: u64 = 4 << 30;
/// The pool of who names none.
pub const DEFAULT_POOL: &str = "default";
pub const DEFAULT_BATCH_ROWS: usize = 8192;
const BATCH_ROWS_MAX: usize = 65_536;
const THREADS_MAX: usize = 1024;
/// Bytes of a name that an option takes.
const NAME_BYTES_MAX: usize = 128;

/// One option as people see it.
pub struct OptionInfo {
    pub name: &'static str,
    pub description: &'static str,
    get: fn(&Options) -> String,
    set: fn(&mut Options, &str) -> Result<(), String>,
}

pub const OPTIONS: &[OptionInfo] = &[
    OptionInfo {
        name: "backend",
        description: "how pipelines run: auto, interpreter, native or wasm",
        get: |options| format!("{:?}", options.backend).to_lowercase(),
        set: |options, text| {
            options.backend = match text.to_lowercase().as_str() {
                "auto" => BackendChoice::Auto,
                "interpreter" => BackendChoice::Interpreter,
                "native" => BackendChoice::Native,
                "wasm" => BackendChoice::Wasm,
                _ => return Err("one of auto, interpreter, native, wasm".into()),
            };
            Ok(())
        },
    },
    OptionInfo {
        name: "verify_backends",
        description: "whether everything is also interpreted and compared: on or off",
        get: |options| on_off(options.verify_backends),
        set: |options, text| set_switch(&mut options.verify_backends, text),
    },
    OptionInfo {
        name: "threads",
        description: "worker threads of one query, at most",
        get: |options| options.threads.to_string(),
        set: |options, text| set_number(&mut options.threads, text, 1, THREADS_MAX),
    },
    OptionInfo {
        name: "memory_limit",
        description: "memory that one query may hold on each node, e.g. 512MB or 4GiB",
        get: |options| format_bytes(options.memory_limit),
        set: |options, text| {
            options.memory_limit = parse_bytes(text).ok_or("a size such as 512MB or 4GiB")?;
            Ok(())
        },
    },
    OptionInfo {
        name: "batch_rows",
        description: "rows that operators handle at once",
        get: |options| options.batch_rows.to_string(),
        set: |options, text| set_number(&mut options.batch_rows, text, 1, BATCH_ROWS_MAX),
    },
    OptionInfo {
        name: "runtime_filters",
        description: "whether joins drop rows early in scans: on or off",
        get: |options| on_off(options.runtime_filters),
        set: |options, text| set_switch(&mut options.runtime_filters, text),
    },
    OptionInfo {
        name: "join_reordering",
        description: "whether joins are ordered by cost: on or off",
        get: |options| on_off(options.join_reordering),
        set: |options, text| set_switch(&mut options.join_reordering, text),
    },
    OptionInfo {
        name: "distribution",
        description: "whether a query runs on several nodes: auto, always or never",
        get: |options| format!("{:?}", options.distribution).to_lowercase(),
        set: |options, text| {
            options.distribution = match text.to_lowercase().as_str() {
                "auto" => DistributionChoice::Auto,
                "always" => DistributionChoice::Always,
                "never" => DistributionChoice::Never,
                _ => return Err("one of auto, always, never".into()),
            };
            Ok(())
        },
    },
    OptionInfo {
        name: "exchange_compression",
        description: "how rows are compressed that go from node to node: none or lz4",
        get: |options| format!("{:?}", options.exchange_compression).to_lowercase(),
        set: |options, text| {
            options.exchange_compression = match text.to_lowercase().as_str() {
                "none" => ExchangeCompression::None,
                "lz4" => ExchangeCompression::Lz4,
                _ => return Err("one of none, lz4".into()),
            };
            Ok(())
        },
    },
    OptionInfo {
        name: "column_cache",
        description: "whether decoded columns of files are kept and used again: on or off",
        get: |options| on_off(options.column_cache),
        set: |options, text| set_switch(&mut options.column_cache, text),
    },
    OptionInfo {
        name: "time_zone",
        description: "time zone of date and time functions, e.g. UTC or +02:00",
        get: |options| options.time_zone.clone(),
        set: |options, text| {
            let zone: Result<arrow::array::timezone::Tz, _> = text.parse();
            zone.map_err(|_| "a zone such as UTC or +02:00")?;
            options.time_zone = text.to_owned();
            Ok(())
        },
    },
    OptionInfo {
        name: "pool",
        description: "the pool whose limits queries run under",
        get: |options| options.pool.clone(),
        set: |options, text| {
            if text.is_empty() || text.len() > NAME_BYTES_MAX {
                return Err("the name of a pool".into());
            }
            options.pool = text.to_owned();
            Ok(())
        },
    },
    OptionInfo {
        name: "catalog_reads",
        description: "whether statements see the catalog as this node has it, or ask the cluster: local or latest",
        get: |options| format!("{:?}", options.catalog_reads).to_lowercase(),
        set: |options, text| {
            options.catalog_reads = match text.to_lowercase().as_str() {
                "local" => CatalogReads::Local,
                "latest" => CatalogReads::Latest,
                _ => return Err("one of local, latest".into()),
            };
            Ok(())
        },
    },
    OptionInfo {
        name: "fault",
        description: "what is to go wrong, name or name:argument, where tests allow it",
        get: |options| options.fault.clone(),
        set: |options, text| {
            if text.len() > NAME_BYTES_MAX {
                return Err("a name, or name:argument".into());
            }
            options.fault = text.to_owned();
            Ok(())
        },
    },
];

impl Options {
    /// # Errors
    /// `UndefinedObject` for an unknown name, `InvalidParameter` for a value that does not fit.
    pub fn set(&mut self, name: &str, value: &str) -> Result<()> {
        let option = find(name)?;
        (option.set)(self, value).map_err(|expected| {
            Error::new(ErrorCode::InvalidParameter, format!("option {name} cannot be '{value}'"))
                .with_hint(format!("it takes {expected}"))
        })
    }

    /// # Errors
    /// `UndefinedObject` for an unknown name.
    pub fn get(&self, name: &str) -> Result<String> {
        Ok((find(name)?.get)(self))
    }
}

fn find(name: &str) -> Result<&'static OptionInfo> {
    OPTIONS.iter().find(|option| option.name.eq_ignore_ascii_case(name)).ok_or_else(|| {
        let names: Vec<&str> = OPTIONS.iter().map(|option| option.name).collect();
        Error::new(ErrorCode::UndefinedObject, format!("there is no option '{name}'"))
            .with_hint(format!("options are {}", names.join(", ")))
    })
}

fn on_off(value: bool) -> String {
    if value { "on" } else { "off" }.to_owned()
}

fn set_switch(target: &mut bool, text: &str) -> Result<(), String> {
    *target = match text.to_lowercase().as_str() {
        "on" | "true" | "1" => true,
        "off" | "false" | "0" => false,
        _ => return Err("on or off".into()),
    };
    Ok(())
}

fn set_number(target: &mut usize, text: &str, min: usize, max: usize) -> Result<(), String> {
    match text.parse() {
        Ok(number) if (min..=max).contains(&number) => {
            *target = number;
            Ok(())
        }
        _ => Err(format!("a whole number from {min} to {max}")),
    }
}

const BYTE_UNITS: &[(&str, u64)] = &[
    ("KIB", 1 << 10),
    ("MIB", 1 << 20),
    ("GIB", 1 << 30),
    ("TIB", 1 << 40),
    ("KB", 1_000),
    ("MB", 1_000_000),
    ("GB", 1_000_000_000),
    ("TB", 1_000_000_000_000),
    ("B", 1),
    ("", 1),
];

/// `512MB`, `4 GiB`, `1000`: bytes.
pub fn parse_bytes(text: &str) -> Option<u64> {
    let text = text.trim();
    let digits = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let number: f64 = text[..digits].parse().ok()?;
    let unit = text[digits..].trim().to_uppercase();
    let (_, factor) = BYTE_UNITS.iter().find(|(name, _)| *name == unit)?;
    Some((number * *factor as f64) as u64)
}

/// For people: `4.0 GiB`.
pub fn format_bytes(bytes: u64) -> String {
    const UNITS: [&str; 5] = ["B", "KiB", "MiB", "GiB", "TiB"];
    let mut value = bytes as f64;
    let mut unit = 0;
    while value >= 1024.0 && unit + 1 < UNITS.len() {
        value /= 1024.0;
        unit += 1;
    }
    if unit == 0 { format!("{bytes} B") } else { format!("{value:.1} {}", UNITS[unit]) }
}
