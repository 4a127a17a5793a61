//! Proposals on their way into the leader's log. Those that come while others are written are one group, written with one
//! wait for the disks.

use tokio::sync::{mpsc, oneshot};

use super::message::Response;
use super::types::{Group, Proposal, Raft};

/// Proposals of one entry of the log, at most.
const GROUP_MAX: usize = 256;
/// Bytes after which no more come into one entry.
const GROUP_BYTES: usize = 256 << 10;
/// That wait for their turn; more are told to try again.
const QUEUE_MAX: usize = 4096;

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

/// One entry at a time: while it is written the next group grows. Two at a time were measured, and made fewer commits of
/// smaller groups.
async fn write_groups(raft: Raft, mut queue: mpsc::Receiver<Waiting>) {
    while let Some(first) = queue.recv().await {
        let (proposals, waiting) = take_group(first, &mut queue);
        let answers = match raft.client_write(proposals).await {
            Ok(written) => written.data.into_iter().map(Response::Answer).collect(),
            Err(error) => unknown(&error.to_string(), waiting.len()),
        };
        for (waiting, answer) in waiting.into_iter().zip(answers) {
            // Who waited may have gone.
            let _ = waiting.send(answer);
        }
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
