//! What only the leader can do, asked of it from any replica.

use std::time::Duration;

use nyala_schema::{Error, ErrorCode, Result};
use tokio::time::{Instant, sleep, timeout};

use super::message::{Request, Response};
use super::network::Peer;
use super::replica::Replica;
use super::types::{decode, encode};

/// Between two tries.
const PAUSE: Duration = Duration::from_millis(50);

/// Whether a request that got no answer may have been done.
enum Attempt {
    Answered(Box<Response>),
    NothingDone,
    Lost,
}

impl Replica {
    /// Has the leader answer, whoever that is, trying again until the patience of the settings ends.
    ///
    /// # Errors
    /// `Connection` when no leader could be asked: nothing has been done. `CommitUnknown` when one was asked and it is not
    /// known whether it did it. `Store` when this replica has stopped.
    pub(super) async fn ask_leader(&self, request: &Request) -> Result<Response> {
        let encoded = encode(request)?;
        let end = Instant::now() + self.settings().patience;
        let mut hint = None;
        let mut was_lost = false;
        loop {
            if let Some(failure) = self.status().failure {
                return Err(stopped(&failure));
            }
            let leader = hint.take().or_else(|| self.leader());
            match self.attempt(leader, &encoded).await {
                Attempt::Answered(response) => match *response {
                    Response::NotLeader(other) => hint = other.map(|(id, address)| Peer { id, address }),
                    Response::Unknown(_) => was_lost = true,
                    Response::Failed(refusal) => return Err(refusal.into()),
                    done => return Ok(done),
                },
                Attempt::Lost => was_lost = true,
                Attempt::NothingDone => {}
            }
            if Instant::now() + PAUSE >= end {
                return Err(if was_lost { unknown() } else { no_leader() });
            }
            sleep(PAUSE).await;
        }
    }

    async fn attempt(&self, leader: Option<Peer>, encoded: &[u8]) -> Attempt {
        let Some(leader) = leader else { return Attempt::NothingDone };
        let limit = self.settings().attempt;
        let answer = if leader.id == self.id() {
            timeout(limit, self.handle(encoded)).await
        } else {
            timeout(limit, self.network().call(&leader, encoded.to_vec())).await
        };
        match answer.map(|answer| answer.and_then(|bytes| decode(&bytes))) {
            Ok(Ok(response)) => Attempt::Answered(Box::new(response)),
            Ok(Err(_)) | Err(_) => Attempt::Lost,
        }
    }
}

/// Nothing was done.
pub fn no_leader() -> Error {
    Error::new(ErrorCode::Connection, "the catalog has no leader that can be reached")
        .with_hint("a majority of its replicas must be up and reach each other; then run the statement again")
}

pub fn unknown() -> Error {
    Error::new(ErrorCode::CommitUnknown, "the leader of the catalog was lost before it answered")
        .with_hint("the statement may or may not have been done: look before running it again")
}

pub fn stopped(failure: &str) -> Error {
    Error::new(ErrorCode::Store, format!("this replica of the catalog has stopped: {failure}"))
        .with_hint("see the log of this node; the other replicas go on without it")
}
