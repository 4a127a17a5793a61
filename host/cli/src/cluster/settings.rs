//! The settings of a node: what the file says, and the command line before it.

use std::path::{Path, PathBuf};

use nyala_node::{Error, ErrorCode, NodeConfig, TlsFiles, default_listen, parse_roles};
use nyala_schema::option::parse_bytes;

use super::arguments::NodeArguments;
use crate::exit::Failure;

/// # Errors
/// `Usage`, naming the file or flag.
pub fn settings(arguments: NodeArguments) -> Result<NodeConfig, Failure> {
    let mut config = NodeConfig::new(PathBuf::new(), default_listen());
    if let Some(path) = &arguments.config {
        config = read(path, config)?;
    }
    merged(config, arguments).map_err(Failure::Usage)
}

fn read(path: &Path, config: NodeConfig) -> Result<NodeConfig, Failure> {
    let shown = path.display();
    let text = std::fs::read_to_string(path)
        .map_err(|error| Failure::usage(format!("cannot read {shown}: {error}")))?;
    config.with_toml(&text).map_err(|error| Failure::Usage(error.context(shown)))
}

fn merged(mut config: NodeConfig, arguments: NodeArguments) -> Result<NodeConfig, Error> {
    config.compiler = std::env::current_exe().ok();
    config.data = arguments.data.unwrap_or(config.data);
    if config.data.as_os_str().is_empty() {
        let error = Error::new(ErrorCode::InvalidParameter, "a node needs a folder of its own: --data DIR");
        return Err(error.with_hint("`nyala node --help` has examples"));
    }
    config.listen = arguments.listen.unwrap_or(config.listen);
    config.advertise = arguments.advertise.or(config.advertise);
    if !arguments.join.is_empty() {
        config.join = arguments.join;
    }
    config.name = arguments.name.or(config.name);
    config.cluster = arguments.cluster.unwrap_or(config.cluster);
    if !arguments.roles.is_empty() {
        let names = &arguments.roles;
        config.roles =
            parse_roles(names).map_err(|expected| wrong("--roles", &names.join(","), &expected))?;
    }
    config.warehouse = arguments.warehouse.or(config.warehouse);
    config.http = arguments.http.or(config.http);
    config.allow_insecure |= arguments.insecure;
    config.allow_faults |= arguments.allow_faults;
    config.claim_protocol = arguments.claim_protocol.or(config.claim_protocol);
    let tls = arguments.tls;
    if let (Some(ca), Some(certificate), Some(key)) = (tls.tls_ca, tls.tls_cert, tls.tls_key) {
        config.tls = Some(TlsFiles { ca, certificate, key });
    }
    if let Some(size) = &arguments.memory_limit {
        let bytes = parse_bytes(size);
        config.memory_bytes =
            bytes.ok_or_else(|| wrong("--memory-limit", size, "a size such as 512MB or 4GiB"))?;
        // One query may hold what all may.
        config.options.set("memory_limit", size)?;
    }
    if let Some(threads) = arguments.threads {
        config.options.set("threads", &threads.to_string())?;
        config.threads = threads;
    }
    config.drain = arguments.drain_timeout.unwrap_or(config.drain);
    Ok(config)
}

fn wrong(name: &str, value: &str, expected: &str) -> Error {
    Error::new(ErrorCode::InvalidParameter, format!("{name} cannot be '{value}'"))
        .with_hint(format!("it takes {expected}"))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use nyala_schema::cluster::Roles;

    use super::*;

    fn of_file(text: &str, arguments: NodeArguments) -> Result<NodeConfig, Failure> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("node.toml");
        std::fs::write(&path, text).unwrap();
        settings(NodeArguments { config: Some(path), ..arguments })
    }

    const FILE: &str = r#"
        data = "/var/lib/nyala"
        listen = "0.0.0.0:7420"
        join = ["a:7420", "b:7420"]
        drain = "300s"
        [options]
        batch_rows = 1000
    "#;

    #[test]
    fn the_command_line_goes_before_the_file() {
        let config = of_file(FILE, NodeArguments::default()).unwrap();
        assert_eq!((config.listen.port(), config.drain), (7420, Duration::from_secs(300)));
        assert_eq!(config.options.batch_rows, 1000);
        let arguments = NodeArguments {
            listen: Some("127.0.0.1:0".parse().unwrap()),
            join: vec!["c:1".to_owned()],
            roles: vec!["executor".to_owned()],
            memory_limit: Some("1GiB".to_owned()),
            drain_timeout: Some(Duration::from_secs(1)),
            ..NodeArguments::default()
        };
        let config = of_file(FILE, arguments).unwrap();
        assert_eq!(config.listen.to_string(), "127.0.0.1:0");
        assert_eq!(config.join, ["c:1"]);
        assert_eq!(config.roles, Roles { coordinator: false, executor: true, catalog: false });
        assert_eq!((config.memory_bytes, config.options.memory_limit), (1 << 30, 1 << 30));
        assert_eq!(config.drain, Duration::from_secs(1));
    }

    #[test]
    fn what_is_missing_or_wrong_is_named() {
        let refused = |arguments: NodeArguments| match settings(arguments) {
            Err(Failure::Usage(error)) => error.to_string(),
            _ => panic!("not a usage error"),
        };
        assert!(refused(NodeArguments::default()).contains("--data"));
        let with = || NodeArguments { data: Some("x".into()), ..NodeArguments::default() };
        assert!(refused(NodeArguments { roles: vec!["cook".to_owned()], ..with() }).contains("cook"));
        assert!(refused(NodeArguments { memory_limit: Some("much".to_owned()), ..with() }).contains("much"));
        assert!(
            refused(NodeArguments { config: Some("no/such.toml".into()), ..with() }).contains("no/such.toml")
        );
        let misspelt = of_file("dato = 'x'", NodeArguments::default()).err().unwrap();
        assert!(matches!(misspelt, Failure::Usage(error) if error.to_string().contains("dato")));
    }
}
