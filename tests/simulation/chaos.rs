//! What befalls the nodes.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use rand::rngs::SmallRng;
use rand::seq::SliceRandom;
use rand::{Rng, SeedableRng};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};

use crate::story::Story;
use crate::world::World;

/// How long a drain waits for what runs.
const DRAIN: Duration = Duration::from_secs(5);

pub struct Chaos {
    world: Arc<World>,
    story: Arc<Story>,
    random: SmallRng,
    /// Between two strikes, at most.
    pause: Duration,
    /// Nodes that are being started.
    starts: JoinSet<usize>,
    starting: BTreeSet<usize>,
}

impl Chaos {
    pub fn new(world: Arc<World>, story: Arc<Story>, seed: u64) -> Self {
        let mut random = SmallRng::seed_from_u64(seed);
        let pause = Duration::from_millis([500, 2_000, 4_000][random.gen_range(0..3)]);
        Self { world, story, random, pause, starts: JoinSet::new(), starting: BTreeSet::new() }
    }

    pub async fn rage(&mut self, until: Instant) {
        while Instant::now() < until {
            sleep(self.random.gen_range(Duration::ZERO..self.pause)).await;
            self.strike().await;
        }
    }

    async fn strike(&mut self) {
        self.note_started();
        let size = self.world.size();
        let (one, other) = (self.random.gen_range(0..size), self.random.gen_range(0..size));
        let up = self.world.up();
        let peer = |index: usize| up.iter().find(|node| node.index == index).map(|node| node.peer.id);
        let log = &self.world.log;
        match self.random.gen_range(0..16) {
            0..3 => {
                let node = if self.random.gen_bool(0.4) { self.leader().unwrap_or(one) } else { one };
                drop(up);
                self.crash(node).await;
            }
            3..7 => self.start_one(),
            7 => {
                if let Some(node) = up.iter().find(|node| node.index == one) {
                    log.note(format_args!("drain {one}"));
                    node.drain(DRAIN).await;
                    drop(up);
                    self.world.stop(one).await;
                    log.note(format_args!("stopped {one}"));
                }
            }
            8 | 9 => {
                if let (Some(a), Some(b)) = (peer(one), peer(other))
                    && one != other
                {
                    log.note(format_args!("part {one} and {other}"));
                    self.world.network.part(a, b);
                }
            }
            10 => {
                if let (Some(a), Some(b)) = (peer(one), peer(other))
                    && one != other
                {
                    log.note(format_args!("part {one} from {other}"));
                    self.world.network.part_one_way(a, b);
                }
            }
            11 => {
                if let (Some(a), Some(b)) = (peer(one), peer(other)) {
                    log.note(format_args!("break {one} and {other}"));
                    self.world.network.break_connection(a, b);
                }
            }
            12 => {
                if let Some(node) = up.iter().find(|node| node.index == one) {
                    let most = Duration::from_micros([0, 500, 5_000, 50_000][self.random.gen_range(0..4)]);
                    log.note(format_args!("node {one} takes {most:?}"));
                    node.slow_down(most);
                }
            }
            _ => {
                log.note("heal");
                self.world.network.heal();
            }
        }
    }

    fn leader(&self) -> Option<usize> {
        let up = self.world.up();
        up.iter()
            .find(|node| node.parts.cluster.leader().is_some_and(|leader| leader.id == node.peer.id))
            .map(|node| node.index)
    }

    async fn crash(&mut self, index: usize) {
        if self.world.crash(index).await {
            self.world.log.note(format_args!("crash {index}"));
            self.story.count(|counts| counts.crashes += 1);
        }
    }

    fn down(&self) -> Vec<usize> {
        let is_down = |index: &usize| self.world.node(*index).is_none() && !self.starting.contains(index);
        (0..self.world.size()).filter(is_down).collect()
    }

    fn start_one(&mut self) {
        if let Some(index) = self.down().choose(&mut self.random).copied() {
            self.start(index);
        }
    }

    fn start(&mut self, index: usize) {
        self.world.log.note(format_args!("start {index}"));
        self.starting.insert(index);
        let world = Arc::clone(&self.world);
        self.starts.spawn(async move {
            world.start(index).await;
            index
        });
    }

    fn note_started(&mut self) {
        while let Some(started) = self.starts.try_join_next() {
            self.starting.remove(&started.expect("a node starts"));
        }
    }

    /// Everything is well from now on. Returns when all nodes are up.
    pub async fn end(mut self) {
        self.world.log.note("all is mended");
        self.world.network.heal();
        for node in self.world.up() {
            node.slow_down(Duration::ZERO);
        }
        for index in self.down() {
            self.start(index);
        }
        while let Some(started) = self.starts.join_next().await {
            started.expect("a node starts");
        }
    }
}
