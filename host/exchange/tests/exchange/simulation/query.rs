//! A query: leaves send numbered rows through a layer or none to the root; what arrives is held against what was sent.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use arrow::array::RecordBatch;
use nyala_exchange::{Input, Output, Readiness};
use nyala_schema::Error;
use nyala_schema::cluster::{Attempt, Peer};
use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use super::run::World;
use crate::cluster::{Received, attempt, ended, input, next, next_from, output, peer, ready, rows};

/// In simulated time, with all that may befall it.
const QUERY_MAX: Duration = Duration::from_secs(300);
/// Until all of a query is over that was released; longer than the longest that an instance may sleep.
const END_MAX: Duration = Duration::from_secs(5);

struct Query {
    world: Arc<World>,
    attempt: Attempt,
    /// Nodes of the instances, by fragment: the root, perhaps a layer, the leaves. Each sends to the one before.
    fragments: Vec<Vec<usize>>,
    is_over: AtomicBool,
    ledger: Mutex<Ledger>,
}

#[derive(Default)]
struct Ledger {
    /// Rows by fragment, sender and receiver.
    sent: BTreeMap<(usize, usize, usize), i64>,
    /// Senders that have ended well, by fragment.
    ended: Vec<(usize, usize)>,
    /// What inputs have got, by sending fragment and receiver, and whether they saw the end.
    received: BTreeMap<(usize, usize), (Received, bool)>,
}

/// Gives the rows that have arrived at the root, `None` if the query failed as it may.
///
/// # Errors
/// What did not hold.
pub async fn run(world: Arc<World>, number: u128, seed: u64) -> Result<Option<u64>, String> {
    let mut draw = SmallRng::seed_from_u64(seed);
    sleep(Duration::from_millis(draw.gen_range(0..5000))).await;
    let nodes = world.size();
    let layer = |draw: &mut SmallRng| (0..draw.gen_range(1..4)).map(|_| draw.gen_range(0..nodes)).collect();
    let mut fragments = vec![vec![draw.gen_range(0..nodes)]];
    for _ in 0..draw.gen_range(1..3) {
        fragments.push(layer(&mut draw));
    }
    let query = Arc::new(Query {
        world,
        attempt: attempt(number),
        fragments,
        is_over: AtomicBool::new(false),
        ledger: Mutex::default(),
    });
    let mut instances = JoinSet::new();
    for (fragment, nodes) in query.fragments.iter().enumerate() {
        for (index, node) in nodes.iter().enumerate() {
            let instance =
                Arc::clone(&query).instance(fragment, index, SmallRng::seed_from_u64(draw.r#gen()));
            query.world.belongs_to(*node, instances.spawn(instance));
        }
    }
    let result = query.watch(&mut instances, &mut draw).await;
    query.world.release(query.attempt);
    let is_done = result?;
    query.check(is_done)
}

impl Query {
    /// Whether all instances ended well. When one fails, the others are ended.
    async fn watch(
        &self,
        instances: &mut JoinSet<Result<(), Error>>,
        draw: &mut SmallRng,
    ) -> Result<bool, String> {
        let mut is_done = true;
        loop {
            let limit = if is_done { QUERY_MAX } else { END_MAX };
            let ended = match timeout(limit, instances.join_next()).await {
                Err(_) => return Err(format!("{} does not end; failed: {}", self.attempt, !is_done)),
                Ok(None) => return Ok(is_done),
                Ok(Some(ended)) => ended,
            };
            let is_well = match ended {
                Ok(result) => result.is_ok(),
                Err(error) if error.is_panic() => return Err(format!("an instance panicked: {error}")),
                // Its node has crashed.
                Err(_) => false,
            };
            if !is_well && is_done {
                is_done = false;
                sleep(Duration::from_millis(draw.gen_range(0..50))).await;
                self.is_over.store(true, Ordering::Relaxed);
                self.world.release(self.attempt);
            }
        }
    }

    /// Inputs have what was sent to them, from the beginning; those that saw the end, all of it.
    fn check(&self, is_done: bool) -> Result<Option<u64>, String> {
        let ledger = self.ledger.lock().unwrap();
        let mut rows = 0;
        for ((fragment, receiver), (received, saw_end)) in &ledger.received {
            for (sender, count) in received.counts().into_iter().enumerate() {
                let sent = ledger.sent.get(&(*fragment, sender, *receiver)).copied().unwrap_or(0);
                let has_ended = ledger.ended.contains(&(*fragment, sender));
                let holds = match saw_end {
                    true => count as i64 == sent && has_ended,
                    false => count as i64 <= sent,
                };
                if !holds {
                    return Err(format!(
                        "{} f{fragment}.{sender}→{receiver}: {count} rows of {sent}; saw the end {saw_end}, ended {has_ended}",
                        self.attempt
                    ));
                }
                rows += if *fragment == 1 { count as u64 } else { 0 };
            }
        }
        if is_done && !ledger.received.contains_key(&(1, 0)) {
            return Err(format!("{} is done, though its root never ran", self.attempt));
        }
        Ok(is_done.then_some(rows))
    }

    fn peers(&self, fragment: usize) -> Vec<Peer> {
        self.fragments[fragment].iter().map(|node| peer(*node)).collect()
    }

    async fn instance(
        self: Arc<Self>,
        fragment: usize,
        index: usize,
        mut draw: SmallRng,
    ) -> Result<(), Error> {
        // Mostly soon, so that not too many come too late.
        let wait_ms = if draw.gen_bool(0.9) { draw.gen_range(0..500) } else { draw.gen_range(0..3000) };
        sleep(Duration::from_millis(wait_ms)).await;
        if self.is_over.load(Ordering::Relaxed) {
            return Err(Error::cancelled());
        }
        let Some(node) = self.world.node(self.fragments[fragment][index]) else {
            return Err(Error::cancelled());
        };
        let incoming = (fragment + 1 < self.fragments.len())
            .then(|| input(&node, self.attempt, fragment as u32 + 1, index, &self.peers(fragment + 1)));
        let outgoing = (fragment > 0)
            .then(|| output(&node, self.attempt, fragment as u32, index, &self.peers(fragment - 1)));
        drop(node);
        let result = match incoming {
            None => self.leaf(fragment, index, outgoing.as_ref(), &mut draw).await,
            Some(incoming) => self.inner(fragment, index, &incoming, outgoing.as_ref(), &mut draw).await,
        };
        if let Some(outgoing) = outgoing {
            if result.is_ok() {
                self.ledger.lock().unwrap().ended.push((fragment, index));
            }
            match draw.gen_bool(0.98) {
                true => {
                    outgoing.end(result.clone());
                    ended(&outgoing).await?;
                }
                // Some instances are dropped without a word.
                false => return Err(Error::cancelled()),
            }
        }
        result
    }

    async fn leaf(
        &self,
        fragment: usize,
        index: usize,
        outgoing: Option<&Arc<dyn Output>>,
        draw: &mut SmallRng,
    ) -> Result<(), Error> {
        let Some(outgoing) = outgoing else { return Ok(()) };
        for _ in 0..draw.gen_range(0..40) {
            let receiver = draw.gen_range(0..outgoing.receivers());
            let count = [1, 10, 300][draw.gen_range(0..3)];
            self.send(fragment, index, outgoing, receiver, count).await?;
            if draw.gen_bool(0.002) {
                return Err(Error::unsupported("what this leaf does"));
            }
        }
        Ok(())
    }

    async fn inner(
        &self,
        fragment: usize,
        index: usize,
        incoming: &Arc<dyn Input>,
        outgoing: Option<&Arc<dyn Output>>,
        draw: &mut SmallRng,
    ) -> Result<(), Error> {
        let senders = self.fragments[fragment + 1].len();
        let note = |received: &Received, saw_end: bool| {
            let mut ledger = self.ledger.lock().unwrap();
            ledger.received.insert((fragment + 1, index), (received.clone(), saw_end));
        };
        let mut received = Received::new(senders);
        note(&received, false);
        let slowness_ms = [0, 0, 5, 100][draw.gen_range(0..4)];
        let mut ended = vec![false; senders];
        while let Some(batch) = self.next_batch(incoming, &received, &mut ended).await? {
            received.add(index, &batch);
            received.check_order();
            note(&received, false);
            if let Some(outgoing) = outgoing {
                self.send(fragment, index, outgoing, 0, batch.num_rows() as i64).await?;
            }
            if slowness_ms > 0 {
                sleep(Duration::from_millis(draw.gen_range(0..slowness_ms))).await;
            }
            if draw.gen_bool(0.01) {
                incoming.close();
                return Ok(());
            }
        }
        note(&received, true);
        Ok(())
    }

    /// The next of any sender; in every other query without a layer of that which is furthest behind, as when rows are merged.
    /// Senders that wait for others of their own receiver would lock up.
    async fn next_batch(
        &self,
        incoming: &Arc<dyn Input>,
        received: &Received,
        ended: &mut [bool],
    ) -> Result<Option<RecordBatch>, Error> {
        if self.attempt.query.0.is_multiple_of(2) || self.fragments.len() > 2 {
            return next(incoming).await;
        }
        let counts = received.counts();
        while let Some(sender) =
            (0..ended.len()).filter(|sender| !ended[*sender]).min_by_key(|sender| counts[*sender])
        {
            match next_from(incoming, sender).await? {
                None => ended[sender] = true,
                batch => return Ok(batch),
            }
        }
        Ok(None)
    }

    async fn send(
        &self,
        fragment: usize,
        index: usize,
        outgoing: &Arc<dyn Output>,
        receiver: usize,
        count: i64,
    ) -> Result<(), Error> {
        if ready(outgoing, receiver).await? == Readiness::Closed {
            return Ok(());
        }
        let start = {
            let mut ledger = self.ledger.lock().unwrap();
            let sent = ledger.sent.entry((fragment, index, receiver)).or_default();
            *sent += count;
            *sent - count
        };
        outgoing.send(receiver, &rows(index, receiver, start..start + count))
    }
}
