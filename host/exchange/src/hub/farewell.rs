//! Tells a receiver that a stream has failed whose connection is gone: it may not have heard of either.
//!
//! A sender may have handed over its last rows, and be gone, when the connection with them breaks, before the receiver has got
//! anything or even been made: nobody else would ever tell it.

use std::sync::{Arc, Weak};
use std::time::Duration;

use nyala_schema::Error;
use nyala_schema::cluster::{Peer, StreamId};
use tokio::sync::oneshot;
use tokio::time::sleep;

use super::Exchange;
use crate::lock::lock;
use crate::transport::{Outgoing, StreamPart};

/// Before another try; doubles each time, up to the longest.
const WAIT_FIRST: Duration = Duration::from_millis(100);
const WAIT_MAX: Duration = Duration::from_secs(5);

/// After these a receiver is left to its coordinator.
const TRIES_MAX: u32 = 60;

impl Exchange {
    /// Over another connection, until it is heard or the attempt is released.
    pub(super) fn say_failed(self: &Arc<Self>, to: Peer, stream: StreamId, error: Error) {
        if let Some(runtime) = &self.runtime {
            runtime.spawn(say_failed(Arc::downgrade(self), to, stream, error));
        }
    }
}

async fn say_failed(hub: Weak<Exchange>, to: Peer, stream: StreamId, error: Error) {
    let mut wait = WAIT_FIRST;
    for _ in 0..TRIES_MAX {
        let (outgoing, answer) = {
            let Some(hub) = hub.upgrade() else { return };
            if lock(&hub.attempts).get(stream.attempt).is_none() {
                return;
            }
            let (answered, answer) = oneshot::channel();
            let outgoing: Arc<dyn Outgoing> = hub.transport.open(&to, stream);
            outgoing.push(StreamPart::Failed(error.clone()), Box::new(|result| drop(answered.send(result))));
            (outgoing, answer)
        };
        let is_heard = matches!(answer.await, Ok(Ok(_)));
        drop(outgoing);
        if is_heard {
            return;
        }
        sleep(wait).await;
        wait = (wait * 2).min(WAIT_MAX);
    }
    tracing::warn!("node {to} could not be told that {stream} has failed: {error}");
}
