//! Mistakes that a node may be made to make.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock};

use async_trait::async_trait;
use bytes::Bytes;
use nyala_exchange::{Caller, Exchange, Frame, Handler, Receipt, Service, StreamPart, Taken};
use nyala_schema::cluster::{NodeId, StreamId};
use nyala_schema::{Error, Result};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Plant {
    LosesBatch,
    RepeatsBatch,
    LosesEnd,
    LosesReceipt,
    SwapsBatches,
    IgnoresRelease,
}

impl Plant {
    pub const ALL: [Self; 6] = [
        Self::LosesBatch,
        Self::RepeatsBatch,
        Self::LosesEnd,
        Self::LosesReceipt,
        Self::SwapsBatches,
        Self::IgnoresRelease,
    ];
}

/// Which of the parts of its kind a mistake is made with.
const MISTAKEN: u64 = 5;

/// Hands what comes to the exchange, nearly always.
#[derive(Default)]
pub struct Inbox {
    pub exchange: OnceLock<Arc<Exchange>>,
    pub plant: Option<Plant>,
    pub parts: AtomicU64,
    pub held_back: Mutex<Option<(StreamId, Frame, Receipt)>>,
}

impl Inbox {
    fn is_mistaken(&self, plant: Plant) -> bool {
        self.plant == Some(plant) && self.parts.fetch_add(1, Ordering::Relaxed) == MISTAKEN
    }

    fn exchange(&self) -> &Arc<Exchange> {
        self.exchange.get().unwrap()
    }
}

#[async_trait]
impl Handler for Inbox {
    async fn call(&self, _: &Caller, _: Service, _: Bytes) -> Result<Bytes> {
        Err(Error::unsupported("calls"))
    }

    fn receive(&self, from: NodeId, stream: StreamId, part: StreamPart, receipt: Receipt) {
        let (part, receipt): (StreamPart, Receipt) = match part {
            StreamPart::Batch(_) if self.is_mistaken(Plant::LosesBatch) => {
                return receipt(Ok(Taken::MoreWanted));
            }
            StreamPart::Batch(frame) if self.is_mistaken(Plant::RepeatsBatch) => {
                let again = StreamPart::Batch(frame.clone());
                self.exchange().receive(from, stream, again, Box::new(|_| {}));
                (StreamPart::Batch(frame), receipt)
            }
            StreamPart::Batch(frame) if self.is_mistaken(Plant::LosesReceipt) => {
                (StreamPart::Batch(frame), Box::new(|_| {}))
            }
            StreamPart::Batch(frame) if self.is_mistaken(Plant::SwapsBatches) => {
                *self.held_back.lock().unwrap() = Some((stream, frame, receipt));
                return;
            }
            StreamPart::End if self.is_mistaken(Plant::LosesEnd) => return receipt(Ok(Taken::MoreWanted)),
            part => (part, receipt),
        };
        self.exchange().receive(from, stream, part, receipt);
        let held_back = self.held_back.lock().unwrap().take_if(|(of, ..)| *of == stream);
        if let Some((_, frame, receipt)) = held_back {
            self.exchange().receive(from, stream, StreamPart::Batch(frame), receipt);
        }
    }

    fn disconnected(&self, node: NodeId) {
        self.exchange().disconnected(node);
    }

    fn client_gone(&self, _: u64) {}
}
