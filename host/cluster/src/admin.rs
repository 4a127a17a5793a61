//! What nodes ask of each other about the cluster itself: JSON, as their records.

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::Bytes;
use nyala_exchange::Service;
use nyala_schema::cluster::{NodeId, Peer};
use nyala_schema::{Error, ErrorCode, Result};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use tokio::time::{Instant, sleep, timeout};

use crate::core::Core;
use crate::identity::ClusterId;
use crate::record::Record;

/// Between two tries.
const PAUSE: Duration = Duration::from_millis(200);
/// For what is asked of a leader that may have to be elected first.
const PATIENCE: Duration = Duration::from_secs(30);

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Request {
    Join(Box<Join>),
    /// To the leader.
    Remove {
        node: u64,
        /// The node itself wants it, so that it need not be down.
        is_own_wish: bool,
    },
    Drain {
        deadline_ms: u64,
    },
}

/// Wants to be a member, or says that it is one and up again.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Join {
    pub cluster_name: String,
    /// The cluster that its data folder is of.
    pub cluster_id: Option<u64>,
    pub record: Record,
    #[serde(default)]
    pub warehouse: Option<String>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reply {
    Joined(Box<Joined>),
    /// The leader is elsewhere.
    Redirect {
        id: u64,
        address: String,
    },
    /// Is in no cluster itself.
    NoCluster,
    Done,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Joined {
    pub cluster: ClusterId,
    pub records: Vec<Record>,
    /// Where each member is.
    pub members: BTreeMap<u64, String>,
}

/// # Errors
/// `Internal`: none of these fails to be written.
pub fn encode<T: Serialize>(value: &T) -> Result<Bytes> {
    let bytes = serde_json::to_vec(value);
    bytes.map(Bytes::from).map_err(|e| Error::internal(format!("a message cannot be written: {e}")))
}

/// # Errors
/// `InvalidParameter` when another version wrote it, or it is none of ours.
pub fn decode<T: DeserializeOwned>(bytes: &[u8]) -> Result<T> {
    serde_json::from_slice(bytes).map_err(|e| {
        Error::new(ErrorCode::InvalidParameter, format!("a message of another node cannot be read: {e}"))
            .with_hint("see that the versions of all nodes are next to each other")
    })
}

impl Core {
    /// Asks one node.
    ///
    /// # Errors
    /// Those of the transport and of the node; `Connection` when no answer came in time.
    pub async fn ask(&self, peer: &Peer, request: &Request, limit: Duration) -> Result<Reply> {
        let call = self.transport.call(peer, Service::ADMIN, encode(request)?);
        let answer = timeout(limit, call).await;
        let answer = answer.unwrap_or_else(|_| {
            Err(Error::new(ErrorCode::Connection, format!("node {peer} did not answer within {limit:?}")))
        });
        decode(&answer?)
    }

    /// Asks the leader, whoever that is, until there is one.
    ///
    /// # Errors
    /// Those of the leader; `Connection` when none could be asked.
    pub async fn ask_leader(&self, request: &Request) -> Result<Reply> {
        let end = Instant::now() + PATIENCE;
        let mut hint = None;
        let mut last = None;
        while Instant::now() < end {
            let leader = hint.take().or_else(|| self.leader());
            let answer = match leader {
                Some(leader) if leader.id == self.id() => self.answer(request.clone()).await,
                Some(leader) => self.ask(&leader, request, self.settings.replica.patience).await,
                None => Err(Error::new(ErrorCode::Connection, "the catalog has no leader")),
            };
            match answer {
                Ok(Reply::Redirect { id, address }) => hint = Some(Peer { id: NodeId(id), address }),
                Ok(reply) => return Ok(reply),
                Err(error) if is_passing(&error) => last = Some(error),
                Err(error) => return Err(error),
            }
            sleep(PAUSE).await;
        }
        let error = last.unwrap_or_else(|| Error::new(ErrorCode::Connection, "the catalog has no leader"));
        Err(error.with_hint("a majority of the voters must be up and reach each other; then try again"))
    }

    /// # Errors
    /// `Connection` for what may be asked again; `InvalidParameter` for what is refused.
    pub async fn answer(&self, request: Request) -> Result<Reply> {
        match request {
            Request::Join(join) => self.admit(*join).await,
            Request::Remove { node, is_own_wish } => self.remove_as_leader(NodeId(node), is_own_wish).await,
            Request::Drain { deadline_ms } => {
                self.drain(Duration::from_millis(deadline_ms)).await.map(|()| Reply::Done)
            }
        }
    }

    /// Where the leader is, when it is not this node.
    ///
    /// # Errors
    /// `Connection` when none is known.
    pub fn redirect(&self) -> Result<Reply> {
        let leader = self.leader().filter(|leader| leader.id != self.id());
        let leader = leader.ok_or_else(|| {
            Error::new(ErrorCode::Connection, "the catalog has no leader that this node knows of")
        })?;
        Ok(Reply::Redirect { id: leader.id.0, address: leader.address })
    }
}

/// Whether it may be otherwise at another time.
pub fn is_passing(error: &Error) -> bool {
    matches!(error.code(), ErrorCode::Connection | ErrorCode::CommitUnknown)
}
