//! Which cluster a command speaks to, and as whom.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::Args;
use nyala_client::{ClientSettings, RemoteSession};
use nyala_node::{Error, ErrorCode};
use nyala_rpc::tls::Tls;
use nyala_schema::client::Setting;

use crate::cluster::plan;
use crate::exit::Failure;
use crate::terminal;

/// Addresses of nodes when none is given on the command line.
const VARIABLE: &str = "NYALA_CONNECT";

/// How to name a cluster.
pub const NAME_ONE: &str =
    "give --connect HOST:PORT, or set NYALA_CONNECT; `nyala cluster start` makes a cluster to try out";

/// Who says nothing of himself, where the system does not either.
const NOBODY: &str = "nobody";

/// Who runs the program.
pub fn login() -> String {
    std::env::var("USER").ok().filter(|name| !name.is_empty()).unwrap_or_else(|| NOBODY.to_owned())
}

#[derive(Args, Clone, Default)]
pub struct ConnectArguments {
    /// Use a cluster: addresses of some of its nodes, or the folder of one on this machine [default: $NYALA_CONNECT]
    #[arg(
        long,
        alias = "dir",
        value_name = "HOST:PORT,…|DIR",
        value_delimiter = ',',
        help_heading = "Cluster"
    )]
    pub connect: Vec<String>,
    /// Who to be for the cluster [default: the user of the certificate, else $USER]
    #[arg(long, value_name = "NAME", help_heading = "Cluster")]
    pub user: Option<String>,
    /// Speak to this cluster only
    #[arg(long, value_name = "NAME", help_heading = "Cluster")]
    pub cluster: Option<String>,
    #[command(flatten)]
    pub tls: TlsArguments,
}

/// PEM files, as `nyala cluster certs` makes them.
#[derive(Args, Clone, Default)]
pub struct TlsArguments {
    /// Certificate of the cluster's authority (PEM)
    #[arg(long, value_name = "FILE", requires = "tls_cert", requires = "tls_key", help_heading = "Cluster")]
    pub tls_ca: Option<PathBuf>,
    /// Own certificate (PEM)
    #[arg(long, value_name = "FILE", requires = "tls_ca", help_heading = "Cluster")]
    pub tls_cert: Option<PathBuf>,
    /// Key of the own certificate (PEM)
    #[arg(long, value_name = "FILE", requires = "tls_ca", help_heading = "Cluster")]
    pub tls_key: Option<PathBuf>,
}

impl TlsArguments {
    /// # Errors
    /// `Usage` for files that cannot be read.
    pub fn read(&self) -> Result<Option<Tls>, Failure> {
        let (Some(ca), Some(certificate), Some(key)) = (&self.tls_ca, &self.tls_cert, &self.tls_key) else {
            return Ok(None);
        };
        Tls::read(ca, certificate, key).map(Some).map_err(Failure::Usage)
    }
}

impl ConnectArguments {
    /// Of the command line, or of the environment; none where an engine of this process is meant. The folder of a cluster
    /// on this machine stands for the addresses of its nodes.
    pub fn addresses(&self) -> Vec<String> {
        let said = match self.connect.is_empty() {
            true => std::env::var(VARIABLE).unwrap_or_default().split(',').map(str::to_owned).collect(),
            false => self.connect.clone(),
        };
        let named = said.iter().map(|address| address.trim()).filter(|address| !address.is_empty());
        let of =
            |address: &str| plan::addresses(Path::new(address)).unwrap_or_else(|| vec![address.to_owned()]);
        named.flat_map(of).collect()
    }

    /// # Errors
    /// `Usage` for an address that is none and files that cannot be read; `Connection` when no node lets a session in.
    pub fn open(&self, addresses: Vec<String>, options: Vec<Setting>) -> Result<RemoteSession, Failure> {
        for address in &addresses {
            check(address)?;
        }
        let tls = self.tls.read()?;
        let certified = tls.as_ref().and_then(Tls::user).map(str::to_owned);
        let user = self.user.clone().or(certified).unwrap_or_else(login);
        let settings = ClientSettings {
            user,
            cluster: self.cluster.clone(),
            tls,
            options,
            notice: Some(Arc::new(|text| terminal::tell_faintly(&format!("({text})")))),
            ..ClientSettings::default()
        };
        RemoteSession::connect(addresses, settings).map_err(|error| match error.code() {
            ErrorCode::InvalidParameter | ErrorCode::UndefinedObject => Failure::Usage(error),
            _ => Failure::Connection(error),
        })
    }

    /// As [`open`](Self::open), for commands that are about a cluster: where none is named, it is the one that
    /// `nyala cluster start` makes in this folder.
    ///
    /// # Errors
    /// As [`open`](Self::open); `Usage` with `hint` when no cluster is named and none is here.
    pub fn required(&self, hint: &str) -> Result<RemoteSession, Failure> {
        let mut addresses = self.addresses();
        if addresses.is_empty() {
            addresses = plan::addresses(Path::new(plan::FOLDER)).unwrap_or_default();
        }
        if addresses.is_empty() {
            let error = Error::new(ErrorCode::InvalidParameter, "no node of a cluster is named");
            return Err(Failure::Usage(error.with_hint(hint)));
        }
        self.open(addresses, Vec::new())
    }
}

/// `host:port`, `[::1]:port`.
fn check(address: &str) -> Result<(), Failure> {
    let port = address.rsplit_once(':').filter(|(host, _)| !host.is_empty()).map(|(_, port)| port);
    if port.is_some_and(|port| port.parse::<u16>().is_ok_and(|port| port > 0)) {
        return Ok(());
    }
    let error = Error::new(ErrorCode::InvalidParameter, format!("'{address}' is no address of a node"));
    Err(Failure::Usage(error.with_hint("write it as HOST:PORT, such as localhost:7420")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_have_a_host_and_a_port() {
        for good in ["localhost:7420", "10.0.0.1:1", "[::1]:7420"] {
            assert!(check(good).is_ok(), "{good}");
        }
        for bad in ["localhost", ":7420", "a:", "a:0", "a:70000", "a:b"] {
            assert_eq!(check(bad).unwrap_err().status(), 1, "{bad}");
        }
    }
}
