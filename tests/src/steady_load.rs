//! Clients that read and write without a pause while nodes die: each knows what every answer must be.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use arrow::array::{AsArray, RecordBatch};
use arrow::datatypes::Int64Type;
use nyala_client::RemoteSession;

use crate::load::Chance;
use crate::local_cluster::{LocalCluster, rows};

/// Rows of the table that nobody changes, as in `PREPARATION`, and their sum.
const CONSTANT_ROWS: i64 = 200_000;
const CONSTANT_SUM: i64 = CONSTANT_ROWS * (CONSTANT_ROWS + 1) / 2;

pub const NODES: usize = 3;
/// From one kill to the next.
const PERIOD: Duration = Duration::from_secs(10);
/// The load is under way when a node is killed.
const BEFORE: Duration = Duration::from_secs(3);
/// How long a killed node stays away.
const AWAY: Duration = Duration::from_secs(2);
const SEED: u64 = 5;

const PREPARATION: [&str; 3] = [
    "CREATE TABLE constant (n BIGINT NOT NULL)",
    "INSERT INTO constant SELECT n FROM generate_series(1, 200000) AS s(n)",
    "CREATE TABLE written (client BIGINT NOT NULL, step BIGINT NOT NULL)",
];

/// What the clients saw.
#[derive(Default)]
pub struct Seen {
    pub reads: u64,
    pub writes: u64,
    /// Of every statement.
    pub latencies: Vec<Duration>,
    /// Statements that failed, and answers that were wrong.
    pub complaints: Vec<String>,
}

fn prepare(cluster: &LocalCluster) {
    let mut session = cluster.connect("preparation").expect("a node answers");
    for sql in PREPARATION {
        rows(&mut session, sql).unwrap_or_else(|error| panic!("{sql}: {error:?}"));
    }
}

/// Makes the tables, then runs `clients` clients until `is_over` says so.
pub fn run(cluster: &LocalCluster, clients: usize, is_over: &(dyn Fn() -> bool + Sync)) -> Seen {
    prepare(cluster);
    let seen = Mutex::new(Seen::default());
    std::thread::scope(|scope| {
        for number in 0..clients {
            let seen = &seen;
            scope.spawn(move || {
                let mut client = Client::new(cluster, number as i64);
                while !is_over() {
                    client.turn();
                }
                client.check_all();
                client.tell(&mut seen.lock().expect("no client panics with it"));
            });
        }
    });
    seen.into_inner().expect("no client panics with it")
}

/// Kills a node at random every `PERIOD` and starts it again, while clients run. Gives the number of kills.
///
/// # Panics
/// When a node does not start again.
pub fn run_and_kill(cluster: &LocalCluster, clients: usize, lasts: Duration) -> (u64, Seen) {
    let is_over = AtomicBool::new(false);
    let mut kills = 0;
    let seen = std::thread::scope(|scope| {
        let load = scope.spawn(|| run(cluster, clients, &|| is_over.load(Ordering::Relaxed)));
        let start = Instant::now();
        let mut chance = Chance(SEED);
        while start.elapsed() + PERIOD <= lasts && !load.is_finished() {
            let victim = chance.below(NODES as u64) as usize + 1;
            std::thread::sleep(BEFORE);
            cluster.kill(victim);
            kills += 1;
            std::thread::sleep(AWAY);
            cluster.restart(victim);
            std::thread::sleep(PERIOD - BEFORE - AWAY);
        }
        is_over.store(true, Ordering::Relaxed);
        load.join().expect("clients tell what goes wrong")
    });
    (kills, seen)
}

struct Client {
    session: RemoteSession,
    number: i64,
    /// Steps that have been acknowledged.
    steps: i64,
    seen: Seen,
}

impl Client {
    fn new(cluster: &LocalCluster, number: i64) -> Self {
        let session = cluster.connect(&format!("client{number}")).expect("a node answers");
        Self { session, number, steps: 0, seen: Seen::default() }
    }

    /// A write, a read of what nobody changes, and one of what this client wrote.
    fn turn(&mut self) {
        let sql = format!("INSERT INTO written VALUES ({}, {})", self.number, self.steps + 1);
        if self.ask(&sql).is_some() {
            self.steps += 1;
            self.seen.writes += 1;
        }
        if let Some(batches) =
            self.ask("SELECT count(*) AS rows, CAST(sum(n) AS BIGINT) AS sum FROM constant")
        {
            self.seen.reads += 1;
            self.expect(&batches, &[CONSTANT_ROWS, CONSTANT_SUM], "constant");
        }
        self.check_own();
    }

    fn check_own(&mut self) {
        let sql = format!(
            "SELECT count(*) AS rows, count(DISTINCT step) AS steps FROM written WHERE client = {}",
            self.number
        );
        if let Some(batches) = self.ask(&sql) {
            self.seen.reads += 1;
            self.expect(&batches, &[self.steps, self.steps], "written");
        }
    }

    /// All steps are there, once each.
    fn check_all(&mut self) {
        let sql = format!("SELECT step FROM written WHERE client = {} ORDER BY step", self.number);
        let Some(batches) = self.ask(&sql) else { return };
        let found: Vec<i64> = batches.iter().flat_map(|batch| numbers(batch, 0)).collect();
        let wanted: Vec<i64> = (1..=self.steps).collect();
        if found != wanted {
            let (first, last) = (found.first(), found.last());
            self.seen.complaints.push(format!(
                "client {}: {} steps are there, from {first:?} to {last:?}, instead of {}",
                self.number,
                found.len(),
                self.steps
            ));
        }
    }

    fn ask(&mut self, sql: &str) -> Option<Vec<RecordBatch>> {
        let start = Instant::now();
        let answer = rows(&mut self.session, sql);
        self.seen.latencies.push(start.elapsed());
        answer.map_err(|error| self.seen.complaints.push(format!("{sql}: {error:?}"))).ok()
    }

    fn expect(&mut self, batches: &[RecordBatch], wanted: &[i64], table: &str) {
        let found: Vec<i64> = batches
            .iter()
            .flat_map(|batch| (0..batch.num_columns()).flat_map(|column| numbers(batch, column)))
            .collect();
        if found != wanted {
            let number = self.number;
            self.seen.complaints.push(format!("client {number}: {table} has {found:?}, not {wanted:?}"));
        }
    }

    fn tell(self, seen: &mut Seen) {
        seen.reads += self.seen.reads;
        seen.writes += self.seen.writes;
        seen.latencies.extend(self.seen.latencies);
        seen.complaints.extend(self.seen.complaints);
    }
}

fn numbers(batch: &RecordBatch, column: usize) -> Vec<i64> {
    batch.column(column).as_primitive::<Int64Type>().values().to_vec()
}

impl Seen {
    /// The latency that one in `1 / (1 - part)` exceeds, e.g. 0.99.
    pub fn latency(&mut self, part: f64) -> Duration {
        self.latencies.sort();
        let place =
            ((self.latencies.len() as f64 * part) as usize).min(self.latencies.len().saturating_sub(1));
        self.latencies.get(place).copied().unwrap_or_default()
    }
}
