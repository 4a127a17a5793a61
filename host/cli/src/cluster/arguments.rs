//! The command line of nodes and clusters.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Subcommand, ValueEnum};

use super::plan::FOLDER;
use crate::connect::{ConnectArguments, TlsArguments};

pub const NODE_EXAMPLES: &str = "\
A node answers clients, runs parts of queries and, where its cluster wants it, keeps the catalog. The first node makes the
cluster; others join it by the address of any of its nodes. The files of tables lie in a warehouse that all nodes share: a
folder that is mounted on all machines, or the URL of an object store.

Examples:
  nyala node --data ./n1
  nyala node --data ./n1 --listen 127.0.0.1:7420 --warehouse /mnt/shop
  nyala node --data ./n2 --listen 127.0.0.1:7422 --warehouse /mnt/shop --join 127.0.0.1:7420
  nyala node --config /etc/nyala/node.toml
  nyala node --data /var/lib/nyala --listen 0.0.0.0:7420 --advertise db1.example:7420 \\
      --join db1.example:7420,db2.example:7420 --warehouse /mnt/shop --http 0.0.0.0:7421 \\
      --tls-ca ca.pem --tls-cert db1.example.pem --tls-key db1.example-key.pem

A configuration file says the same and more, such as pools; docs/reference/node.toml shows all of it. What the command line
says goes before it.

When the node takes work it writes one line to standard output; all else goes to standard error. SIGTERM drains it: it
takes no new work, waits for the old and leaves. SIGINT (Ctrl-C) does the same; a second one stops it at once.

Environment:
  NYALA_LOG   what is logged, such as info (the default), debug, or info,nyala_cluster=debug; info,openraft=info
              adds what replication does";

pub const CLUSTER_EXAMPLES: &str = "\
Examples:
  nyala cluster start --nodes 3                   three nodes on this machine, in ./nyala-cluster
  nyala cluster status
  nyala sql --connect ./nyala-cluster             the shell on them
  nyala cluster kill 2                            as if its machine failed
  nyala cluster restart 2
  nyala cluster logs 2 -f
  nyala cluster stop
  nyala cluster drain n2
  nyala cluster nodes --connect localhost:7420    the nodes of any cluster
  nyala cluster certs --dir ./certs --names db1.example,db2.example";

#[derive(Args, Default)]
pub struct NodeArguments {
    /// Settings in TOML; the command line goes before them
    #[arg(long, value_name = "FILE", help_heading = "Node")]
    pub config: Option<PathBuf>,
    /// Where this node, and no other, keeps what is its own
    #[arg(long, value_name = "DIR", help_heading = "Node")]
    pub data: Option<PathBuf>,
    /// Where nodes and clients connect to [default: 127.0.0.1:7420]
    #[arg(long, value_name = "ADDR:PORT", help_heading = "Node")]
    pub listen: Option<SocketAddr>,
    /// The address that others use, when it is not that of --listen
    #[arg(long, value_name = "HOST:PORT", help_heading = "Node")]
    pub advertise: Option<String>,
    /// Nodes of the cluster to join [default: make a cluster]
    #[arg(long, value_name = "HOST:PORT,…", value_delimiter = ',', help_heading = "Node")]
    pub join: Vec<String>,
    /// What people call it, unique in the cluster [default: from its address]
    #[arg(long, value_name = "NAME", help_heading = "Node")]
    pub name: Option<String>,
    /// Name of the cluster: nodes of another one are refused [default: nyala]
    #[arg(long, value_name = "NAME", help_heading = "Node")]
    pub cluster: Option<String>,
    /// What it does: coordinator, executor, catalog [default: all]
    #[arg(long, value_name = "ROLE,…", value_delimiter = ',', help_heading = "Node")]
    pub roles: Vec<String>,
    /// The folder or object store that all nodes share [default: DIR/warehouse, for a cluster of one]
    #[arg(long, value_name = "DIR|URL", help_heading = "Node")]
    pub warehouse: Option<String>,
    /// Where metrics and health are asked for [default: nowhere]
    #[arg(long, value_name = "ADDR:PORT", help_heading = "Node")]
    pub http: Option<SocketAddr>,
    #[command(flatten)]
    pub tls: TlsArguments,
    /// Listen beyond this machine without TLS: whoever reaches the address may do anything
    #[arg(long, help_heading = "Cluster")]
    pub insecure: bool,
    /// Memory that all queries may hold here together, such as 48GiB
    #[arg(long, value_name = "SIZE", help_heading = "Node")]
    pub memory_limit: Option<String>,
    /// Worker threads of queries
    #[arg(long, value_name = "N", help_heading = "Node")]
    pub threads: Option<usize>,
    /// How long what runs may go on when the node is told to stop, such as 30s or 5min [default: 1min]
    #[arg(long, value_name = "TIME", value_parser = duration, help_heading = "Node")]
    pub drain_timeout: Option<Duration>,
    /// Let SET fault make things go wrong on purpose: for tests
    #[arg(long, help_heading = "Node")]
    pub allow_faults: bool,
    /// With --allow-faults: say that this version of the protocol is spoken, and the one before
    #[arg(long, value_name = "N", hide = true)]
    pub claim_protocol: Option<u32>,
    /// How log lines are written
    #[arg(long, value_enum, value_name = "FORMAT", default_value_t = LogFormat::Text, help_heading = "Node")]
    pub log_format: LogFormat,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub enum LogFormat {
    #[default]
    Text,
    /// One object a line
    Json,
}

#[derive(Subcommand)]
pub enum ClusterCommand {
    /// Start nodes on this machine, to try a cluster out
    Start(StartArguments),
    /// Stop the nodes that `start` started
    Stop(PlaceArguments),
    /// Tell which of them run
    Status(PlaceArguments),
    /// End one of them at once (SIGKILL), as if its machine failed
    Kill(NumberArguments),
    /// Stop one of them if it runs, and start it again
    Restart(NumberArguments),
    /// Show what one of them has logged
    Logs(LogsArguments),
    /// List the nodes of a cluster
    Nodes(ConnectArguments),
    /// Let a node take no new work; comes back when it has finished the old
    Drain(DrainArguments),
    /// Take a node that is down out of the cluster for good
    Remove(RemoveArguments),
    /// Tell whether all nodes understand each other, and which to restart next with a newer program
    UpgradeCheck(ConnectArguments),
    /// Make an authority and certificates for nodes and users, for TLS
    Certs(CertsArguments),
}

#[derive(Args)]
pub struct PlaceArguments {
    /// Where `start` put them
    #[arg(long, value_name = "DIR", default_value = FOLDER)]
    pub dir: PathBuf,
}

#[derive(Args)]
pub struct StartArguments {
    /// How many
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = clap::value_parser!(u16).range(1..=64))]
    pub nodes: u16,
    #[command(flatten)]
    pub place: PlaceArguments,
    /// Port of the first node, the others follow [default: any that are free]
    #[arg(long, value_name = "N")]
    pub port: Option<u16>,
    /// Memory that all queries may hold on each node together
    #[arg(long, value_name = "SIZE")]
    pub memory_limit: Option<String>,
    /// Worker threads of queries of each node
    #[arg(long, value_name = "N")]
    pub threads: Option<usize>,
    /// Let SET fault make things go wrong on purpose: for tests
    #[arg(long)]
    pub allow_faults: bool,
}

#[derive(Args)]
pub struct NumberArguments {
    /// Its number, from 1, or its name, such as n1
    #[arg(value_name = "N", value_parser = number)]
    pub node: u16,
    #[command(flatten)]
    pub place: PlaceArguments,
}

#[derive(Args)]
pub struct LogsArguments {
    #[command(flatten)]
    pub node: NumberArguments,
    /// Go on showing what is added
    #[arg(short, long)]
    pub follow: bool,
}

#[derive(Args)]
pub struct DrainArguments {
    /// Its name, address or id
    #[arg(value_name = "NODE")]
    pub node: String,
    /// How long what runs may go on
    #[arg(long, value_name = "TIME", value_parser = duration, default_value = "1min")]
    pub within: Duration,
    #[command(flatten)]
    pub connect: ConnectArguments,
}

#[derive(Args)]
pub struct RemoveArguments {
    /// Its name, address or id
    #[arg(value_name = "NODE")]
    pub node: String,
    #[command(flatten)]
    pub connect: ConnectArguments,
}

#[derive(Args)]
pub struct CertsArguments {
    /// Where to write them; an authority that is there is used
    #[arg(long, value_name = "DIR")]
    pub dir: PathBuf,
    /// Host names or addresses of nodes, as others connect to them
    #[arg(long, value_name = "HOST,…", value_delimiter = ',', required = true)]
    pub names: Vec<String>,
    /// Users who get a certificate of their own
    #[arg(long, value_name = "NAME,…", value_delimiter = ',')]
    pub users: Vec<String>,
}

/// `2` or `n2`.
fn number(text: &str) -> Result<u16, String> {
    let digits = text.strip_prefix('n').unwrap_or(text);
    let number = digits.parse().ok().filter(|number| *number > 0);
    number.ok_or_else(|| "nodes are 1, 2, …, or n1, n2, …, as `nyala cluster status` lists them".to_owned())
}

/// `500ms`, `30s`, `5min`, `1h`; a number alone is seconds.
///
/// # Errors
/// What is expected, for people.
pub fn duration(text: &str) -> Result<Duration, String> {
    const UNITS: [(&str, u64); 7] =
        [("ms", 1), ("s", 1000), ("sec", 1000), ("m", 60_000), ("min", 60_000), ("h", 3_600_000), ("", 1000)];
    let text = text.trim();
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(end);
    let unit = UNITS.iter().find(|(name, _)| *name == unit.trim());
    let time = number.parse::<u64>().ok().zip(unit).and_then(|(number, (_, ms))| number.checked_mul(*ms));
    time.map(Duration::from_millis)
        .ok_or_else(|| "a time such as 500ms, 30s, 5min or 1h is expected".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_have_units() {
        assert_eq!(duration("30s"), Ok(Duration::from_secs(30)));
        assert_eq!(duration(" 5 min"), Ok(Duration::from_secs(300)));
        assert_eq!(duration("250ms"), Ok(Duration::from_millis(250)));
        assert_eq!(duration("7"), Ok(Duration::from_secs(7)));
        for bad in ["", "s", "3 weeks", "-1s", "99999999999999999999h"] {
            assert!(duration(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn nodes_have_numbers_and_names() {
        assert_eq!((number("2"), number("n2")), (Ok(2), Ok(2)));
        for bad in ["", "0", "n0", "n", "-1", "node 1", "70000"] {
            assert!(number(bad).is_err(), "{bad}");
        }
    }
}
