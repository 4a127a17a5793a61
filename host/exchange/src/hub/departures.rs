//! The sending end of an exchange: a stream to each receiver.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, Weak};
use std::task::{Context, Poll};

use arrow::array::RecordBatch;
use nyala_schema::cluster::{NodeId, StreamId};
use nyala_schema::{Error, ErrorCode, Result};

use super::Exchange;
use super::closing::Closing;
use super::conform::conform;
use super::content::{Content, Part};
use super::effects::Effects;
use super::lane::Lane;
use super::spec::OutputSpec;
use super::statistics::{Counters, ExchangeStatistics};
use crate::config::Compression;
use crate::frame::{FRAME_BYTES_TARGET, Frame};
use crate::lock::lock;
use crate::output::{Output, Readiness};
use crate::transport::{Receipt, StreamPart, Taken};

pub(super) struct Departures {
    spec: OutputSpec,
    /// By receiver.
    lanes: Box<[Mutex<Lane>]>,
    closing: Mutex<Closing>,
    local: NodeId,
    hub: Weak<Exchange>,
    credits: u32,
    compression: Compression,
    counters: [Arc<Counters>; 2],
    has_ended: AtomicBool,
    bytes: AtomicU64,
    rows: AtomicU64,
}

impl Departures {
    /// Streams that are open, or failed from the start.
    pub fn new(
        spec: OutputSpec,
        hub: &Arc<Exchange>,
        of_attempt: &Arc<Counters>,
        failed: Option<Error>,
    ) -> Arc<Self> {
        let lane = |_: usize| Mutex::new(failed.clone().map_or_else(Lane::default, Lane::failed));
        Arc::new(Self {
            lanes: (0..spec.receivers.len()).map(lane).collect(),
            closing: Mutex::new(Closing::new(spec.receivers.len(), failed.clone())),
            local: hub.transport.local().id,
            hub: Arc::downgrade(hub),
            credits: hub.config.credits.max(1),
            compression: spec.compression.unwrap_or(hub.config.compression),
            counters: [Arc::clone(&hub.counters), Arc::clone(of_attempt)],
            has_ended: AtomicBool::new(failed.is_some()),
            bytes: AtomicU64::new(0),
            rows: AtomicU64::new(0),
            spec,
        })
    }

    fn is_local(&self, receiver: usize) -> bool {
        self.spec.receivers[receiver].id == self.local
    }

    fn push_ready(self: &Arc<Self>, receiver: usize, lane: &mut Lane, effects: &mut Effects) {
        while let Some(part) = lane.next_part(self.credits) {
            self.push(receiver, lane, part, effects);
        }
    }

    /// Called with the lane locked, so that parts keep their order; no receipt is called before that is over.
    fn push(self: &Arc<Self>, receiver: usize, lane: &mut Lane, part: Part, effects: &mut Effects) {
        let departures = Arc::clone(self);
        let is_batch = matches!(part, Part::Batch(_));
        let receipt: Receipt = Box::new(move |result| match result {
            Ok(taken) => departures.taken(receiver, is_batch, taken),
            Err(error) => departures.fail(receiver, error),
        });
        let part = match part {
            part if self.is_local(receiver) => return self.push_local(receiver, part, receipt, effects),
            Part::Batch(Content::Remote(frame)) => StreamPart::Batch(frame),
            Part::Batch(Content::Local(_)) => unreachable!("batches for other nodes are frames"),
            Part::End => StreamPart::End,
            Part::Failed(error) => StreamPart::Failed(error),
        };
        match self.hub.upgrade() {
            Some(hub) => {
                let open =
                    || hub.transport.open(&self.spec.receivers[receiver], stream_id(&self.spec, receiver));
                lane.outgoing(open).push(part, receipt);
            }
            None => effects.answer(receipt, Err(Error::cancelled())),
        }
    }

    fn taken(self: &Arc<Self>, receiver: usize, is_batch: bool, taken: Taken) {
        let mut effects = Effects::default();
        let mut lane = lock(&self.lanes[receiver]);
        if lane.taken(is_batch, taken, &mut effects) {
            lock(&self.closing).closed(None, &mut effects);
        }
        self.push_ready(receiver, &mut lane, &mut effects);
        drop(lane);
        effects.run();
    }

    fn fail(&self, receiver: usize, error: Error) {
        let mut effects = Effects::default();
        let is_new = self.give_up(&mut lock(&self.lanes[receiver]), &error, &mut effects);
        effects.run();
        if is_new
            && !self.is_local(receiver)
            && let Some(hub) = self.hub.upgrade()
        {
            hub.say_failed(self.spec.receivers[receiver].clone(), stream_id(&self.spec, receiver), error);
        }
    }

    /// Whether the stream was not over.
    fn give_up(&self, lane: &mut Lane, error: &Error, effects: &mut Effects) -> bool {
        let is_new = lane.give_up(Some(error.clone()), effects);
        if is_new {
            lock(&self.closing).closed(Some(error), effects);
        }
        is_new
    }

    fn push_local(&self, receiver: usize, part: Part, receipt: Receipt, effects: &mut Effects) {
        match self.hub.upgrade() {
            Some(hub) => {
                let local = hub.transport.local().id;
                hub.deliver(local, stream_id(&self.spec, receiver), part, receipt, effects);
            }
            None => effects.answer(receipt, Err(Error::cancelled())),
        }
    }

    fn end(self: &Arc<Self>, result: &Result<(), Error>) {
        if self.has_ended.swap(true, Ordering::AcqRel) {
            return;
        }
        for (receiver, lane) in self.lanes.iter().enumerate() {
            let mut effects = Effects::default();
            let mut lane = lock(lane);
            match result {
                Ok(()) => lane.end(&mut effects),
                Err(error) => {
                    if let Some(part) = lane.end_failed(error.clone(), &mut effects) {
                        self.push(receiver, &mut lane, part, &mut effects);
                    }
                }
            }
            self.push_ready(receiver, &mut lane, &mut effects);
            drop(lane);
            effects.run();
        }
    }

    /// The attempt is no more. Receivers that still wait are told, since not all nodes hear of it at once.
    pub fn release(self: &Arc<Self>) {
        self.has_ended.store(true, Ordering::Release);
        if lock(&self.closing).is_over() {
            return;
        }
        let cancelled = Error::cancelled();
        for (receiver, lane) in self.lanes.iter().enumerate() {
            let mut effects = Effects::default();
            let mut lane = lock(lane);
            if let Some(part) = lane.end_failed(Error::cancelled(), &mut effects) {
                self.push(receiver, &mut lane, part, &mut effects);
            }
            self.give_up(&mut lane, &cancelled, &mut effects);
            drop(lane);
            effects.run();
        }
    }

    pub fn disconnected(&self, node: NodeId) {
        let there = self.spec.receivers.iter().enumerate().filter(|(_, peer)| peer.id == node);
        for (receiver, peer) in there {
            let message = format!("the connection with node {peer} was lost while rows were sent there");
            self.fail(receiver, Error::new(ErrorCode::Connection, message));
        }
    }

    pub fn add_to(&self, statistics: &mut ExchangeStatistics) {
        statistics.outputs += 1;
        if lock(&self.closing).is_over() {
            return;
        }
        for lane in &self.lanes {
            let lane = lock(lane);
            statistics.streams_out += u64::from(!lane.is_over());
            statistics.batches_under_way += lane.batches();
        }
    }

    /// What is put into a stream for a batch.
    fn contents(&self, receiver: usize, batch: RecordBatch) -> Result<Vec<Content>> {
        let rows = batch.num_rows() as u64;
        let contents = match self.is_local(receiver) {
            true => {
                self.counters.iter().for_each(|counters| counters.passed());
                vec![Content::Local(batch)]
            }
            false => {
                let frames = Frame::split(&batch, FRAME_BYTES_TARGET)?;
                let pressed = |frame: Frame| match self.compression {
                    Compression::None => Content::Remote(frame),
                    Compression::Lz4 => Content::Remote(frame.compressed()),
                };
                let contents: Vec<Content> = frames.into_iter().map(pressed).collect();
                for content in &contents {
                    self.bytes.fetch_add(content.bytes(), Ordering::Relaxed);
                    self.counters.iter().for_each(|counters| counters.sent(content.bytes()));
                }
                contents
            }
        };
        self.rows.fetch_add(rows, Ordering::Relaxed);
        Ok(contents)
    }
}

fn stream_id(spec: &OutputSpec, receiver: usize) -> StreamId {
    StreamId {
        attempt: spec.attempt,
        fragment: spec.fragment,
        sender: spec.sender,
        receiver: receiver as u32,
    }
}

/// What an instance holds: dropping it before its end fails the receivers.
pub(super) struct OutputEnd(pub Arc<Departures>);

impl Output for OutputEnd {
    fn receivers(&self) -> usize {
        self.0.lanes.len()
    }

    fn poll_ready(&self, receiver: usize, context: &mut Context<'_>) -> Poll<Result<Readiness>> {
        lock(&self.0.lanes[receiver]).poll_ready(self.0.credits, context)
    }

    fn send(&self, receiver: usize, batch: &RecordBatch) -> Result<()> {
        let lane = &self.0.lanes[receiver];
        if batch.num_rows() == 0 || !lock(lane).is_open()? {
            return Ok(());
        }
        let contents = self.0.contents(receiver, conform(batch, &self.0.spec.schema)?)?;
        let mut effects = Effects::default();
        let mut lane = lock(lane);
        lane.add(contents);
        self.0.push_ready(receiver, &mut lane, &mut effects);
        drop(lane);
        effects.run();
        Ok(())
    }

    fn end(&self, result: Result<(), Error>) {
        self.0.end(&result);
    }

    fn poll_ended(&self, context: &mut Context<'_>) -> Poll<Result<()>> {
        lock(&self.0.closing).poll_over(context)
    }

    fn sent(&self) -> (u64, u64) {
        (self.0.bytes.load(Ordering::Relaxed), self.0.rows.load(Ordering::Relaxed))
    }
}

impl Drop for OutputEnd {
    fn drop(&mut self) {
        self.0.end(&Err(Error::cancelled()));
    }
}
