//! Proposals on their way into the leader's log. Those that come while others are written are one group, written with one
//! wait for the disks.

use std::sync::Arc;

use tokio::sync::{Semaphore, mpsc, oneshot};

use super::message::Response;
use super::types::{Group, Proposal, Raft};

/// Proposals of one entry of the log, at most.
const GROUP_MAX: usize = 256;
/// Bytes after which no more come into one entry.
const GROUP_BYTES: usize = 256 << 10;
/// That wait for their turn; more are told to try again.
const QUEUE_MAX: usize = 4096;
/// Entries that are written at the same time: the followers' disks work while the leader's does.
const ENTRIES_MAX: usize = 2;

struct Waiting {
    proposal: Proposal,
    answer: oneshot::Sender<Response>,
}

pub struct Proposals(mpsc::Sender<Waiting>);

impl Proposals {
    /// Ends when the replica is given up.
    pub fn start(raft: Raft) -> Self {
        let (sender, receiver) = mpsc::channel(QUEUE_MAX);
        tokio::spawn(write_groups(raft, receiver));
        Self(sender)
    }

    /// Has it written, and applied by this replica, which leads.
    pub async fn write(&self, proposal: Proposal) -> Response {
        let (answer, answered) = oneshot::channel();
        if self.0.try_send(Waiting { proposal, answer }).is_err() {
            return Response::NotLeader(None);
        }
        answered.await.unwrap_or_else(|_| Response::Unknown("the leader stopped".into()))
    }
}

async fn write_groups(raft: Raft, mut queue: mpsc::Receiver<Waiting>) {
    let entries = Arc::new(Semaphore::new(ENTRIES_MAX));
    loop {
        // Before the group is taken: while it waits for its turn, it grows.
        let Ok(entry) = Arc::clone(&entries).acquire_owned().await else { return };
        let Some(first) = queue.recv().await else { return };
        let (proposals, waiting) = take_group(first, &mut queue);
        // Given over in order, answered when it comes.
        let written = raft.client_write_ff(proposals).await;
        tokio::spawn(async move {
            let written = match written {
                Ok(written) => written.await.map_err(|_| "the leader stopped".to_owned()),
                Err(error) => Err(error.to_string()),
            };
            let answers = match written {
                Ok(Ok(written)) => written.data.into_iter().map(Response::Answer).collect(),
                Ok(Err(error)) => unknown(&error.to_string(), waiting.len()),
                Err(error) => unknown(&error, waiting.len()),
            };
            drop(entry);
            for (waiting, answer) in waiting.into_iter().zip(answers) {
                // Who waited may have gone.
                let _ = waiting.send(answer);
            }
        });
    }
}

/// With all that has come by now, as far as it fits.
fn take_group(
    first: Waiting,
    queue: &mut mpsc::Receiver<Waiting>,
) -> (Group, Vec<oneshot::Sender<Response>>) {
    let (mut proposals, mut waiting, mut bytes) = (Vec::new(), Vec::new(), 0);
    let mut next = Some(first);
    while let Some(Waiting { proposal, answer }) = next {
        bytes += proposal.entry.as_ref().map_or(0, |entry| entry.0.len());
        proposals.push(proposal);
        waiting.push(answer);
        let is_full = proposals.len() >= GROUP_MAX || bytes >= GROUP_BYTES;
        next = if is_full { None } else { queue.try_recv().ok() };
    }
    (proposals, waiting)
}

fn unknown(error: &str, count: usize) -> Vec<Response> {
    (0..count).map(|_| Response::Unknown(error.to_owned())).collect()
}
