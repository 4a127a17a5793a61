//! The cluster of a run: replicas with their disks and clocks, and what was seen of their snapshots.

use std::collections::{BTreeMap, BTreeSet};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex};

use nyala_catalog::raft::{MemoryNetwork, MemoryReplicaStore, Parts, Replica, ReplicaId, Status};
use nyala_catalog::{MemoryBlobs, Snapshot};
use rand::rngs::SmallRng;
use rand::seq::IteratorRandom;
use rand::{Rng, SeedableRng};
use tokio::time::Instant;

use super::history::History;
use super::plant::{self, Plant};
use super::weather::SeededWeather;
use crate::cluster::settings;

/// 2026, on the clocks of all replicas, before steps.
const EPOCH_MS: i64 = 1_767_225_600_000;

pub struct World {
    pub seed: u64,
    pub plant: Option<Plant>,
    pub weather: Arc<SeededWeather>,
    pub network: MemoryNetwork,
    state: Mutex<State>,
    began: Instant,
}

struct State {
    random: SmallRng,
    machines: BTreeMap<ReplicaId, Machine>,
    history: History,
    /// What was seen of each version of the catalog: a hash of all of it, its time, and where.
    versions: BTreeMap<u64, (u64, i64, ReplicaId)>,
    failure: Option<String>,
    leaders: BTreeSet<(u64, ReplicaId)>,
    installed: u64,
    settled: (u64, u64),
}

struct Machine {
    disk: MemoryReplicaStore,
    /// Milliseconds by which its clock is wrong.
    step_ms: Arc<AtomicI64>,
    replica: Option<Replica>,
    starts: u64,
    /// Version and cut of the log at the last look.
    seen: (u64, u64),
}

impl World {
    pub fn new(seed: u64, plant: Option<Plant>) -> Arc<Self> {
        let weather = SeededWeather::new(seed);
        let state = State {
            random: SmallRng::seed_from_u64(seed),
            machines: BTreeMap::new(),
            history: History::default(),
            versions: BTreeMap::new(),
            failure: None,
            leaders: BTreeSet::new(),
            installed: 0,
            settled: (0, 0),
        };
        let network = MemoryNetwork::with_weather(weather.clone());
        Arc::new(Self { seed, plant, weather, network, state: Mutex::new(state), began: Instant::now() })
    }

    pub fn random<T>(&self, draw: impl FnOnce(&mut SmallRng) -> T) -> T {
        draw(&mut self.state.lock().unwrap().random)
    }

    pub fn history<T>(&self, work: impl FnOnce(&mut History) -> T) -> T {
        work(&mut self.state.lock().unwrap().history)
    }

    pub fn note(&self, what: &str) {
        self.history(|history| history.note(what));
    }

    /// The first one counts.
    pub fn fail(&self, what: String) {
        self.state.lock().unwrap().failure.get_or_insert(what);
    }

    pub fn failure(&self) -> Option<String> {
        self.state.lock().unwrap().failure.clone()
    }

    /// Grows with time, as those of real statements.
    pub fn statement_id(&self) -> u128 {
        let low: u64 = self.random(Rng::r#gen);
        (self.began.elapsed().as_millis() << 80) | u128::from(low & !1)
    }

    /// What became of a statement was asked for.
    pub fn settle(&self, was_done: bool) {
        let mut state = self.state.lock().unwrap();
        let (done, never) = state.settled;
        state.settled = if was_done { (done + 1, never) } else { (done, never + 1) };
    }

    /// Statements that were asked after: those that had been done, those that never will be.
    pub fn settled(&self) -> (u64, u64) {
        self.state.lock().unwrap().settled
    }

    /// How many replicas led, in all terms, and how often one got an image from another.
    pub fn leaders_and_installs(&self) -> (u64, u64) {
        let state = self.state.lock().unwrap();
        (state.leaders.len() as u64, state.installed)
    }

    /// Starts a machine, a new one or one that is down.
    pub async fn start(self: &Arc<Self>, id: ReplicaId) {
        let (disk, step_ms, starts) = {
            let mut state = self.state.lock().unwrap();
            let machine = state.machines.entry(id).or_insert_with(|| Machine {
                disk: MemoryReplicaStore::default(),
                step_ms: Arc::default(),
                replica: None,
                starts: 0,
                seen: (0, 0),
            });
            machine.starts += 1;
            machine.seen = (0, 0);
            (machine.disk.clone(), Arc::clone(&machine.step_ms), machine.starts)
        };
        let began = self.began;
        let clock = move || EPOCH_MS + began.elapsed().as_millis() as i64 + step_ms.load(Ordering::Relaxed);
        let parts = Parts {
            id,
            store: plant::store(&disk, self.plant),
            network: self.network.end_of(id),
            blobs: Arc::new(MemoryBlobs::default()),
            clock: Box::new(clock),
            settings: settings(self.seed ^ (id << 40) ^ (starts << 48)),
        };
        match Replica::start(parts).await {
            Ok(replica) => {
                self.network.plug_in(replica.clone());
                if let Some(machine) = self.state.lock().unwrap().machines.get_mut(&id) {
                    machine.replica = Some(replica);
                }
            }
            Err(error) => self.fail(format!("replica {id} does not start: {error:?}")),
        }
    }

    /// The power goes: the disk keeps what was flushed, and perhaps some of what was not.
    pub async fn crash(&self, id: ReplicaId) {
        let Some(replica) = self.network.unplug(id) else { return };
        {
            let mut state = self.state.lock().unwrap();
            let unflushed =
                if self.plant == Some(Plant::LostEntries) { 0 } else { state.random.gen_range(0..3) };
            if let Some(machine) = state.machines.get_mut(&id) {
                machine.disk = machine.disk.crash(unflushed);
                machine.replica = None;
            }
        }
        replica.stop().await;
    }

    pub fn step_clock(&self, id: ReplicaId, step_ms: i64) {
        if let Some(machine) = self.state.lock().unwrap().machines.get(&id) {
            machine.step_ms.store(step_ms, Ordering::Relaxed);
        }
    }

    pub fn running(&self) -> Vec<Replica> {
        let state = self.state.lock().unwrap();
        state.machines.values().filter_map(|machine| machine.replica.clone()).collect()
    }

    pub fn down(&self) -> Vec<ReplicaId> {
        let state = self.state.lock().unwrap();
        let down = state.machines.iter().filter(|(_, machine)| machine.replica.is_none());
        down.map(|(id, _)| *id).collect()
    }

    pub fn any_running(&self) -> Option<Replica> {
        let running = self.running();
        self.random(|random| running.into_iter().choose(random))
    }

    /// The most recent leader that a running replica knows of itself.
    pub fn leader(&self) -> Option<Status> {
        let statuses = self.running().into_iter().map(|replica| replica.status());
        statuses.filter(|status| status.leader == Some(status.id)).max_by_key(|status| status.term)
    }

    /// Looks at every running replica: equal versions are equal, none goes back, none has stopped.
    pub fn look(&self) {
        for replica in self.running() {
            let (status, snapshot) = (replica.status(), replica.snapshot());
            if let Some(failure) = &status.failure {
                self.fail(format!("replica {} has stopped: {failure}", status.id));
            }
            let mut state = self.state.lock().unwrap();
            if status.leader == Some(status.id) {
                state.leaders.insert((status.term, status.id));
            }
            let Some(machine) = state.machines.get_mut(&status.id) else { continue };
            let (version, purged) = machine.seen;
            machine.seen = (snapshot.version, status.purged);
            // Of its own image a replica keeps some entries: a log that is cut at the image got that from another one.
            if status.purged > purged && status.purged == status.in_image {
                state.installed += 1;
            }
            if snapshot.version < version {
                state
                    .failure
                    .get_or_insert(format!("replica {} went back to {}", status.id, snapshot.version));
            }
            if snapshot.version != version {
                see(&mut state, status.id, &snapshot);
            }
        }
    }

    /// Takes the replicas from the network, which would keep them for ever: each has an end of it.
    pub async fn end(&self) {
        for replica in self.running() {
            self.network.unplug(replica.id());
            replica.stop().await;
        }
    }

    /// Time does not go back from one version to a later one.
    pub fn check_times(&self) {
        let mut state = self.state.lock().unwrap();
        let times: Vec<_> =
            state.versions.iter().map(|(version, (_, at_ms, _))| (*version, *at_ms)).collect();
        for pair in times.windows(2) {
            if pair[1].1 < pair[0].1 {
                state
                    .failure
                    .get_or_insert(format!("time goes back from version {} to {}", pair[0].0, pair[1].0));
            }
        }
    }
}

fn see(state: &mut State, id: ReplicaId, snapshot: &Snapshot) {
    let mut hasher = DefaultHasher::new();
    snapshot.encode().unwrap().hash(&mut hasher);
    let seen = (hasher.finish(), snapshot.at_ms);
    let first = *state.versions.entry(snapshot.version).or_insert((seen.0, seen.1, id));
    if (first.0, first.1) != seen {
        let what = format!("replicas {} and {id} differ at version {}", first.2, snapshot.version);
        state.failure.get_or_insert(what);
    }
}
