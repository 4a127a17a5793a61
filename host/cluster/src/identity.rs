//! What a node is called, kept in its data folder.

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};

use nyala_schema::cluster::NodeId;
use nyala_schema::{Error, ErrorCode, Result};
use rand::Rng;
use rand::rngs::StdRng;
use serde::{Deserialize, Serialize};

const FILE: &str = "node.json";

/// A node's own name, for as long as it has its data folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    pub id: NodeId,
    /// From 1; grows with every start.
    pub incarnation: u64,
    /// The cluster that it is in, once it is in one.
    pub cluster: Option<ClusterId>,
    /// Its place; `None` is in memory.
    file: Option<PathBuf>,
}

/// A cluster: drawn at random when it is made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClusterId {
    pub id: u64,
    pub name: String,
}

impl std::fmt::Display for ClusterId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:?} ({:016x})", self.name, self.id)
    }
}

/// The file, as it is written.
#[derive(Serialize, Deserialize)]
struct Kept {
    /// Hexadecimal: not every reader of JSON keeps 64 bits.
    node: String,
    incarnation: u64,
    #[serde(default)]
    cluster: Option<KeptCluster>,
    /// Has left its cluster for good.
    #[serde(default)]
    has_left: bool,
}

#[derive(Serialize, Deserialize)]
struct KeptCluster {
    id: String,
    name: String,
}

impl Identity {
    /// Reads who the node of a data folder is, or draws it when the folder is new, and counts the start. Without a folder
    /// the node is a new one each time.
    ///
    /// # Errors
    /// `Store` when the folder cannot be read or written; `InvalidParameter` when it is the folder of a node of another
    /// cluster name, or of one that has left its cluster.
    pub fn open(data: Option<&Path>, cluster_name: &str, random: &mut StdRng) -> Result<Self> {
        let Some(data) = data else {
            return Ok(Self { id: draw(random), incarnation: 1, cluster: None, file: None });
        };
        fs::create_dir_all(data).map_err(|e| failed(data, &e))?;
        let file = data.join(FILE);
        let identity = match fs::read(&file) {
            Ok(bytes) => restarted(&file, &bytes, cluster_name)?,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                Self { id: draw(random), incarnation: 1, cluster: None, file: Some(file) }
            }
            Err(error) => return Err(failed(&file, &error)),
        };
        identity.write(false)?;
        Ok(identity)
    }

    /// Keeps which cluster the node is in.
    ///
    /// # Errors
    /// `Store` when it cannot be written.
    pub fn enter(&mut self, cluster: ClusterId) -> Result<()> {
        self.cluster = Some(cluster);
        self.write(false)
    }

    /// Keeps that the node has left: it does not start with this folder again.
    ///
    /// # Errors
    /// `Store` when it cannot be written.
    pub fn leave(&self) -> Result<()> {
        self.write(true)
    }

    fn write(&self, has_left: bool) -> Result<()> {
        let Some(file) = &self.file else { return Ok(()) };
        let cluster = self.cluster.as_ref();
        let kept = Kept {
            node: self.id.to_string(),
            incarnation: self.incarnation,
            cluster: cluster.map(|c| KeptCluster { id: format!("{:016x}", c.id), name: c.name.clone() }),
            has_left,
        };
        let bytes = serde_json::to_vec_pretty(&kept).map_err(|e| Error::internal(e.to_string()))?;
        replace(file, &bytes).map_err(|e| failed(file, &e))
    }
}

fn restarted(file: &Path, bytes: &[u8], cluster_name: &str) -> Result<Identity> {
    let damaged = || {
        Error::new(ErrorCode::Store, format!("{} is no description of a node", file.display())).with_hint(
            "restore it from a copy; or empty the data folder, remove the node from the cluster, and let it join as a new one",
        )
    };
    let kept: Kept = serde_json::from_slice(bytes).map_err(|_| damaged())?;
    let hex = |text: &str| u64::from_str_radix(text, 16).map_err(|_| damaged());
    let cluster = match kept.cluster {
        Some(cluster) => Some(ClusterId { id: hex(&cluster.id)?, name: cluster.name }),
        None => None,
    };
    let folder = file.parent().unwrap_or(file).display();
    if kept.has_left {
        let message = format!("the node of data folder {folder} has left its cluster");
        return Err(Error::new(ErrorCode::InvalidParameter, message)
            .with_hint("give it an empty data folder: it then joins as a new node"));
    }
    if let Some(cluster) = cluster.as_ref().filter(|cluster| cluster.name != cluster_name) {
        let message =
            format!("data folder {folder} is that of a node of cluster {cluster}, not of {cluster_name:?}");
        return Err(Error::new(ErrorCode::InvalidParameter, message)
            .with_hint("name that cluster in the configuration, or give the node an empty data folder"));
    }
    Ok(Identity {
        id: NodeId(hex(&kept.node)?),
        incarnation: kept.incarnation + 1,
        cluster,
        file: Some(file.into()),
    })
}

/// Not 0, which is nobody.
fn draw(random: &mut StdRng) -> NodeId {
    NodeId(random.gen_range(1..=u64::MAX))
}

/// The old file or the new one, whatever happens.
fn replace(file: &Path, bytes: &[u8]) -> std::io::Result<()> {
    let next = file.with_extension("next");
    let mut written = File::create(&next)?;
    written.write_all(bytes)?;
    written.sync_all()?;
    fs::rename(&next, file)?;
    match file.parent() {
        Some(folder) => File::open(folder)?.sync_all(),
        None => Ok(()),
    }
}

fn failed(path: &Path, error: &std::io::Error) -> Error {
    Error::new(ErrorCode::Store, format!("{} cannot be used: {error}", path.display()))
        .with_hint("see that the data folder exists, is writable, and has free space")
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;

    use super::*;

    #[test]
    fn a_node_keeps_its_name_and_counts_its_starts() {
        let folder = tempfile::tempdir().unwrap();
        let open = |seed| Identity::open(Some(folder.path()), "c", &mut StdRng::seed_from_u64(seed));
        let mut first = open(1).unwrap();
        first.enter(ClusterId { id: u64::MAX, name: "c".into() }).unwrap();
        let second = open(2).unwrap();
        assert_eq!((second.id, second.incarnation), (first.id, 2));
        assert_eq!(second.cluster, first.cluster);
        let other = Identity::open(Some(folder.path()), "d", &mut StdRng::seed_from_u64(3)).unwrap_err();
        assert_eq!(other.code(), ErrorCode::InvalidParameter);
        assert!(other.message().contains("\"c\""), "{other}");
        second.leave().unwrap();
        assert!(open(4).unwrap_err().message().contains("has left"));
        fs::write(folder.path().join(FILE), b"{").unwrap();
        assert_eq!(open(5).unwrap_err().code(), ErrorCode::Store);
    }
}
