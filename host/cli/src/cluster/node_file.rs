//! The settings of a node: a file in TOML, and what the command line says before it.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use nyala_node::{Error, ErrorCode, NodeConfig, PoolConfig, TlsFiles};
use nyala_schema::cluster::Roles;
use nyala_schema::option::parse_bytes;
use serde::Deserialize;

use super::arguments::{LogFormat, NodeArguments, duration};
use crate::exit::Failure;

/// Names that no setting has are refused: a misspelt one would be a setting that is not made.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
struct NodeFile {
    data: Option<PathBuf>,
    listen: Option<SocketAddr>,
    advertise: Option<String>,
    join: Vec<String>,
    name: Option<String>,
    cluster: Option<String>,
    roles: Vec<String>,
    warehouse: Option<String>,
    http: Option<SocketAddr>,
    insecure: bool,
    memory_limit: Option<String>,
    threads: Option<usize>,
    drain_timeout: Option<String>,
    allow_faults: bool,
    log_format: Option<String>,
    tls: Option<TlsTable>,
    options: BTreeMap<String, toml::Value>,
    pools: BTreeMap<String, PoolTable>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct TlsTable {
    ca: PathBuf,
    cert: PathBuf,
    key: PathBuf,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
struct PoolTable {
    slots: Option<u32>,
    slots_per_user: Option<u32>,
    memory: Option<String>,
    queue: Option<u32>,
    queue_timeout: Option<String>,
    priority: Option<i32>,
}

/// What a node is started with.
pub struct NodeSettings {
    pub config: NodeConfig,
    pub log_format: LogFormat,
}

/// # Errors
/// `Usage`, naming the file or flag.
pub fn settings(arguments: NodeArguments) -> Result<NodeSettings, Failure> {
    let file = match &arguments.config {
        Some(path) => read(path)?,
        None => NodeFile::default(),
    };
    let origin = arguments.config.as_ref().map_or_else(String::new, |path| format!("{}: ", path.display()));
    merged(arguments, file).map_err(|error| Failure::Usage(in_file(error, &origin)))
}

fn in_file(error: Error, origin: &str) -> Error {
    if origin.is_empty() { error } else { error.context(origin.trim_end_matches(": ")) }
}

fn read(path: &Path) -> Result<NodeFile, Failure> {
    let refused = |message: String| Failure::usage(format!("{}: {message}", path.display()));
    let text = std::fs::read_to_string(path).map_err(|error| refused(error.to_string()))?;
    toml::from_str(&text).map_err(|error| refused(error.to_string().trim_end().to_owned()))
}

fn merged(arguments: NodeArguments, file: NodeFile) -> Result<NodeSettings, Error> {
    let data = required(arguments.data.or(file.data), "--data DIR")?;
    let listen = required(arguments.listen.or(file.listen), "--listen ADDR:PORT")?;
    let mut config = NodeConfig::new(data, listen);
    config.compiler = std::env::current_exe().ok();
    config.advertise = arguments.advertise.or(file.advertise);
    config.join = if arguments.join.is_empty() { file.join } else { arguments.join };
    config.name = arguments.name.or(file.name);
    config.cluster = arguments.cluster.or(file.cluster).unwrap_or(config.cluster);
    config.roles = roles(if arguments.roles.is_empty() { &file.roles } else { &arguments.roles })?;
    config.warehouse = arguments.warehouse.or(file.warehouse);
    config.http = arguments.http.or(file.http);
    config.allow_insecure = arguments.insecure || file.insecure;
    config.allow_faults = arguments.allow_faults || file.allow_faults;
    config.tls = tls(&arguments.tls, file.tls);
    if let Some(size) = arguments.memory_limit.or(file.memory_limit) {
        config.memory_bytes = bytes("memory-limit", &size)?;
        // One query may hold what all may.
        config.options.set("memory_limit", &size)?;
    }
    if let Some(threads) = arguments.threads.or(file.threads) {
        config.options.set("threads", &threads.to_string())?;
        config.threads = threads;
    }
    for (name, value) in &file.options {
        config.options.set(name, &value.as_str().map_or_else(|| value.to_string(), str::to_owned))?;
    }
    config.pools = file
        .pools
        .iter()
        .map(|(name, pool)| Ok((name.clone(), pool_config(pool)?)))
        .collect::<Result<_, Error>>()?;
    let drain = file.drain_timeout.as_deref().map(|text| time("drain-timeout", text)).transpose()?;
    config.drain = arguments.drain_timeout.or(drain).unwrap_or(config.drain);
    let log_format = file.log_format.as_deref().map(log_format).transpose()?;
    Ok(NodeSettings { config, log_format: arguments.log_format.or(log_format).unwrap_or_default() })
}

fn required<T>(value: Option<T>, flag: &str) -> Result<T, Error> {
    value.ok_or_else(|| {
        Error::new(ErrorCode::InvalidParameter, format!("a node needs {flag}"))
            .with_hint("`nyala node --help` has examples")
    })
}

fn wrong(name: &str, value: &str, expected: &str) -> Error {
    Error::new(ErrorCode::InvalidParameter, format!("{name} cannot be '{value}'"))
        .with_hint(format!("it takes {expected}"))
}

fn roles(names: &[String]) -> Result<Roles, Error> {
    if names.is_empty() {
        return Ok(Roles::default());
    }
    let mut roles = Roles { coordinator: false, executor: false, catalog: false };
    for name in names {
        match name.trim() {
            "coordinator" => roles.coordinator = true,
            "executor" => roles.executor = true,
            "catalog" => roles.catalog = true,
            other => return Err(wrong("a role", other, "coordinator, executor or catalog")),
        }
    }
    Ok(roles)
}

fn tls(arguments: &crate::connect::TlsArguments, file: Option<TlsTable>) -> Option<TlsFiles> {
    match (&arguments.tls_ca, &arguments.tls_cert, &arguments.tls_key) {
        (Some(ca), Some(certificate), Some(key)) => {
            Some(TlsFiles { ca: ca.clone(), certificate: certificate.clone(), key: key.clone() })
        }
        _ => file.map(|TlsTable { ca, cert, key }| TlsFiles { ca, certificate: cert, key }),
    }
}

fn pool_config(pool: &PoolTable) -> Result<PoolConfig, Error> {
    let usual = PoolConfig::default();
    let queue_timeout = pool.queue_timeout.as_deref().map(|text| time("queue-timeout", text)).transpose()?;
    Ok(PoolConfig {
        slots: pool.slots.or(usual.slots),
        slots_per_user: pool.slots_per_user.or(usual.slots_per_user),
        memory_bytes: pool.memory.as_deref().map(|size| bytes("memory", size)).transpose()?,
        queue: pool.queue.unwrap_or(usual.queue),
        queue_timeout: queue_timeout.unwrap_or(usual.queue_timeout),
        priority: pool.priority.unwrap_or(usual.priority),
    })
}

fn bytes(name: &str, size: &str) -> Result<u64, Error> {
    parse_bytes(size).ok_or_else(|| wrong(name, size, "a size such as 512MB or 4GiB"))
}

fn time(name: &str, text: &str) -> Result<Duration, Error> {
    duration(text).map_err(|expected| wrong(name, text, &expected))
}

fn log_format(text: &str) -> Result<LogFormat, Error> {
    match text {
        "text" => Ok(LogFormat::Text),
        "json" => Ok(LogFormat::Json),
        other => Err(wrong("log-format", other, "text or json")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings_of(text: &str, arguments: NodeArguments) -> Result<NodeSettings, Error> {
        merged(arguments, toml::from_str(text).map_err(|error| Error::internal(error.to_string()))?)
    }

    const FILE: &str = r#"
        data = "/var/lib/nyala"
        listen = "0.0.0.0:7400"
        join = ["a:7400", "b:7400"]
        roles = ["executor"]
        memory-limit = "1GiB"
        drain-timeout = "5min"
        log-format = "json"
        [tls]
        ca = "ca.pem"
        cert = "n.pem"
        key = "n-key.pem"
        [options]
        batch_rows = 1000
        time_zone = "+02:00"
        [pools.reports]
        slots = 4
        memory = "16GiB"
        queue-timeout = "1h"
    "#;

    #[test]
    fn a_file_says_all() {
        let NodeSettings { config, log_format } = settings_of(FILE, NodeArguments::default()).unwrap();
        assert_eq!(config.listen.port(), 7400);
        assert_eq!(config.join, ["a:7400", "b:7400"]);
        assert_eq!(config.roles, Roles { coordinator: false, executor: true, catalog: false });
        assert_eq!(config.memory_bytes, 1 << 30);
        assert_eq!((config.options.batch_rows, config.options.time_zone.as_str()), (1000, "+02:00"));
        assert_eq!(config.drain, Duration::from_secs(300));
        assert_eq!(config.tls.unwrap().key, Path::new("n-key.pem"));
        assert_eq!(config.pools["reports"].memory_bytes, Some(16 << 30));
        assert_eq!(config.pools["reports"].queue_timeout, Duration::from_secs(3600));
        assert_eq!(log_format, LogFormat::Json);
    }

    #[test]
    fn the_command_line_goes_before_it() {
        let arguments = NodeArguments {
            listen: Some("127.0.0.1:0".parse().unwrap()),
            join: vec!["c:1".to_owned()],
            drain_timeout: Some(Duration::from_secs(1)),
            log_format: Some(LogFormat::Text),
            ..NodeArguments::default()
        };
        let NodeSettings { config, log_format } = settings_of(FILE, arguments).unwrap();
        assert_eq!(config.listen.to_string(), "127.0.0.1:0");
        assert_eq!(config.join, ["c:1"]);
        assert_eq!((config.drain, log_format), (Duration::from_secs(1), LogFormat::Text));
    }

    #[test]
    fn what_is_missing_or_misspelt_is_named() {
        let refused = |text: &str| settings_of(text, NodeArguments::default()).err().unwrap().to_string();
        assert!(refused("listen = '127.0.0.1:1'").contains("--data"));
        assert!(refused("data = 'x'").contains("--listen"));
        assert!(refused("dato = 'x'").contains("dato"));
        let base = "data = 'x'\nlisten = '127.0.0.1:1'\n";
        assert!(refused(&format!("{base}roles = ['cook']")).contains("cook"));
        assert!(refused(&format!("{base}memory-limit = 'much'")).contains("much"));
        assert!(refused(&format!("{base}drain-timeout = 'soon'")).contains("soon"));
        assert!(refused(&format!("{base}[options]\nthread = 2")).contains("thread"));
        assert!(refused(&format!("{base}[pools.a]\nslot = 2")).contains("slot"));
    }
}
