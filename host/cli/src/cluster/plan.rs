//! What the folder of a cluster on this machine says of it.

use std::fs;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::path::Path;

use nyala_node::{Error, ErrorCode};
use serde::{Deserialize, Serialize};

use super::arguments::StartArguments;
use crate::exit::Failure;

/// Where a cluster on this machine is unless it is said.
pub const FOLDER: &str = "nyala-cluster";
const FILE: &str = "cluster.json";
/// Below the same folder: the files of tables, which all nodes share.
pub const WAREHOUSE: &str = "warehouse";
const LOOPBACK: &str = "127.0.0.1";

/// How the nodes are started, each time.
#[derive(Debug, Serialize, Deserialize)]
pub struct Plan {
    pub nodes: Vec<PlannedNode>,
    pub memory_limit: Option<String>,
    pub threads: Option<usize>,
    pub allow_faults: bool,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct PlannedNode {
    pub name: String,
    pub address: String,
    pub http: String,
}

impl Plan {
    pub fn is_in(folder: &Path) -> bool {
        folder.join(FILE).exists()
    }

    /// # Errors
    /// `Usage` when there is no cluster in the folder.
    pub fn read(folder: &Path) -> Result<Self, Failure> {
        let path = folder.join(FILE);
        let text = fs::read_to_string(&path).map_err(|error| {
            let message = format!("there is no cluster in {}: {error}", folder.display());
            let error = Error::new(ErrorCode::InvalidParameter, message);
            Failure::Usage(error.with_hint("`nyala cluster start` makes one; --dir says where"))
        })?;
        serde_json::from_str(&text)
            .map_err(|error| Failure::usage(format!("{} cannot be read: {error}", path.display())))
    }

    /// Nodes with names, and addresses that are free now.
    ///
    /// # Errors
    /// `Usage` for ports that are taken.
    pub fn of(arguments: &StartArguments) -> Result<Self, Failure> {
        Ok(Self {
            nodes: planned(arguments)?,
            memory_limit: arguments.memory_limit.clone(),
            threads: arguments.threads,
            allow_faults: arguments.allow_faults,
        })
    }

    /// Makes the folder, too.
    ///
    /// # Errors
    /// `Usage` when it cannot be made.
    pub fn write(&self, folder: &Path) -> Result<(), Failure> {
        let refused = |error: io::Error| Failure::usage(format!("cannot make {}: {error}", folder.display()));
        fs::create_dir_all(folder.join(WAREHOUSE)).map_err(refused)?;
        let text = serde_json::to_string_pretty(self).map_err(|error| Failure::usage(error.to_string()))?;
        fs::write(folder.join(FILE), text + "\n").map_err(refused)
    }

    /// # Errors
    /// `Usage` when it has another number of nodes.
    pub fn must_have(&self, nodes: u16, folder: &Path) -> Result<(), Failure> {
        let count = self.nodes.len();
        if count == usize::from(nodes) {
            return Ok(());
        }
        let message = format!("the cluster in {} has {count} nodes, not {nodes}", folder.display());
        let error = Error::new(ErrorCode::InvalidParameter, message);
        Err(Failure::Usage(error.with_hint("give --nodes as it was, or another --dir")))
    }

    pub fn addresses(&self) -> Vec<&str> {
        self.nodes.iter().map(|node| node.address.as_str()).collect()
    }
}

/// Of the nodes of the cluster in a folder; `None` where there is none.
pub fn addresses(folder: &Path) -> Option<Vec<String>> {
    let plan = Plan::read(folder).ok()?;
    Some(plan.nodes.into_iter().map(|node| node.address).collect())
}

/// Names and free addresses.
fn planned(arguments: &StartArguments) -> Result<Vec<PlannedNode>, Failure> {
    // Held until all are chosen, so that none is chosen twice.
    let mut held = Vec::new();
    let mut address = |port: u16| -> Result<SocketAddr, Failure> {
        let taken = |error: io::Error| {
            let error =
                Error::new(ErrorCode::InvalidParameter, format!("port {port} cannot be used: {error}"));
            Failure::Usage(error.with_hint("without --port any that are free are taken"))
        };
        let listener = TcpListener::bind((LOOPBACK, port)).map_err(taken)?;
        let address = listener.local_addr().map_err(taken)?;
        held.push(listener);
        Ok(address)
    };
    let mut nodes = Vec::new();
    for at in 0..arguments.nodes {
        let port = match arguments.port {
            Some(first) => first.checked_add(at).ok_or_else(|| Failure::usage("--port is too large"))?,
            None => 0,
        };
        nodes.push(PlannedNode {
            name: format!("n{}", at + 1),
            address: address(port)?.to_string(),
            http: address(0)?.to_string(),
        });
    }
    Ok(nodes)
}
