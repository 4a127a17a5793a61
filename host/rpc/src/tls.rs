//! Who may connect: certificates of nodes and of users, all of one authority per cluster.

use std::path::{Path, PathBuf};

use nyala_schema::{Error, Result};

/// The authority, the own certificate and its key.
#[derive(Debug, Clone)]
pub struct Tls {}

impl Tls {
    /// Reads PEM files.
    ///
    /// # Errors
    /// `FileAccess` naming the file; `InvalidParameter` when it holds no such thing.
    pub fn read(authority: &Path, certificate: &Path, key: &Path) -> Result<Self> {
        let _ = (authority, certificate, key);
        Err(Error::unsupported("TLS"))
    }

    /// `ca.pem`, `NAME.pem` and `NAME-key.pem` of a folder.
    ///
    /// # Errors
    /// As [`read`](Self::read).
    pub fn of_folder(folder: &Path, name: &str) -> Result<Self> {
        let file = |end: &str| folder.join(format!("{name}{end}"));
        Self::read(&folder.join("ca.pem"), &file(".pem"), &file("-key.pem"))
    }
}

/// Makes, in a folder, an authority (`ca.pem`, `ca-key.pem`; kept when there is one), a certificate per node and per user
/// (`NAME.pem`, `NAME-key.pem`), and `client.pem`, which is good for any user. Returns the files written.
///
/// # Errors
/// `FileAccess` naming the file; `InvalidParameter` for a name that no file can have.
pub fn certificates(folder: &Path, nodes: &[String], users: &[String]) -> Result<Vec<PathBuf>> {
    let _ = (folder, nodes, users);
    Err(Error::unsupported("TLS"))
}
