//! A client, with the rules of `host/client`: what reads is run again on another node, what writes asks for its outcome first.

use std::sync::Arc;
use std::time::Duration;

use nyala_node::{ErrorCode, Outcome, Result, Session};
use nyala_schema::cluster::QueryId;
use rand::rngs::SmallRng;
use rand::seq::SliceRandom;
use rand::{Rng, SeedableRng};
use tokio::time::{Instant, sleep, sleep_until};

use crate::data::{QUESTIONS, run};
use crate::story::{LedgerRead, Shape, Story, Told};
use crate::turns::ByTurns;
use crate::world::{Node, Plant, World};

/// A statement that has not ended by then hangs.
const HANGS: Duration = Duration::from_secs(120);
/// How often a statement is begun, and an outcome asked for.
const TRIES: usize = 40;
const PAUSE: Duration = Duration::from_millis(200);
/// How long a node may take to have the catalog that the client has seen.
const CATALOG_LIMIT: Duration = Duration::from_secs(2);

pub struct Client {
    world: Arc<World>,
    story: Arc<Story>,
    number: u64,
    random: SmallRng,
    /// Where its session is.
    seat: usize,
    /// The newest version of the catalog that it knows of.
    seen: u64,
    statements: u64,
    writes: u64,
}

/// What became of an attempt at a statement.
enum Answer<T> {
    Given(Result<T>),
    /// The node has gone.
    Lost,
}

impl Client {
    pub fn new(world: Arc<World>, story: Arc<Story>, number: u64, seed: u64) -> Self {
        let random = SmallRng::seed_from_u64(seed);
        Self { world, story, number, random, seat: 0, seen: 0, statements: 0, writes: 0 }
    }

    pub async fn work(mut self, until: Instant) {
        while Instant::now() < until {
            sleep(Duration::from_millis(self.random.gen_range(0..600))).await;
            match self.random.gen_range(0..10) {
                0..5 => self.ask_question().await,
                5..7 => self.read_ledger().await,
                _ => self.write().await,
            }
        }
    }

    /// The node that its session is on, or another one.
    async fn node(&mut self) -> Arc<Node> {
        loop {
            if let Some(node) = self.world.node(self.seat) {
                return node;
            }
            self.move_on().await;
        }
    }

    async fn move_on(&mut self) {
        let up: Vec<usize> = self.world.up().iter().map(|node| node.index).collect();
        self.seat = up.choose(&mut self.random).copied().unwrap_or(self.seat);
        sleep(PAUSE).await;
    }

    /// Has a session on a node do something; after a while it may be cancelled.
    async fn ask<T: Send + 'static>(
        &mut self,
        node: &Arc<Node>,
        cancel_after: Option<Duration>,
        work: impl FnOnce(&mut Session) -> Result<T> + Send + 'static,
    ) -> Answer<T> {
        let mut session = node.session();
        let (cancel, mut gone, seen) = (session.cancel_handle(), node.gone(), self.seen);
        let present = self.story.enter();
        let mut going = tokio::spawn(ByTurns::new(move || {
            let _present = present;
            session.wait_for_version(seen, CATALOG_LIMIT)?;
            work(&mut session)
        }));
        let hangs = Instant::now() + HANGS;
        let mut cancel_at = cancel_after.map(|after| Instant::now() + after);
        loop {
            tokio::select! {
                biased;
                _ = gone.wait_for(|is_gone| *is_gone) => return Answer::Lost,
                done = &mut going => return Answer::Given(done.expect("a session does not panic")),
                () = sleep_until(cancel_at.unwrap_or(hangs)) => match cancel_at.take() {
                    Some(_) => cancel.cancel(),
                    None => {
                        self.story.fail(format!("a statement of client {} hangs", self.number));
                        return Answer::Lost;
                    }
                },
            }
        }
    }

    fn name(&mut self) -> u128 {
        self.statements += 1;
        let now = self.world.log.began().elapsed().as_millis();
        (now << 80) | (u128::from(self.number) << 40) | u128::from(self.statements)
    }

    /// Runs what only reads until it is answered, or cancelled.
    async fn read<T: Send + 'static>(
        &mut self,
        what: &str,
        cancel_after: Option<Duration>,
        work: impl Fn(&mut Session, u128) -> Result<T> + Clone + Send + 'static,
    ) -> Option<T> {
        for _ in 0..TRIES {
            let node = self.node().await;
            let (work, name) = (work.clone(), self.name());
            match self.ask(&node, cancel_after, move |session| work(session, name)).await {
                Answer::Given(Ok(answer)) => return Some(answer),
                Answer::Given(Err(error)) => match error.code() {
                    ErrorCode::Connection => {}
                    ErrorCode::Cancelled if node.drains() => {}
                    ErrorCode::Cancelled if cancel_after.is_some() => return None,
                    _ => {
                        self.story.fail(format!("{what} on node {}: {error:?}", node.index));
                        return None;
                    }
                },
                Answer::Lost => {}
            }
            drop(node);
            self.move_on().await;
        }
        self.story.count(|counts| counts.given_up += 1);
        None
    }

    async fn ask_question(&mut self) {
        let index = self.random.gen_range(0..QUESTIONS.len());
        let question = &QUESTIONS[index];
        let cancel_after =
            self.random.gen_bool(0.1).then(|| Duration::from_micros(self.random.gen_range(0..20_000)));
        let work = move |session: &mut Session, name: u128| run(session, question.sql, Some(name));
        let rows = self.read(question.sql, cancel_after, work).await;
        let given = rows.as_ref().map(Vec::len);
        self.world.log.note(format_args!("client {} question {index}: {given:?} rows", self.number));
        if let Some(rows) = rows {
            self.story.count(|counts| counts.answers += 1);
            if !question.is_answered_by(&rows) {
                self.story.fail(format!("{} rows are not the answer to {}", rows.len(), question.sql));
            }
        }
    }

    /// All that is written, as of a version that is known.
    async fn read_ledger(&mut self) {
        let latest = self.random.gen_bool(0.5);
        let read = self.read("the ledger", None, move |session, name| {
            session.set("catalog_reads", if latest { "latest" } else { "local" })?;
            // Nothing happens between here and the moment at which the statement takes what it sees, unless it asks for it.
            let from = session.last_version();
            let mut rows = run(session, "SELECT c, n, p FROM ledger", Some(name))?;
            rows.sort_unstable();
            Ok(LedgerRead { from, to: if latest { session.last_version() } else { from }, rows })
        });
        let Some(read) = read.await else { return };
        self.world.log.note(format_args!(
            "client {} ledger {}..{}: {} rows",
            self.number,
            read.from,
            read.to,
            read.rows.len()
        ));
        self.story.count(|counts| counts.answers += 1);
        self.story.has_read(self.number, read);
    }

    async fn write(&mut self) {
        self.writes += 1;
        let key = (self.number, self.writes);
        let shape = Shape::ALL[self.random.gen_range(0..Shape::ALL.len())];
        self.story.begin(key, shape);
        let mut told = Told::Never;
        for _ in 0..TRIES {
            told = Told::Unknown;
            let node = self.node().await;
            let statements: Vec<(u128, String)> =
                shape.statements(key).into_iter().map(|sql| (self.name(), sql)).collect();
            let last = statements.last().map_or(0, |(name, _)| *name);
            let done = self.ask(&node, None, move |session| {
                for (name, sql) in &statements {
                    run(session, sql, Some(*name))?;
                }
                Ok(session.last_version())
            });
            let settled = match done.await {
                Answer::Given(Ok(version)) => {
                    self.seen = self.seen.max(version);
                    Some(Told::Done)
                }
                Answer::Given(Err(error)) => match error.code() {
                    ErrorCode::CommitUnknown | ErrorCode::Connection => None,
                    ErrorCode::Cancelled if node.drains() => None,
                    ErrorCode::SerializationFailure => Some(Told::Never),
                    _ => {
                        self.story.fail(format!("{shape:?} {key:?} on node {}: {error:?}", node.index));
                        Some(Told::Unknown)
                    }
                },
                Answer::Lost => None,
            };
            drop(node);
            if let Some(settled) = settled {
                told = settled;
                break;
            }
            self.move_on().await;
            if self.world.plant == Some(Plant::RepeatsWrites) {
                continue;
            }
            told = self.outcome(last).await;
            if told != Told::Never {
                break;
            }
        }
        self.world.log.note(format_args!("client {} {shape:?} {key:?}: {told:?}", self.number));
        self.story.tell(key, told);
    }

    /// Whether a statement was done; once it has been said that it was not, it never will be.
    async fn outcome(&mut self, name: u128) -> Told {
        for _ in 0..TRIES {
            let node = self.node().await;
            match self.ask(&node, None, move |session| session.outcome(QueryId(name), 0)).await {
                Answer::Given(Ok(Outcome::Done { version })) => {
                    self.seen = self.seen.max(version);
                    return Told::Done;
                }
                // A later try would meet the same.
                Answer::Given(Ok(Outcome::Refused(_) | Outcome::Never)) => return Told::Never,
                Answer::Given(Err(error)) => match error.code() {
                    ErrorCode::CommitUnknown | ErrorCode::Connection => {}
                    _ => {
                        self.story.fail(format!("the outcome on node {}: {error:?}", node.index));
                        return Told::Unknown;
                    }
                },
                Answer::Lost => {}
            }
            drop(node);
            self.move_on().await;
        }
        Told::Unknown
    }
}
