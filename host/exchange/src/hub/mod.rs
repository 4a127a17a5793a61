//! All streams of a node: which inputs and outputs there are, and who gets what comes in.

mod spec;
mod statistics;

use std::sync::Arc;

use nyala_schema::cluster::{Attempt, NodeId, StreamId};

use crate::config::ExchangeConfig;
use crate::input::Input;
use crate::output::Output;
use crate::transport::{Receipt, StreamPart, Transport};

pub use spec::{InputSpec, OutputSpec};
pub use statistics::ExchangeStatistics;

/// The streams of a node, over all queries. Streams between instances on this node pass batches as they are; all others go
/// over the transport.
pub struct Exchange {
    transport: Arc<dyn Transport>,
    config: ExchangeConfig,
}

impl Exchange {
    /// To be called inside a tokio runtime: what waits too long is given up there.
    pub fn new(transport: Arc<dyn Transport>, config: ExchangeConfig) -> Arc<Self> {
        Arc::new(Self { transport, config })
    }

    /// The receiving end of an exchange, for one instance. What came before is in it. Dropping it closes it.
    ///
    /// It fails with `Cancelled` when its attempt is, or was, released.
    pub fn input(self: &Arc<Self>, spec: InputSpec) -> Arc<dyn Input> {
        let _ = (spec, &self.config);
        todo!()
    }

    /// The sending end of an exchange, for one instance. Dropping it before its end fails its receivers.
    pub fn output(self: &Arc<Self>, spec: OutputSpec) -> Arc<dyn Output> {
        let _ = (spec, &self.transport);
        todo!()
    }

    /// A part has come from another node; called by the node's [`Handler`](crate::Handler). Never waits.
    pub fn receive(&self, from: NodeId, stream: StreamId, part: StreamPart, receipt: Receipt) {
        let _ = (from, stream, part, receipt);
        todo!()
    }

    /// Drops everything of an attempt: its inputs and outputs fail with `Cancelled`, receipts of what waits are called, and
    /// what comes late is refused.
    pub fn release(&self, attempt: Attempt) {
        let _ = attempt;
        todo!()
    }

    /// The connection with a node is gone: inputs that await something from there, and outputs to there, fail with
    /// `Connection`.
    pub fn disconnected(&self, node: NodeId) {
        let _ = node;
        todo!()
    }

    /// Of all attempts together.
    pub fn statistics(&self) -> ExchangeStatistics {
        todo!()
    }

    /// Of one attempt; all zero when there is nothing of it.
    pub fn statistics_of(&self, attempt: Attempt) -> ExchangeStatistics {
        let _ = attempt;
        todo!()
    }
}
