//! Asks the engines of all nodes.

use std::time::Duration;

use bytes::Bytes;
use futures_util::future::join_all;
use nyala_schema::cluster::{NodeInfo, NodeState, QueryId};
use nyala_schema::{Error, ErrorCode, Result};
use tokio::time::timeout;

use super::Network;
use super::message::{Answer, FilesInUse, Request, SERVICE, decode, encode};
use crate::statements::StatementRow;

/// How long an answer may take.
const LIMIT: Duration = Duration::from_secs(3);

impl Network {
    /// The statements of all other nodes, by node. Those of nodes that do not answer in time are missing.
    pub fn statements(&self) -> Vec<(NodeInfo, Vec<StatementRow>)> {
        let answers = self.ask_all(&Request::Statements);
        let rows = answers.into_iter().filter_map(|(node, answer)| match answer {
            Ok(Answer::Statements(rows)) => Some((node, rows)),
            _ => None,
        });
        rows.collect()
    }

    /// Ends a statement of another node. Whether there was one.
    pub fn kill(&self, id: QueryId) -> bool {
        let answers = self.ask_all(&Request::Kill { id: id.0 });
        answers.iter().any(|(_, answer)| matches!(answer, Ok(Answer::Killed(true))))
    }

    /// What a statement of another node took.
    pub fn profile(&self, id: QueryId) -> Option<String> {
        let answers = self.ask_all(&Request::Profile { id: id.0 });
        answers.into_iter().find_map(|(_, answer)| match answer {
            Ok(Answer::Profile(text)) => text,
            _ => None,
        })
    }

    /// What all other nodes need of the warehouse.
    ///
    /// # Errors
    /// `Connection`, naming the first node that did not say.
    pub fn files_in_use(&self, version: u64) -> Result<FilesInUse> {
        let mut all = FilesInUse::default();
        for (node, answer) in self.ask_all(&Request::FilesInUse { version }) {
            match answer {
                Ok(Answer::FilesInUse(files)) => all.add(files),
                Ok(_) => return Err(silent(&node, "it answered something else")),
                Err(error) => return Err(silent(&node, error.message())),
            }
        }
        Ok(all)
    }

    /// All at once; those that are down are not waited for.
    fn ask_all(&self, request: &Request) -> Vec<(NodeInfo, Result<Answer>)> {
        let others = self.others();
        let bytes = match encode(request) {
            Ok(bytes) => Bytes::from(bytes),
            Err(error) => return others.into_iter().map(|node| (node, Err(error.clone()))).collect(),
        };
        let asked = others.into_iter().map(|node| {
            let bytes = bytes.clone();
            async move {
                let answer = self.ask(&node, bytes).await;
                (node, answer)
            }
        });
        self.waiter.wait(join_all(asked))
    }

    async fn ask(&self, node: &NodeInfo, request: Bytes) -> Result<Answer> {
        if node.state == NodeState::Down {
            return Err(Error::new(ErrorCode::Connection, "it is down"));
        }
        match timeout(LIMIT, self.transport.call(&node.peer, SERVICE, request)).await {
            Ok(answer) => decode(&answer?),
            Err(_) => {
                let message = format!("no answer within {} s", LIMIT.as_secs());
                Err(Error::new(ErrorCode::Connection, message))
            }
        }
    }
}

fn silent(node: &NodeInfo, why: &str) -> Error {
    let message = format!("node {} did not say which files it needs: {why}", node.name);
    Error::new(ErrorCode::Connection, message)
}
