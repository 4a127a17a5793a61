//! One story: some nodes, some queries, and what befalls them.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use nyala_exchange::memory::{MemoryNetwork, Weather};
use nyala_exchange::{Compression, ExchangeConfig, ExchangeStatistics};
use nyala_schema::cluster::Attempt;
use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};
use tokio::task::AbortHandle;
use tokio::time::{Instant, sleep, timeout};

use super::plant::{Inbox, Plant};
use super::query;
use crate::cluster::{Node, peer, present};

/// In simulated time.
const STORY_MAX: Duration = Duration::from_secs(1000);
/// After which nothing may be left of what is released.
const REST: Duration = Duration::from_secs(60);

/// What came of it.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Story {
    pub queries_done: u64,
    pub queries_failed: u64,
    pub rows: u64,
    pub crashes: u64,
    pub simulated: Duration,
}

impl Story {
    pub fn add(&mut self, other: &Self) {
        self.queries_done += other.queries_done;
        self.queries_failed += other.queries_failed;
        self.rows += other.rows;
        self.crashes += other.crashes;
        self.simulated += other.simulated;
    }
}

pub struct World {
    pub network: Arc<MemoryNetwork>,
    pub config: ExchangeConfig,
    pub plant: Option<Plant>,
    slots: Mutex<Vec<Slot>>,
}

struct Slot {
    node: Option<Arc<Node>>,
    incarnation: u64,
    /// What ends with the node.
    tasks: Vec<AbortHandle>,
}

impl World {
    fn new(draw: &mut SmallRng, plant: Option<Plant>) -> Arc<Self> {
        let latency_ms = [1, 1, 20, 300][draw.gen_range(0..4)];
        let weather = Weather {
            latency: Duration::from_micros(50)..Duration::from_millis(latency_ms),
            bytes_per_second: [None, Some(1 << 16), Some(1 << 20)][draw.gen_range(0..3)],
            breaks_per_million: [0, 0, 100, 5000][draw.gen_range(0..4)],
            silence_max: Duration::from_secs(5),
        };
        let config = ExchangeConfig {
            credits: draw.gen_range(1..4),
            early_wait: Duration::from_secs(draw.gen_range(1..10)),
            compression: [Compression::None, Compression::Lz4][draw.gen_range(0..2)],
            released_max: 1000,
        };
        let network = MemoryNetwork::new(draw.r#gen(), weather);
        let world = Arc::new(Self { network, config, plant, slots: Mutex::new(Vec::new()) });
        for index in 0..draw.gen_range(2..5) {
            world.slots.lock().unwrap().push(Slot { node: None, incarnation: 0, tasks: Vec::new() });
            world.start(index);
        }
        world
    }

    pub fn size(&self) -> usize {
        self.slots.lock().unwrap().len()
    }

    pub fn node(&self, index: usize) -> Option<Arc<Node>> {
        self.slots.lock().unwrap()[index].node.clone()
    }

    /// The task ends when the node does.
    pub fn belongs_to(&self, index: usize, task: AbortHandle) {
        let mut slots = self.slots.lock().unwrap();
        match slots[index].node {
            Some(_) => slots[index].tasks.push(task),
            None => task.abort(),
        }
    }

    fn start(&self, index: usize) {
        let incarnation = {
            let mut slots = self.slots.lock().unwrap();
            slots[index].incarnation += 1;
            slots[index].incarnation
        };
        // One node makes the mistake.
        let inbox = Inbox { plant: self.plant.filter(|_| index == 0), ..Inbox::default() };
        let node =
            Node::start_with(&self.network, index, incarnation, &self.config, Arc::new(inbox), |inbox| {
                &inbox.exchange
            });
        self.slots.lock().unwrap()[index].node = Some(Arc::new(node));
    }

    fn crash(&self, index: usize) -> bool {
        let (node, tasks) = {
            let mut slots = self.slots.lock().unwrap();
            (slots[index].node.take(), std::mem::take(&mut slots[index].tasks))
        };
        self.network.crash(peer(index).id);
        tasks.iter().for_each(AbortHandle::abort);
        node.is_some()
    }

    pub fn release(&self, attempt: Attempt) {
        for index in 0..self.size() {
            if index == 0 && self.plant == Some(Plant::IgnoresRelease) {
                continue;
            }
            if let Some(node) = self.node(index) {
                node.exchange.release(attempt);
            }
        }
    }

    /// What is still there of queries that are over.
    fn left(&self) -> Vec<ExchangeStatistics> {
        let nodes = (0..self.size()).filter_map(|index| self.node(index));
        let left = nodes.map(|node| present(node.exchange.statistics()));
        left.filter(|statistics| *statistics != ExchangeStatistics::default()).collect()
    }
}

/// # Errors
/// What did not hold.
pub fn run(seed: u64, plant: Option<Plant>) -> Result<Story, String> {
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
    runtime.block_on(async {
        timeout(STORY_MAX, story(seed, plant)).await.unwrap_or_else(|_| Err("it hangs".to_owned()))
    })
}

async fn story(seed: u64, plant: Option<Plant>) -> Result<Story, String> {
    let mut draw = SmallRng::seed_from_u64(seed);
    let start = Instant::now();
    let world = World::new(&mut draw, plant);
    let mut queries = tokio::task::JoinSet::new();
    for number in 0..draw.gen_range(1..5) {
        queries.spawn(query::run(Arc::clone(&world), number, draw.r#gen()));
    }
    let fate = tokio::spawn(fate(Arc::clone(&world), SmallRng::seed_from_u64(draw.r#gen())));
    let mut story = Story::default();
    while let Some(result) = queries.join_next().await {
        match result.map_err(|error| error.to_string())?? {
            Some(rows) => {
                story.queries_done += 1;
                story.rows += rows;
            }
            None => story.queries_failed += 1,
        }
    }
    story.crashes = fate.await.map_err(|error| error.to_string())?;
    sleep(REST).await;
    let left = world.left();
    for index in 0..world.size() {
        world.crash(index);
    }
    if let Some(left) = left.first() {
        return Err(format!("something is left of what is over: {left:?}"));
    }
    story.simulated = start.elapsed();
    Ok(story)
}

/// Gives how many nodes have crashed.
async fn fate(world: Arc<World>, mut draw: SmallRng) -> u64 {
    let mut crashes = 0;
    let blows = if draw.gen_bool(0.4) { 0 } else { draw.gen_range(1..6) };
    for _ in 0..blows {
        sleep(Duration::from_millis(draw.gen_range(0..3000))).await;
        let (one, other) = (draw.gen_range(0..world.size()), draw.gen_range(0..world.size()));
        let network = &world.network;
        match draw.gen_range(0..6) {
            0 => {
                crashes += u64::from(world.crash(one));
                sleep(Duration::from_millis(draw.gen_range(0..3000))).await;
                world.start(one);
            }
            1 if one != other => network.part(peer(one).id, peer(other).id),
            2 => network.isolate(peer(one).id),
            3 => network.heal(),
            4 => network.break_connection(peer(one).id, peer(other).id),
            _ => network.slow(peer(one).id, peer(other).id, draw.gen_range(1000..100_000)),
        }
    }
    sleep(Duration::from_millis(draw.gen_range(0..10_000))).await;
    world.network.heal();
    crashes
}
