//! One run.

use std::sync::Arc;
use std::time::Duration;

use rand::Rng;
use tokio::time::{Instant, sleep};

use super::checker;
use super::client::{REGISTERS, operate, work};
use super::history::{Action, Outcome};
use super::nemesis::{Nemesis, mend};
use super::plant::Plant;
use super::world::World;
use crate::cluster::members;

const CLIENTS: usize = 4;
const OPERATIONS: usize = 16;
const LOOK: Duration = Duration::from_millis(10);
/// How long a cluster may take until all is well, once it has been mended.
const RECOVERY: Duration = Duration::from_secs(30);
/// Lines of the schedule that a failure shows.
const SHOWN: usize = 60;

#[derive(Debug, Default)]
pub struct Counts {
    pub done: u64,
    pub unknown: u64,
    pub crashes: u64,
    pub partitions: u64,
    pub memberships: u64,
    pub leaders: u64,
    pub snapshots_installed: u64,
    /// Statements that were asked after.
    pub settled_done: u64,
    pub settled_never: u64,
}

impl Counts {
    pub fn add(&mut self, other: &Self) {
        self.done += other.done;
        self.unknown += other.unknown;
        self.crashes += other.crashes;
        self.partitions += other.partitions;
        self.memberships += other.memberships;
        self.leaders += other.leaders;
        self.snapshots_installed += other.snapshots_installed;
        self.settled_done += other.settled_done;
        self.settled_never += other.settled_never;
    }
}

pub struct Report {
    pub verdict: Result<(), String>,
    pub schedule: Vec<String>,
    pub counts: Counts,
}

/// On a runtime of one thread, whose time passes only when all wait.
pub fn run(seed: u64, plant: Option<Plant>) -> Report {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
    runtime.unwrap().block_on(run_in_world(seed, plant))
}

async fn run_in_world(seed: u64, plant: Option<Plant>) -> Report {
    let world = World::new(seed, plant);
    let size = if seed.is_multiple_of(2) { 3 } else { 5 };
    let changes_members = seed.is_multiple_of(3);
    for id in 1..=size {
        world.start(id).await;
    }
    for replica in world.running().into_iter().take(1) {
        if let Err(error) = replica.initialize(&members(1..=size)).await {
            world.fail(format!("no cluster: {error:?}"));
        }
    }
    let looking = tokio::spawn(look(Arc::clone(&world)));
    let clients: Vec<_> =
        (0..CLIENTS).map(|client| tokio::spawn(work(Arc::clone(&world), client, OPERATIONS))).collect();
    let mut counts = Nemesis::new(Arc::clone(&world), changes_members).work(&clients).await;
    for client in clients {
        if client.await.is_err() {
            world.fail("a client panicked".into());
        }
    }
    recover(&world).await;
    looking.abort();
    world.look();
    world.check_times();
    world.end().await;
    let (schedule, operations) =
        world.history(|history| (std::mem::take(&mut history.schedule), history.operations.clone()));
    let is_unknown = |outcome: &Outcome| matches!(outcome, Outcome::Unknown | Outcome::NotDone);
    counts.unknown = operations.iter().filter(|operation| is_unknown(&operation.outcome)).count() as u64;
    counts.done = operations.len() as u64 - counts.unknown;
    (counts.leaders, counts.snapshots_installed) = world.leaders_and_installs();
    (counts.settled_done, counts.settled_never) = world.settled();
    let judged = world.failure().map_or_else(|| checker::check(&operations), Err);
    let shown = schedule[schedule.len().saturating_sub(SHOWN)..].join("\n  ");
    let verdict = judged.map_err(|failure| format!("{failure}\nthe last of what happened:\n  {shown}"));
    Report { verdict, schedule, counts }
}

async fn look(world: Arc<World>) {
    loop {
        world.look();
        sleep(LOOK).await;
    }
}

/// When all is mended, every member comes to know everything, and the registers are read once more.
async fn recover(world: &Arc<World>) {
    mend(world).await;
    let end = Instant::now() + RECOVERY;
    let client = CLIENTS;
    while world.failure().is_none() {
        if is_well(world).await {
            for register in 0..REGISTERS {
                let Some(leader) = world.running().into_iter().find(|r| r.status().leader == Some(r.id()))
                else {
                    return;
                };
                operate(world, client, &leader, register, Action::Read).await;
            }
            return;
        }
        if Instant::now() > end {
            let statuses: Vec<_> = world.running().iter().map(|replica| replica.status()).collect();
            // A planted bug is to be found by what it does to the catalog.
            if world.plant.is_none() {
                world.fail(format!("the cluster does not recover: {statuses:#?}"));
            }
            return;
        }
        let pause = world.random(|random| random.gen_range(100..300));
        sleep(Duration::from_millis(pause)).await;
    }
}

/// All members of the newest leader have all that was committed before.
async fn is_well(world: &World) -> bool {
    let Some(leader) = world.leader() else { return false };
    let running = world.running();
    let Some(newest) = running.iter().find(|replica| replica.id() == leader.id) else { return false };
    let Ok(snapshot) = newest.linearizable_snapshot().await else { return false };
    let members = leader.voters.union(&leader.learners);
    let mut versions = members.map(|id| running.iter().find(|replica| replica.id() == *id));
    versions.all(|replica| replica.is_some_and(|replica| replica.snapshot().version >= snapshot.version))
}
