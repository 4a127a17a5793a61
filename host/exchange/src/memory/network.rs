//! Nodes and what lies between them.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, Weak};
use std::time::Duration;

use nyala_schema::cluster::{NodeId, Peer};
use nyala_schema::{Error, ErrorCode, Result};
use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};
use tokio::time::Instant;

use super::Weather;
use super::link::{Ends, Link, Route, direction, ends};
use super::post::{Arrival, Post};
use super::transport::MemoryTransport;
use crate::lock::lock;
use crate::transport::Handler;

/// Nodes and what lies between them.
pub struct MemoryNetwork {
    pub(super) weather: Weather,
    state: Mutex<State>,
    post: Post,
    this: Weak<Self>,
}

pub(super) struct State {
    seed: u64,
    /// Of each way by itself: in what order nodes are written to in one moment does not matter.
    random: BTreeMap<Route, SmallRng>,
    pub nodes: BTreeMap<NodeId, Node>,
    pub links: BTreeMap<Ends, Link>,
    /// Pairs between which nothing passes, with a number for each time they were parted.
    parted: BTreeMap<Ends, u64>,
    /// Ways from one node to another on which nothing passes, while the other way is open; with such a number.
    cut: BTreeMap<Route, u64>,
    slow: BTreeMap<Route, u64>,
    next: u64,
}

pub(super) struct Node {
    pub peer: Peer,
    pub incarnation: u64,
    pub handler: Arc<dyn Handler>,
}

impl State {
    /// A number that nothing else has.
    pub fn number(&mut self) -> u64 {
        self.next += 1;
        self.next
    }

    fn random(&mut self, route: Route) -> &mut SmallRng {
        let seed = self.seed ^ route.0.0 ^ route.1.0.rotate_left(32);
        self.random.entry(route).or_insert_with(|| SmallRng::seed_from_u64(seed))
    }

    /// Whether nothing passes on a way.
    fn holds(&self, way: Route) -> bool {
        self.parted.contains_key(&ends(way.0, way.1)) || self.cut.contains_key(&way)
    }

    /// Whether no connection can be made, which takes both ways.
    fn is_parted(&self, ends: Ends) -> bool {
        let is_cut = |way| self.cut.contains_key(&way);
        self.parted.contains_key(&ends) || is_cut(ends) || is_cut((ends.1, ends.0))
    }
}

impl MemoryNetwork {
    /// To be called inside a tokio runtime, which carries the messages.
    pub fn new(seed: u64, weather: Weather) -> Arc<Self> {
        let state = State {
            seed,
            random: BTreeMap::new(),
            nodes: BTreeMap::new(),
            links: BTreeMap::new(),
            parted: BTreeMap::new(),
            cut: BTreeMap::new(),
            slow: BTreeMap::new(),
            next: 0,
        };
        let (state, post) = (Mutex::new(state), Post::start());
        Arc::new_cyclic(|this| Self { weather, state, post, this: this.clone() })
    }

    /// A node comes, or comes back as another incarnation.
    pub fn add(&self, peer: Peer, incarnation: u64, handler: Arc<dyn Handler>) -> Arc<MemoryTransport> {
        self.crash(peer.id);
        let node = Node { peer: peer.clone(), incarnation, handler };
        self.state().nodes.insert(peer.id, node);
        Arc::new(MemoryTransport::new(self.strong(), peer, incarnation))
    }

    /// A node is gone at once: its connections break, its calls end, its handler hears nothing any more. What ran on it is for
    /// the caller to end.
    pub fn crash(&self, node: NodeId) {
        let mut state = self.state();
        let gone = state.nodes.remove(&node);
        let links: Vec<Ends> =
            state.links.keys().filter(|(one, other)| *one == node || *other == node).copied().collect();
        drop(state);
        links.into_iter().for_each(|ends| self.break_link(ends, "it has crashed"));
        drop(gone);
    }

    /// Nothing passes between two nodes any more, in both directions, until [`heal`](Self::heal). After the longest silence,
    /// their connection breaks.
    pub fn part(&self, one: NodeId, other: NodeId) {
        let ends = ends(one, other);
        let mut state = self.state();
        let number = state.number();
        if *state.parted.entry(ends).or_insert(number) != number {
            return;
        }
        drop(state);
        self.break_if_silent(ends, move |state| state.parted.get(&ends) == Some(&number));
    }

    /// Nothing passes from one node to another any more, but the other way all does, until [`heal`](Self::heal). After the
    /// longest silence their connection breaks, and no new one can be made.
    pub fn part_one_way(&self, from: NodeId, to: NodeId) {
        let mut state = self.state();
        let number = state.number();
        if *state.cut.entry((from, to)).or_insert(number) != number {
            return;
        }
        drop(state);
        self.break_if_silent(ends(from, to), move |state| state.cut.get(&(from, to)) == Some(&number));
    }

    /// A connection breaks if, after the longest silence, something still holds.
    fn break_if_silent(&self, ends: Ends, is_silent: impl Fn(&State) -> bool + Send + 'static) {
        let network = self.this.clone();
        let notice: Arrival = Box::new(move || {
            let Some(network) = network.upgrade() else { return };
            let is_still = is_silent(&network.state());
            if is_still {
                network.break_link(ends, "nothing has come from it for too long");
            }
        });
        self.post.at(Instant::now() + self.weather.silence_max, notice);
    }

    /// A node is parted from all others.
    pub fn isolate(&self, node: NodeId) {
        let others: Vec<NodeId> =
            self.state().nodes.keys().filter(|other| **other != node).copied().collect();
        others.into_iter().for_each(|other| self.part(node, other));
    }

    /// All that is parted is together again; what was under way and not given up yet arrives.
    pub fn heal(&self) {
        let mut state = self.state();
        state.parted.clear();
        state.cut.clear();
        for (&(lesser, greater), link) in &state.links {
            for way in [(lesser, greater), (greater, lesser)] {
                if !link.held[direction(way)].is_empty() {
                    let (network, number) = (self.strong(), link.number);
                    self.post.at(Instant::now(), Box::new(move || network.release(way, number)));
                }
            }
        }
    }

    /// What was held of a direction arrives, unless it is parted again. Nothing overtakes it: see [`arrive`](Self::arrive).
    fn release(&self, way: Route, number: u64) {
        loop {
            let mut state = self.state();
            if state.holds(way) {
                return;
            }
            let link = state.links.get_mut(&ends(way.0, way.1)).filter(|link| link.number == number);
            let Some(arrival) = link.and_then(|link| link.held[direction(way)].pop_front()) else { return };
            drop(state);
            arrival();
        }
    }

    /// Changes how fast one direction is.
    pub fn slow(&self, from: NodeId, to: NodeId, bytes_per_second: u64) {
        self.state().slow.insert((from, to), bytes_per_second.max(1));
    }

    /// The connection between two nodes breaks, if there is one; the next use makes another.
    pub fn break_connection(&self, one: NodeId, other: NodeId) {
        self.break_link(ends(one, other), "the connection broke");
    }

    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        lock(&self.state)
    }

    pub(super) fn strong(&self) -> Arc<Self> {
        self.this.upgrade().expect("a network that is used is there")
    }

    /// Both sides hear of it before anything that a new connection brings.
    fn break_link(&self, ends: Ends, why: &'static str) {
        let mut state = self.state();
        let Some(link) = state.links.remove(&ends) else { return };
        let handler = |node: &NodeId| state.nodes.get(node).map(|node| Arc::clone(&node.handler));
        let sides = [(handler(&ends.0), ends.1), (handler(&ends.1), ends.0)];
        drop(state);
        let notice: Arrival = Box::new(move || {
            let message = format!("the connection between nodes {} and {} is gone: {why}", ends.0, ends.1);
            link.fail(&Error::new(ErrorCode::Connection, message));
            for (handler, other) in sides {
                if let Some(handler) = handler {
                    handler.disconnected(other);
                }
            }
        });
        self.post.at(Instant::now(), notice);
    }

    /// The connection between two nodes, made if need be.
    ///
    /// # Errors
    /// After how long it is known that there is none, and why.
    pub(super) fn link<'a>(
        &self,
        state: &'a mut State,
        from: NodeId,
        to: &Peer,
    ) -> Result<&'a mut Link, (Duration, Error)> {
        let ends = ends(from, to.id);
        if !state.links.contains_key(&ends) {
            let unreachable =
                |why: &str| Error::new(ErrorCode::Connection, format!("node {to} cannot be reached: {why}"));
            if !state.nodes.contains_key(&to.id) {
                return Err((self.latency(state, (from, to.id)), unreachable("nobody answers there")));
            }
            if state.is_parted(ends) {
                return Err((self.weather.silence_max, unreachable("no answer for too long")));
            }
            let link = Link::new(state.number(), Instant::now());
            state.links.insert(ends, link);
        }
        Ok(state.links.get_mut(&ends).expect("it was there, or was put there"))
    }

    fn latency(&self, state: &mut State, route: Route) -> Duration {
        let range = &self.weather.latency;
        match range.is_empty() {
            true => range.start,
            false => state.random(route).gen_range(range.clone()),
        }
    }

    /// Sends something over the present connection, which there is; it arrives not before `not_before`, if the connection is
    /// still there then. Gives when it arrives.
    pub(super) fn send(
        &self,
        state: &mut State,
        way: Route,
        bytes: usize,
        not_before: Instant,
        arrival: Arrival,
    ) -> Instant {
        let latency = self.latency(state, way);
        let breaks = state.random(way).gen_ratio(self.weather.breaks_per_million.min(MILLION), MILLION);
        let speed = state.slow.get(&way).copied().or(self.weather.bytes_per_second);
        let ends = ends(way.0, way.1);
        let Some(link) = state.links.get_mut(&ends) else { return not_before };
        let direction = direction(way);
        link.bytes[direction] += bytes as u64;
        let transfer =
            speed.map_or(Duration::ZERO, |speed| Duration::from_secs_f64(bytes as f64 / speed as f64));
        link.busy[direction] = link.busy[direction].max(Instant::now()) + transfer;
        let time = (link.busy[direction] + latency).max(not_before);
        let (network, number) = (self.this.clone(), link.number);
        let arrival: Arrival = Box::new(move || {
            let Some(network) = network.upgrade() else { return };
            match breaks {
                true => network.break_link(ends, "it broke"),
                false => network.arrive(way, number, arrival),
            }
        });
        self.post.at(time, arrival);
        time
    }

    /// What comes over a connection that is gone is lost; behind what is held, it is held too.
    fn arrive(&self, way: Route, number: u64, arrival: Arrival) {
        let mut state = self.state();
        let is_held = state.holds(way);
        let link = state.links.get_mut(&ends(way.0, way.1)).filter(|link| link.number == number);
        let Some(held) = link.map(|link| &mut link.held[direction(way)]) else { return };
        if is_held || !held.is_empty() {
            return held.push_back(arrival);
        }
        drop(state);
        arrival();
    }

    /// Something happens after a time, whatever becomes of connections.
    pub(super) fn after(&self, wait: Duration, arrival: Arrival) {
        self.post.at(Instant::now() + wait, arrival);
    }
}

const MILLION: u32 = 1_000_000;
