//! Commands under the ids of statements: done once, however often they are tried, and their outcome can be asked for.

use std::sync::Arc;

use nyala_schema::command::{Command, Entry};
use nyala_schema::{Error, ErrorCode, Result, wire};

use super::leader::unknown;
use super::message::{Request, Response};
use super::octets::Octets;
use super::replica::{Replica, unexpected};
use super::status::Outcome;
use super::types::{Answer, Proposal, ProposalId, Since};
use crate::snapshot::Snapshot;

impl Replica {
    /// Has a command applied, once. When this returns, a majority has it on disk; the snapshot has it, and perhaps
    /// later ones.
    ///
    /// # Errors
    /// Those of [`apply`](crate::apply()): nothing has changed then. `Connection`: nothing was done, try again.
    /// `CommitUnknown`: it may have been done or may be done yet. `Store`: this replica has stopped.
    pub async fn commit(&self, command: &Command) -> Result<Arc<Snapshot>> {
        let version = self.propose(command).await?;
        self.has_version(version).await
    }

    /// As [`commit`](Self::commit), without waiting for this replica to have it: the version that it made.
    ///
    /// # Errors
    /// As [`commit`](Self::commit).
    pub async fn propose(&self, command: &Command) -> Result<u64> {
        let since = Since::Entry(self.progress().now().index);
        let answer = self.put_forward(self.draw_id(), since, Some(command)).await?;
        version_of(answer)
    }

    /// As [`commit`](Self::commit), under the id of a statement: however often it is tried, on whatever replicas, it is done
    /// once. Ids grow with time: a UUID of the seventh version.
    ///
    /// # Errors
    /// As [`commit`](Self::commit). What is `CommitUnknown` can be tried again, or asked after with
    /// [`outcome`](Self::outcome). `Cancelled` when somebody asked before it was done: it never will be.
    pub async fn commit_as(&self, id: ProposalId, command: &Command) -> Result<Arc<Snapshot>> {
        let version = version_of(self.put_forward(id, Since::Statement, Some(command)).await?)?;
        self.has_version(version).await
    }

    /// What became of a statement. Asking settles it: what had not been done by then never will be.
    ///
    /// # Errors
    /// `Connection` when no leader could be asked; `CommitUnknown` when so much has been committed since that nobody knows any
    /// more, or the answer was lost: then ask again.
    pub async fn outcome(&self, id: ProposalId) -> Result<Outcome> {
        match self.put_forward(id, Since::Statement, None).await? {
            Answer::Applied { version } => Ok(Outcome::Done { version }),
            Answer::Refused(refusal) => Ok(Outcome::Refused(refusal.into())),
            Answer::Never => Ok(Outcome::Never),
            Answer::Expired => Err(too_old()),
        }
    }

    async fn put_forward(&self, id: ProposalId, since: Since, command: Option<&Command>) -> Result<Answer> {
        let entry = match command {
            Some(command) => Some(Octets(wire::encode_entry(&Entry { at_ms: 0, command: command.clone() })?)),
            None => None,
        };
        let proposal = Proposal { id, since, at_ms: 0, entry };
        match self.ask_leader(&Request::Propose(proposal)).await? {
            Response::Answer(Answer::Expired) if since == Since::Statement => Err(too_old()),
            Response::Answer(answer) => Ok(answer),
            _ => Err(unexpected()),
        }
    }

    async fn has_version(&self, version: u64) -> Result<Arc<Snapshot>> {
        let snapshot = self.when(|applied| applied.snapshot.version >= version).await;
        snapshot.ok_or_else(|| {
            let message =
                format!("done, as version {version} of the catalog, which this replica has not got yet");
            Error::new(ErrorCode::CommitUnknown, message).with_hint("do not run the statement again")
        })
    }
}

fn version_of(answer: Answer) -> Result<u64> {
    match answer {
        Answer::Applied { version } => Ok(version),
        Answer::Refused(refusal) => Err(refusal.into()),
        Answer::Expired => Err(unknown()),
        Answer::Never => Err(Error::new(
            ErrorCode::Cancelled,
            "the statement was given up: its outcome was asked for before it was done",
        )),
    }
}

fn too_old() -> Error {
    Error::new(ErrorCode::CommitUnknown, "the statement is older than those whose outcome is remembered")
        .with_hint(
            "look whether it was done; a new statement that meets this comes from a node whose clock is slow",
        )
}
