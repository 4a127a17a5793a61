//! Who this side is, and whom it takes.

use std::sync::{Mutex, PoisonError};

use nyala_schema::cluster::{Peer, ProtocolVersions};
use nyala_schema::{Error, ErrorCode, Result};
use rustls::pki_types::CertificateDer;

use crate::config::Limits;
use crate::message::{Greeting, Who};
use crate::tls::Tls;

/// This side of all its connections.
pub(crate) struct Local {
    /// Empty: any (only clients).
    pub(crate) cluster: String,
    pub(crate) cluster_id: Mutex<Option<u128>>,
    pub(crate) protocol: ProtocolVersions,
    pub(crate) who: Who,
    pub(crate) tls: Option<Tls>,
    pub(crate) limits: Limits,
}

impl Local {
    pub(crate) fn cluster_id(&self) -> Option<u128> {
        *self.cluster_id.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn peer(&self) -> Option<&Peer> {
        match &self.who {
            Who::Node { peer, .. } => Some(peer),
            Who::User(_) => None,
        }
    }

    pub(crate) fn greeting(&self, connection: u64, last_connection: u64) -> Greeting {
        Greeting {
            cluster: self.cluster.clone(),
            cluster_id: self.cluster_id(),
            protocol: self.protocol,
            connection,
            last_connection,
            who: self.who.clone(),
        }
    }

    /// Whether someone may connect: the version of the protocol that both speak.
    ///
    /// # Errors
    /// `Connection` that says what does not fit.
    pub(crate) fn check(&self, other: &Greeting, certificate: Option<&CertificateDer<'_>>) -> Result<u32> {
        let is_node = matches!(other.who, Who::Node { .. });
        let names_cluster = is_node || !other.cluster.is_empty();
        if names_cluster && !self.cluster.is_empty() && other.cluster != self.cluster {
            return Err(refused(format!(
                "wrong cluster: one side is of cluster '{}', the other of '{}'",
                self.cluster, other.cluster
            )));
        }
        if let (Some(own), Some(theirs)) = (self.cluster_id(), other.cluster_id)
            && own != theirs
        {
            let text = format!(
                "wrong cluster: both are of clusters named '{}', but of different ones ({own:032x} and {theirs:032x})",
                self.cluster
            );
            return Err(refused(text).with_hint("a data folder of another cluster cannot join this one"));
        }
        let protocol = self.protocol.common(other.protocol).ok_or_else(|| {
            let (own, theirs) = (self.protocol, other.protocol);
            refused(format!(
                "wrong version: one side speaks versions {} to {} of the protocol, the other {} to {}",
                own.min, own.max, theirs.min, theirs.max
            ))
            .with_hint("neighbouring releases work together: upgrade one at a time")
        })?;
        if let (Some(tls), Some(certificate)) = (&self.tls, certificate) {
            match &other.who {
                Who::Node { .. } => tls.check_node(certificate)?,
                Who::User(user) => tls.check_user(certificate, user)?,
            }
        }
        Ok(protocol)
    }

    /// Takes over the cluster's id from a node that knows it.
    pub(crate) fn learn(&self, other: &Greeting) {
        let Who::Node { .. } = other.who else { return };
        let mut id = self.cluster_id.lock().unwrap_or_else(PoisonError::into_inner);
        if id.is_none() {
            *id = other.cluster_id;
        }
    }
}

pub(crate) fn refused(what: impl Into<String>) -> Error {
    Error::new(ErrorCode::Connection, what)
}
