//! All streams of a node: which inputs and outputs there are, and who gets what comes in.
//!
//! Reading order: `spec`; `arrivals` is an input; `departures` is an output with a `lane` for each of its streams, and `closing` for
//! all of them; `attempts` is all inputs and outputs, with `early` streams that wait for their input, and `released` attempts; `farewell` tells of what
//! failed. Locks are taken in the order lane, closing or attempts, arrivals; what others gave us to call, `effects`, is called when none is held.

mod arrivals;
mod attempts;
mod closing;
mod conform;
mod content;
mod departures;
mod early;
mod effects;
mod expiry;
mod farewell;
mod lane;
mod released;
mod spec;
mod statistics;

use std::sync::{Arc, Mutex};

use nyala_schema::Error;
use nyala_schema::cluster::{Attempt, NodeId, StreamId};
use tokio::runtime::Handle;
use tokio::time::Instant;

use crate::config::ExchangeConfig;
use crate::input::Input;
use crate::lock::lock;
use crate::output::Output;
use crate::transport::{Receipt, StreamPart, Transport};

use arrivals::{Arrivals, InputEnd};
use attempts::{Attempts, Place};
use content::{Content, Part};
use departures::{Departures, OutputEnd};
use effects::Effects;
use expiry::Expiry;
use statistics::Counters;

pub(crate) use conform::with_types;
pub use spec::{InputSpec, OutputSpec};
pub use statistics::ExchangeStatistics;

/// The streams of a node, over all queries. Streams between instances on this node pass batches as they are; all others go
/// over the transport.
pub struct Exchange {
    transport: Arc<dyn Transport>,
    config: ExchangeConfig,
    attempts: Mutex<Attempts>,
    counters: Arc<Counters>,
    expiry: Expiry,
    runtime: Option<Handle>,
}

impl Exchange {
    /// To be called inside a tokio runtime: what waits too long is given up there. Outside of one, it waits for ever.
    pub fn new(transport: Arc<dyn Transport>, config: ExchangeConfig) -> Arc<Self> {
        Arc::new_cyclic(|weak| Self {
            attempts: Mutex::new(Attempts::new(config.released_max)),
            transport,
            config,
            counters: Arc::default(),
            expiry: Expiry::start(weak.clone()),
            runtime: Handle::try_current().ok(),
        })
    }

    /// The receiving end of an exchange, for one instance. What came before is in it. Dropping it closes it.
    ///
    /// It fails with `Cancelled` when its attempt is, or was, released; with `Connection` when rows for it were lost already.
    pub fn input(self: &Arc<Self>, spec: InputSpec) -> Arc<dyn Input> {
        let (attempt, key) = (spec.attempt, (spec.fragment, spec.receiver));
        let arrivals = Arc::new(Arrivals::new(spec));
        let mut effects = Effects::default();
        let mut attempts = lock(&self.attempts);
        let early = attempts.take_early(attempt, key);
        match attempts.of(attempt) {
            Err(error) => arrivals.fail(error, &mut effects),
            Ok(of_attempt) => {
                if let Some(error) = of_attempt.lost.remove(&key) {
                    arrivals.fail(error, &mut effects);
                }
                // While nothing else can come, so that order is kept.
                for (stream, early) in early {
                    early.hand_to(&arrivals, stream.sender, &mut effects);
                }
                if let Some(twin) = of_attempt.inputs.insert(key, Arc::clone(&arrivals)) {
                    twin.fail(Error::internal("an input was made twice"), &mut effects);
                }
            }
        }
        drop(attempts);
        effects.run();
        Arc::new(InputEnd(arrivals))
    }

    /// The sending end of an exchange, for one instance. Dropping it before its end fails its receivers.
    pub fn output(self: &Arc<Self>, spec: OutputSpec) -> Arc<dyn Output> {
        let attempt = spec.attempt;
        // Streams are opened outside the lock.
        let found = lock(&self.attempts).of(attempt).map(|of_attempt| Arc::clone(&of_attempt.counters));
        let (counters, failed) = match found {
            Ok(counters) => (counters, None),
            Err(error) => (Arc::default(), Some(error)),
        };
        let departures = Departures::new(spec, self, &counters, failed);
        let is_released = match lock(&self.attempts).of(attempt) {
            Ok(of_attempt) => {
                of_attempt.outputs.push(Arc::clone(&departures));
                false
            }
            Err(_) => true,
        };
        if is_released {
            departures.release();
        }
        Arc::new(OutputEnd(departures))
    }

    /// A part has come from another node; called by the node's [`Handler`](crate::Handler). Never waits.
    pub fn receive(&self, from: NodeId, stream: StreamId, part: StreamPart, receipt: Receipt) {
        let part = match part {
            StreamPart::Batch(frame) => Part::Batch(Content::Remote(frame)),
            StreamPart::End => Part::End,
            StreamPart::Failed(error) => Part::Failed(error),
        };
        let mut effects = Effects::default();
        self.deliver(from, stream, part, receipt, &mut effects);
        effects.run();
    }

    fn deliver(&self, from: NodeId, stream: StreamId, part: Part, receipt: Receipt, effects: &mut Effects) {
        let deadline = Instant::now() + self.config.early_wait;
        let received = match &part {
            Part::Batch(Content::Remote(frame)) => Some(frame.wire_bytes()),
            Part::Batch(Content::Local(_)) | Part::End | Part::Failed(_) => None,
        };
        let place = {
            let mut attempts = lock(&self.attempts);
            let place = attempts.place(from, stream, part, receipt, deadline);
            if let (Some(bytes), Some(of_attempt)) = (received, attempts.get(stream.attempt)) {
                self.counters.received(bytes);
                of_attempt.counters.received(bytes);
            }
            place
        };
        match place {
            Place::To(arrivals, part, receipt) => arrivals.take(from, stream.sender, part, receipt, effects),
            Place::Kept => self.expiry.look(),
            Place::Refused(receipt, result) => effects.answer(receipt, result),
        }
    }

    /// Drops everything of an attempt: its inputs and outputs fail with `Cancelled`, receipts of what waits are called, and
    /// what comes late is refused.
    pub fn release(&self, attempt: Attempt) {
        let of_attempt = lock(&self.attempts).release(attempt);
        if let Some(of_attempt) = of_attempt {
            of_attempt.release();
        }
    }

    /// The connection with a node is gone: inputs that await something from there, and outputs to there, fail with
    /// `Connection`.
    pub fn disconnected(&self, node: NodeId) {
        let mut effects = Effects::default();
        let (inputs, outputs) = {
            let mut attempts = lock(&self.attempts);
            attempts.lose_from(node, &mut effects);
            let all = || attempts.live().map(|(_, of_attempt)| of_attempt);
            let inputs: Vec<_> = all().flat_map(|of_attempt| of_attempt.inputs.values().cloned()).collect();
            let outputs: Vec<_> = all().flat_map(|of_attempt| of_attempt.outputs.iter().cloned()).collect();
            (inputs, outputs)
        };
        inputs.iter().for_each(|arrivals| arrivals.disconnected(node, &mut effects));
        effects.run();
        outputs.iter().for_each(|departures| departures.disconnected(node));
    }

    /// Of all attempts together.
    pub fn statistics(&self) -> ExchangeStatistics {
        let (mut statistics, outputs) = {
            let attempts = lock(&self.attempts);
            let mut statistics = ExchangeStatistics::default();
            let mut outputs = Vec::new();
            for (_, of_attempt) in attempts.live() {
                statistics.attempts += 1;
                of_attempt.add_to(&mut statistics);
                outputs.extend(of_attempt.outputs.iter().cloned());
            }
            (statistics, outputs)
        };
        outputs.iter().for_each(|departures| departures.add_to(&mut statistics));
        self.counters.add_to(&mut statistics);
        statistics
    }

    /// Of one attempt; all zero when there is nothing of it.
    pub fn statistics_of(&self, attempt: Attempt) -> ExchangeStatistics {
        let mut statistics = ExchangeStatistics::default();
        let outputs = match lock(&self.attempts).get(attempt) {
            None => return statistics,
            Some(of_attempt) => {
                statistics.attempts = 1;
                of_attempt.add_to(&mut statistics);
                of_attempt.counters.add_to(&mut statistics);
                of_attempt.outputs.clone()
            }
        };
        outputs.iter().for_each(|departures| departures.add_to(&mut statistics));
        statistics
    }
}
