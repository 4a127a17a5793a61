//! What there is of each attempt. Maps are ordered, so that what a simulation does follows from its seed.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use nyala_schema::cluster::{Attempt, NodeId, StreamId};
use nyala_schema::id::FragmentId;
use nyala_schema::{Error, ErrorCode};
use tokio::time::Instant;

use super::arrivals::Arrivals;
use super::content::Part;
use super::departures::Departures;
use super::early::Early;
use super::effects::Effects;
use super::released::Released;
use super::statistics::{Counters, ExchangeStatistics};
use crate::transport::{Receipt, Taken};

/// Streams without receiver that a node keeps batches of.
const EARLY_STREAMS_MAX: usize = 65_536;

pub(super) struct Attempts {
    live: BTreeMap<Attempt, OfAttempt>,
    released: Released,
    /// Early streams by deadline; those that have got their receiver are still named.
    deadlines: VecDeque<(Instant, StreamId)>,
    /// Of all attempts.
    early: usize,
}

#[derive(Default)]
pub(super) struct OfAttempt {
    pub inputs: BTreeMap<(FragmentId, u32), Arc<Arrivals>>,
    pub outputs: Vec<Arc<Departures>>,
    pub early: BTreeMap<StreamId, Early>,
    /// Inputs that are not there yet and have lost rows.
    pub lost: BTreeMap<(FragmentId, u32), Error>,
    pub counters: Arc<Counters>,
}

/// Where a part goes.
pub(super) enum Place {
    To(Arc<Arrivals>, Part, Receipt),
    Kept,
    Refused(Receipt, Result<Taken, Error>),
}

impl Attempts {
    pub fn new(released_max: usize) -> Self {
        Self {
            live: BTreeMap::new(),
            released: Released::new(released_max),
            deadlines: VecDeque::new(),
            early: 0,
        }
    }

    /// What there is of an attempt, made if need be.
    ///
    /// # Errors
    /// What its inputs and outputs fail with, if it is no more.
    pub fn of(&mut self, attempt: Attempt) -> Result<&mut OfAttempt, Error> {
        match self.released.error(attempt) {
            Some(error) => Err(error.clone()),
            None => Ok(self.live.entry(attempt).or_default()),
        }
    }

    pub fn release(&mut self, attempt: Attempt) -> Option<OfAttempt> {
        self.released.add(attempt, Error::cancelled());
        let of_attempt = self.live.remove(&attempt)?;
        self.early -= of_attempt.early.len();
        Some(of_attempt)
    }

    pub fn live(&self) -> impl Iterator<Item = (&Attempt, &OfAttempt)> {
        self.live.iter()
    }

    pub fn get(&self, attempt: Attempt) -> Option<&OfAttempt> {
        self.live.get(&attempt)
    }

    /// Finds the input of a part, or keeps it for later.
    pub fn place(
        &mut self,
        from: NodeId,
        stream: StreamId,
        part: Part,
        receipt: Receipt,
        deadline: Instant,
    ) -> Place {
        let is_full = matches!(part, Part::Batch(_)) && self.early >= EARLY_STREAMS_MAX;
        let Ok(of_attempt) = self.of(stream.attempt) else {
            return Place::Refused(receipt, Ok(Taken::Closed));
        };
        let key = (stream.fragment, stream.receiver);
        if let Some(arrivals) = of_attempt.inputs.get(&key) {
            return Place::To(Arc::clone(arrivals), part, receipt);
        }
        if of_attempt.lost.contains_key(&key) {
            return Place::Refused(receipt, Ok(Taken::Closed));
        }
        let has_come = of_attempt.early.contains_key(&stream);
        let early = of_attempt.early.entry(stream).or_insert_with(|| Early::new(from, deadline));
        if early.from != from || !early.has_room() || (is_full && !has_come) {
            let message =
                format!("too much has come from node {from} for {stream}, whose receiver is not there yet");
            let error = Error::new(ErrorCode::Connection, message);
            of_attempt.lost.insert(key, error.clone());
            return Place::Refused(receipt, Err(error));
        }
        early.push(part, receipt);
        if !has_come {
            self.early += 1;
            self.deadlines.push_back((deadline, stream));
        }
        Place::Kept
    }

    /// The early streams of an input.
    pub fn take_early(&mut self, attempt: Attempt, input: (FragmentId, u32)) -> Vec<(StreamId, Early)> {
        let Some(of_attempt) = self.live.get_mut(&attempt) else { return Vec::new() };
        let (fragment, receiver) = input;
        let end = |sender| StreamId { attempt, fragment, sender, receiver: sender };
        let is_of = |stream: &StreamId, _: &mut Early| stream.receiver == receiver;
        let taken: Vec<_> = of_attempt.early.extract_if(end(0)..=end(u32::MAX), is_of).collect();
        self.early -= taken.len();
        taken
    }

    /// Gives up early streams whose deadline has passed; says when the next one does.
    pub fn expire(&mut self, now: Instant, effects: &mut Effects) -> Option<Instant> {
        while let Some((deadline, stream)) = self.deadlines.front().copied() {
            let early =
                self.live.get_mut(&stream.attempt).and_then(|of_attempt| of_attempt.early.get(&stream));
            if early.is_none_or(|early| early.deadline != deadline) {
                self.deadlines.pop_front();
                continue;
            }
            if deadline > now {
                return Some(deadline);
            }
            let message = format!("the receiver of {stream} did not come in time");
            let error = Error::new(ErrorCode::Connection, message);
            self.lose(stream, &error, effects);
            self.deadlines.pop_front();
        }
        None
    }

    /// Gives up early streams from a node.
    pub fn lose_from(&mut self, node: NodeId, effects: &mut Effects) {
        let of_node = |of_attempt: &OfAttempt| -> Vec<StreamId> {
            of_attempt
                .early
                .iter()
                .filter(|(_, early)| early.from == node)
                .map(|(stream, _)| *stream)
                .collect()
        };
        let streams: Vec<StreamId> = self.live.values().flat_map(of_node).collect();
        for stream in streams {
            let message =
                format!("the connection with node {node} was lost while rows of {} came", stream.fragment);
            self.lose(stream, &Error::new(ErrorCode::Connection, message), effects);
        }
    }

    /// Its rows are gone, so its input, if it comes yet, fails.
    fn lose(&mut self, stream: StreamId, error: &Error, effects: &mut Effects) {
        let Some(of_attempt) = self.live.get_mut(&stream.attempt) else { return };
        if let Some(early) = of_attempt.early.remove(&stream) {
            self.early -= 1;
            early.answer(&Err(error.clone()), effects);
        }
        of_attempt.lost.insert((stream.fragment, stream.receiver), error.clone());
        // Of an attempt that never came here nothing is kept but its end.
        if of_attempt.inputs.is_empty() && of_attempt.outputs.is_empty() && of_attempt.early.is_empty() {
            self.live.remove(&stream.attempt);
            self.released.add(stream.attempt, error.clone());
        }
    }
}

impl OfAttempt {
    /// All ends at once.
    pub fn release(self) {
        let mut effects = Effects::default();
        self.early.into_values().for_each(|early| early.answer(&Ok(Taken::Closed), &mut effects));
        self.inputs.values().for_each(|arrivals| arrivals.fail(Error::cancelled(), &mut effects));
        effects.run();
        self.outputs.iter().for_each(Departures::release);
    }

    pub fn add_to(&self, statistics: &mut ExchangeStatistics) {
        self.inputs.values().for_each(|arrivals| arrivals.add_to(statistics));
        self.early.values().for_each(|early| early.add_to(statistics));
    }
}
