//! Breaks things, and sometimes mends them.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use nyala_catalog::raft::ReplicaId;
use rand::Rng;
use rand::seq::SliceRandom;
use tokio::task::JoinHandle;
use tokio::time::sleep;

use super::run::Counts;
use super::weather::{CALM, Sky};
use super::world::World;

const PAUSE_MS: std::ops::Range<u64> = 50..800;
/// By which a clock may be wrong: a day.
const STEP_MS: i64 = 86_400_000;

pub struct Nemesis {
    world: Arc<World>,
    /// Whether members come and go.
    changes_members: bool,
    counts: Counts,
    membership: Option<JoinHandle<bool>>,
}

impl Nemesis {
    pub fn new(world: Arc<World>, changes_members: bool) -> Self {
        Self { world, changes_members, counts: Counts::default(), membership: None }
    }

    /// Goes on until the clients have done their work.
    pub async fn work(mut self, clients: &[JoinHandle<()>]) -> Counts {
        while !clients.iter().all(JoinHandle::is_finished) {
            let pause = self.world.random(|random| random.gen_range(PAUSE_MS));
            sleep(Duration::from_millis(pause)).await;
            self.act().await;
        }
        self.finish_membership().await;
        self.counts
    }

    async fn act(&mut self) {
        if self.changes_members && self.world.random(|random| random.gen_bool(0.2)) {
            return self.change_members().await;
        }
        match self.world.random(|random| random.gen_range(0..20)) {
            0..4 => self.partition(),
            4 => self.cut(),
            5..8 => {
                self.world.note("heal");
                self.world.weather.heal();
            }
            8..12 => self.crash().await,
            12..16 => self.restart().await,
            16 => self.step_clock(),
            17 => self.deafen(),
            18 => self.black_out().await,
            _ => self.change_sky(),
        }
    }

    fn ids(&self) -> Vec<ReplicaId> {
        let mut ids: Vec<_> = self.world.running().iter().map(nyala_catalog::raft::Replica::id).collect();
        ids.extend(self.world.down());
        ids.sort_unstable();
        ids
    }

    fn partition(&mut self) {
        let leader = self.world.leader().map(|status| status.id);
        let isolates_leader = self.world.random(|random| random.gen_bool(0.4));
        let mut sides = BTreeMap::new();
        for id in self.ids() {
            let side = match leader {
                Some(leader) if isolates_leader => u8::from(id == leader),
                _ => self.world.random(|random| random.gen_range(0..2)),
            };
            sides.insert(id, side);
        }
        self.world.note(&format!("partition {sides:?}"));
        self.world.weather.partition(sides);
        self.counts.partitions += 1;
    }

    fn cut(&mut self) {
        let ids = self.ids();
        let chosen: Vec<_> = self.world.random(|random| ids.choose_multiple(random, 2).copied().collect());
        if let [from, to] = chosen[..] {
            self.world.note(&format!("cut {from}->{to}"));
            self.world.weather.cut(from, to);
        }
    }

    fn deafen(&self) {
        if let Some(leader) = self.world.leader() {
            self.world.note(&format!("deaf {}", leader.id));
            self.world.weather.deafen(leader.id);
        }
    }

    async fn crash(&mut self) {
        if let Some(replica) = self.world.any_running() {
            self.world.note(&format!("crash {}", replica.id()));
            self.world.crash(replica.id()).await;
            self.counts.crashes += 1;
        }
    }

    /// All at once: only what is on disks is left.
    async fn black_out(&mut self) {
        self.world.note("black out");
        for replica in self.world.running() {
            self.world.crash(replica.id()).await;
            self.counts.crashes += 1;
        }
        let down = self.world.down();
        for id in down {
            if self.world.random(|random| random.gen_bool(0.7)) {
                self.world.start(id).await;
            }
        }
    }

    async fn restart(&mut self) {
        let down = self.world.down();
        if let Some(id) = self.world.random(|random| down.choose(random).copied()) {
            self.world.note(&format!("restart {id}"));
            self.world.start(id).await;
        }
    }

    fn step_clock(&mut self) {
        let ids = self.ids();
        let step_ms = self.world.random(|random| random.gen_range(-STEP_MS..STEP_MS));
        if let Some(id) = self.world.random(|random| ids.choose(random).copied()) {
            self.world.note(&format!("clock {id} {step_ms}"));
            self.world.step_clock(id, step_ms);
        }
    }

    fn change_sky(&mut self) {
        let sky = self.world.random(|random| Sky {
            lost: random.gen_range(0..25),
            twice: random.gen_range(0..25),
            late: random.gen_range(0..10),
            delay_ms: *[2, 10, 40, 120].choose(random).unwrap_or(&2),
        });
        self.world.note(&format!("{sky:?}"));
        self.world.weather.set_sky(sky);
    }

    async fn finish_membership(&mut self) {
        if let Some(change) = self.membership.take()
            && change.await.unwrap_or(false)
        {
            self.counts.memberships += 1;
        }
    }

    /// One at a time: a learner comes, then some replicas get the vote.
    async fn change_members(&mut self) {
        if self.membership.as_ref().is_some_and(|change| !change.is_finished()) {
            return;
        }
        self.finish_membership().await;
        let ids = self.ids();
        let newcomer = ids.last().map_or(1, |last| last + 1).min(7);
        if !ids.contains(&newcomer) {
            self.world.start(newcomer).await;
        }
        let mut known: Vec<_> = self.world.running().iter().map(nyala_catalog::raft::Replica::id).collect();
        if known.len() < 3 {
            return;
        }
        let voters: BTreeSet<ReplicaId> = self.world.random(|random| {
            known.shuffle(random);
            known.truncate(random.gen_range(3..=5));
            known.into_iter().collect()
        });
        self.world.note(&format!("voters {voters:?}"));
        let world = Arc::clone(&self.world);
        self.membership = Some(tokio::spawn(change_members(world, voters)));
    }
}

async fn change_members(world: Arc<World>, voters: BTreeSet<ReplicaId>) -> bool {
    for id in &voters {
        let Some(replica) = world.any_running() else { return false };
        let status = replica.status();
        if status.voters.contains(id) || status.learners.contains(id) {
            continue;
        }
        if replica.add_learner(*id, "").await.is_err() {
            return false;
        }
    }
    let Some(replica) = world.any_running() else { return false };
    let changed = replica.change_membership(&voters).await;
    world.note(&format!("members {:?}", changed.as_ref().map_err(nyala_schema::Error::message)));
    changed.is_ok()
}

/// All that can be mended is.
pub async fn mend(world: &Arc<World>) {
    world.note("mend");
    world.weather.set_sky(CALM);
    world.weather.heal();
    for id in world.down() {
        world.start(id).await;
    }
}
