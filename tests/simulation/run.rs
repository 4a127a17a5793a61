//! One seed: a cluster comes to be, clients work, things go wrong, all is mended, and then everything has to be right.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use nyala_exchange::memory::Weather;
use nyala_node::Result;
use nyala_schema::cluster::NodeState;
use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};
use serde::Serialize;
use tokio::runtime::{Builder, Handle};
use tokio::time::{Instant, sleep, timeout};

use crate::chaos::Chaos;
use crate::client::Client;
use crate::data::{self, QUESTIONS};
use crate::story::{Counts, Story};
use crate::turns::ByTurns;
use crate::world::{Node, Plant, World};

/// How long clients work, in simulated time as all here.
const WORK: Duration = Duration::from_secs(20);
/// After which all has to be well again, once nothing goes wrong any more.
const RECOVERY: Duration = Duration::from_secs(150);
/// After which nothing may be left of what has ended.
const REST: Duration = Duration::from_secs(60);
/// The whole.
const LIMIT: Duration = Duration::from_secs(3600);
const CLIENTS: u64 = 3;

/// What came of a seed.
#[derive(Serialize)]
pub struct Told {
    pub counts: Counts,
    pub log: Vec<String>,
    /// What did not hold.
    pub failure: Option<String>,
}

pub fn run(seed: u64, plant: Option<Plant>) -> Told {
    data::answer_all();
    let runtime = Builder::new_current_thread().enable_time().start_paused(true).build().expect("a runtime");
    runtime.block_on(async {
        let mut draw = SmallRng::seed_from_u64(seed);
        let size = if draw.gen_bool(0.6) { 3 } else { 5 };
        let latency_us = [300, 2_000, 20_000][draw.gen_range(0..3)];
        let weather = Weather {
            latency: Duration::from_micros(100)..Duration::from_micros(latency_us),
            breaks_per_million: [0, 0, 50][draw.gen_range(0..3)],
            silence_max: Duration::from_secs(3),
            ..Weather::default()
        };
        let world = World::new(draw.r#gen(), size, weather, plant);
        let story = Arc::new(Story::default());
        let whole = tell(&world, &story, &mut draw);
        let ended = timeout(LIMIT, whole).await.unwrap_or_else(|_| Err("it does not end".to_owned()));
        let mut failures = story.failures();
        failures.extend(ended.err());
        let failure = (!failures.is_empty()).then(|| failures.join("\n"));
        Told { counts: story.counts(), log: world.log.lines(), failure }
    })
}

async fn tell(world: &Arc<World>, story: &Arc<Story>, draw: &mut SmallRng) -> Result<(), String> {
    let tasks = Handle::current().metrics().num_alive_tasks();
    form(world).await?;
    let end = Instant::now() + WORK;
    let mut clients = tokio::task::JoinSet::new();
    for number in 0..CLIENTS {
        clients.spawn(Client::new(world.clone(), story.clone(), number, draw.r#gen()).work(end));
    }
    let mut chaos = Chaos::new(world.clone(), story.clone(), draw.r#gen());
    chaos.rage(end).await;
    within(RECOVERY, "all nodes are up", chaos.end()).await?;
    let ended = async {
        while let Some(client) = clients.join_next().await {
            client.expect("a client does not panic");
        }
    };
    within(RECOVERY, "clients end", ended).await?;
    until(RECOVERY, "statements end", || story.sessions() == 0).await?;
    see_all(world).await?;
    all_work(world).await?;
    nothing_is_left(world).await?;
    judge(world, story).await?;
    stop_all(world).await?;
    // What crashes have left in the warehouse goes at the next start.
    start_all(world).await?;
    see_all(world).await?;
    files_are_named(world)?;
    stop_all(world).await?;
    until(REST, "tasks end", || Handle::current().metrics().num_alive_tasks() <= tasks).await?;
    no_file_is_open(world)
}

async fn form(world: &Arc<World>) -> Result<(), String> {
    for index in 0..world.size() {
        within(RECOVERY, "a node joins", world.start(index)).await?;
    }
    see_all(world).await?;
    let mut statements = data::setup();
    statements.push("CREATE TABLE ledger (c BIGINT, n BIGINT, p BIGINT)".to_owned());
    statements.push("CREATE TABLE counts (c BIGINT, n BIGINT)".to_owned());
    let zeros: Vec<String> = (0..CLIENTS).map(|client| format!("({client}, 0)")).collect();
    statements.push(format!("INSERT INTO counts VALUES {}", zeros.join(", ")));
    let node = world.node(0).expect("it has been started");
    for sql in statements {
        ask(&node, &sql).await?;
    }
    let version = node.version();
    until(RECOVERY, "all have the tables", || world.up().iter().all(|node| node.version() >= version)).await
}

async fn start_all(world: &Arc<World>) -> Result<(), String> {
    let mut starts = tokio::task::JoinSet::new();
    for index in 0..world.size() {
        let world = world.clone();
        starts.spawn(async move { world.start(index).await });
    }
    within(RECOVERY, "all start", async { while starts.join_next().await.is_some() {} }).await
}

/// All nodes see all nodes.
async fn see_all(world: &World) -> Result<(), String> {
    let sees = |node: &Node| {
        let nodes = node.parts.cluster.members().nodes();
        nodes.len() == world.size() && nodes.iter().all(|node| node.state == NodeState::Active)
    };
    until(RECOVERY, "all see all", || {
        let up = world.up();
        up.len() == world.size() && up.iter().all(|node| sees(node))
    })
    .await
}

/// Every node answers every question, and writes.
async fn all_work(world: &World) -> Result<(), String> {
    for node in world.up() {
        for question in &QUESTIONS {
            let rows = ask(&node, question.sql).await?;
            if !question.is_answered_by(&rows) {
                return Err(format!(
                    "in the end, {} rows are not the answer to {}",
                    rows.len(),
                    question.sql
                ));
            }
        }
        ask(&node, &format!("CREATE TABLE last{} (a BIGINT)", node.index)).await?;
    }
    Ok(())
}

async fn nothing_is_left(world: &World) -> Result<(), String> {
    let left = || world.up().iter().filter_map(|node| node.left()).collect::<Vec<_>>();
    let is_free = until(REST, "", || left().is_empty()).await;
    is_free.map_err(|_| format!("something is left of what is over: {:?}", left()))
}

/// What has been read and written is what clients were told, on all nodes.
async fn judge(world: &World, story: &Story) -> Result<(), String> {
    let mut newest = 0;
    for node in world.up() {
        let snapshot = node.parts.cluster.read_latest().await.map_err(|error| error.to_string())?;
        newest = newest.max(snapshot.version);
        if snapshot.version != newest {
            return Err(format!(
                "node {} has version {}, and another {newest}",
                node.index, snapshot.version
            ));
        }
        let tables: BTreeSet<String> = snapshot.tables.keys().map(ToString::to_string).collect();
        let ledger = ask(&node, "SELECT c, n, p FROM ledger").await?;
        let counts = ask(&node, "SELECT c, n FROM counts").await?;
        let number = |text: Option<&str>| text.and_then(|text| text.parse::<u64>().ok()).unwrap_or(u64::MAX);
        let counts = counts.iter().map(|row| {
            let mut values = row.split(' ');
            (number(values.next()), number(values.next()))
        });
        story.compare(&ledger, &counts.collect::<BTreeMap<_, _>>(), &tables);
    }
    let node = world.node(0).ok_or("the first node is gone")?;
    let mut known = BTreeMap::new();
    for read in story.reads() {
        let mut is_right = false;
        for version in read.from..=read.to {
            let rows = match known.entry(version) {
                Entry::Occupied(known) => known.into_mut(),
                Entry::Vacant(unknown) => unknown.insert(ledger_at(&node, version).await?),
            };
            is_right |= *rows == read.rows;
        }
        if !is_right {
            let (from, to, rows) = (read.from, read.to, read.rows.len());
            return Err(format!("{rows} rows were read, which is not the ledger at {from}..={to}"));
        }
    }
    Ok(())
}

/// As one node alone finds it.
async fn ledger_at(node: &Arc<Node>, version: u64) -> Result<Vec<String>, String> {
    let mut session = node.session();
    let rows = ByTurns::new(move || {
        session.set("distribution", "never")?;
        data::run(&mut session, &format!("SET catalog_version = {version}"), None)?;
        data::run(&mut session, "SELECT c, n, p FROM ledger", None)
    });
    let mut rows =
        within(RECOVERY, "the ledger as it was", rows).await?.map_err(|error| format!("{error:?}"))?;
    rows.sort_unstable();
    Ok(rows)
}

async fn stop_all(world: &World) -> Result<(), String> {
    for index in 0..world.size() {
        within(RECOVERY, "a node stops", world.stop(index)).await?;
    }
    let is_free = until(REST, "", || world.haunting().is_empty()).await;
    is_free.map_err(|_| format!("nodes that have ended are still held: {:?}", world.haunting()))
}

/// Each file of a table is one that the catalog names.
fn files_are_named(world: &World) -> Result<(), String> {
    let node = world.node(0).ok_or("the first node is gone")?;
    let named = node.parts.cluster.replica().snapshot().warehouse_files();
    let named: BTreeSet<String> = named.values().flatten().map(ToString::to_string).collect();
    let warehouse = world.folder().join("warehouse");
    for table in read_folder(&warehouse) {
        for file in read_folder(&warehouse.join(&table)) {
            if !named.contains(&file) && file != "warehouse-id" {
                return Err(format!("the file {file} of table {table} is named by no version"));
            }
        }
    }
    Ok(())
}

fn read_folder(folder: &std::path::Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    entries.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect()
}

fn no_file_is_open(world: &World) -> Result<(), String> {
    let open = std::fs::read_dir("/proc/self/fd").into_iter().flatten().flatten();
    let mut open = open.filter_map(|entry| std::fs::read_link(entry.path()).ok());
    match open.find(|path| path.starts_with(world.folder())) {
        Some(path) => Err(format!("{} is still open", path.display())),
        None => Ok(()),
    }
}

async fn ask(node: &Arc<Node>, sql: &str) -> Result<Vec<String>, String> {
    let (mut session, text) = (node.session(), sql.to_owned());
    let rows = ByTurns::new(move || data::run(&mut session, &text, None));
    let rows = within(RECOVERY, sql, rows).await?;
    rows.map_err(|error| format!("node {}: {sql}: {error:?}", node.index))
}

async fn within<T>(limit: Duration, what: &str, work: impl Future<Output = T>) -> Result<T, String> {
    timeout(limit, work).await.map_err(|_| format!("not within {limit:?}: {what}"))
}

async fn until(limit: Duration, what: &str, holds: impl Fn() -> bool) -> Result<(), String> {
    let end = Instant::now() + limit;
    while !holds() {
        if Instant::now() > end {
            return Err(format!("not within {limit:?}: {what}"));
        }
        sleep(Duration::from_millis(50)).await;
    }
    Ok(())
}
