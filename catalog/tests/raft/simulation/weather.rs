//! What becomes of messages, by seed.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use nyala_catalog::raft::{ReplicaId, Weather};
use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};

/// A message that is late is later than an election takes.
const LATE_MS: u64 = 900;

pub struct SeededWeather(Mutex<State>);

struct State {
    random: SmallRng,
    sky: Sky,
    /// The side of a partition on which a replica is; messages cross no border.
    sides: BTreeMap<ReplicaId, u8>,
    /// Ways on which nothing arrives, though answers to it would.
    cut: Option<(ReplicaId, ReplicaId)>,
    /// A replica that hears nothing, though it is heard.
    deaf: Option<ReplicaId>,
}

/// Of 100 messages.
#[derive(Debug, Clone, Copy)]
pub struct Sky {
    pub lost: u32,
    pub twice: u32,
    pub late: u32,
    pub delay_ms: u64,
}

pub const CALM: Sky = Sky { lost: 0, twice: 0, late: 0, delay_ms: 2 };

impl SeededWeather {
    pub fn new(seed: u64) -> Arc<Self> {
        let random = SmallRng::seed_from_u64(seed ^ 0x5EA);
        Arc::new(Self(Mutex::new(State { random, sky: CALM, sides: BTreeMap::new(), cut: None, deaf: None })))
    }

    pub fn set_sky(&self, sky: Sky) {
        self.0.lock().unwrap().sky = sky;
    }

    pub fn partition(&self, sides: BTreeMap<ReplicaId, u8>) {
        self.0.lock().unwrap().sides = sides;
    }

    pub fn cut(&self, from: ReplicaId, to: ReplicaId) {
        self.0.lock().unwrap().cut = Some((from, to));
    }

    pub fn deafen(&self, id: ReplicaId) {
        self.0.lock().unwrap().deaf = Some(id);
    }

    pub fn heal(&self) {
        let mut state = self.0.lock().unwrap();
        state.sides.clear();
        state.cut = None;
        state.deaf = None;
    }
}

impl Weather for SeededWeather {
    fn delays(&self, from: ReplicaId, to: ReplicaId) -> Vec<Duration> {
        let mut state = self.0.lock().unwrap();
        let State { random, sky, sides, cut, deaf } = &mut *state;
        let side = |id| sides.get(&id).copied().unwrap_or(0);
        let has_way = side(from) == side(to) && *cut != Some((from, to)) && *deaf != Some(to);
        if !has_way || random.gen_ratio(sky.lost, 100) {
            return Vec::new();
        }
        let copies = if random.gen_ratio(sky.twice, 100) { 2 } else { 1 };
        let delay = |random: &mut SmallRng| {
            let longest = if random.gen_ratio(sky.late, 100) { LATE_MS } else { sky.delay_ms };
            Duration::from_millis(random.gen_range(1..=longest))
        };
        (0..copies).map(|_| delay(random)).collect()
    }
}
