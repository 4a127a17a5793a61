//! Fragments with several instances each, all in one executor: what would be on nodes of their own shares its few threads.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use arrow::array::RecordBatch;
use bytes::Bytes;
use nyala_executor::{Ends, Execution, FilterSink, Morsels, Profile, merge_filters};
use nyala_schema::fragment::{FragmentOutput, Placement};
use nyala_schema::id::{FragmentId, OperatorId, RuntimeFilterId};
use nyala_schema::{Error, Fragment, Operator, OperatorKind, Result};

use super::wire::{Pipe, Ways};
use crate::harness::{Harness, operator};
use crate::table::batch_text;

/// How long a test waits for what should take no time.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// How instances share a scan.
#[derive(Clone, Copy, PartialEq)]
pub enum Sharing {
    /// Whoever asks gets the next part; every other time it has to ask twice.
    OnDemand,
    /// Part i goes to instance i, counted round.
    ByNumber,
}

pub struct Cluster<'a> {
    pub harness: &'a Harness,
    /// Instances of fragments that are not the coordinator's.
    pub nodes: usize,
    pub credits: usize,
    pub sharing: Sharing,
    pub filter_wait: Duration,
}

/// Fragments that run.
pub struct Run {
    /// The coordinator's first.
    pub executions: Vec<Execution>,
    pub pipes: HashMap<(FragmentId, usize), Arc<Pipe>>,
    overs: mpsc::Receiver<Result<()>>,
    filters: Arc<Filters>,
}

pub fn fragment(id: u32, root: Operator, output: FragmentOutput) -> Fragment {
    let placement = if id == 0 { Placement::Coordinator } else { Placement::Nodes };
    Fragment { id: FragmentId(id), catalog_version: 0, root, output, placement }
}

/// What fragment `id` with this root sends.
pub fn receive(id: u32, root: &Operator) -> Operator {
    operator(OperatorKind::Receive { from: FragmentId(id), order: vec![] }, vec![], root.schema.clone())
}

/// The same, merged in the order of the sort that the root is.
pub fn merge(id: u32, root: &Operator) -> Operator {
    let OperatorKind::Sort { keys, .. } = &root.kind else { panic!("{root} has no order") };
    let kind = OperatorKind::Receive { from: FragmentId(id), order: keys.clone() };
    operator(kind, vec![], root.schema.clone())
}

pub fn to_client() -> FragmentOutput {
    FragmentOutput::Client
}

pub fn gather(to: u32) -> FragmentOutput {
    FragmentOutput::Gather { to: FragmentId(to) }
}

pub fn broadcast(to: u32) -> FragmentOutput {
    FragmentOutput::Broadcast { to: FragmentId(to) }
}

pub fn hash(to: u32, root: &Operator, keys: &[usize]) -> FragmentOutput {
    let keys = keys.iter().map(|&key| crate::harness::column(root, key)).collect();
    FragmentOutput::Hash { to: FragmentId(to), keys }
}

impl<'a> Cluster<'a> {
    pub fn new(harness: &'a Harness, nodes: usize) -> Self {
        Self { harness, nodes, credits: 1, sharing: Sharing::OnDemand, filter_wait: Duration::ZERO }
    }

    fn instances(&self, fragment: &Fragment) -> usize {
        match fragment.placement {
            Placement::Coordinator => 1,
            Placement::Nodes => self.nodes,
        }
    }

    pub fn start(&self, fragments: &[Fragment]) -> Result<Run> {
        let pipes = self.pipes(fragments);
        let (sender, overs) = mpsc::channel();
        let filters = Arc::new(Filters::default());
        let mut executions = vec![];
        for fragment in fragments {
            let plan = Arc::new(nyala_pipeline::build(fragment)?);
            let shares = self.shares(fragment)?;
            for index in 0..self.instances(fragment) {
                let mut ends = self.ends(fragment, fragments, &pipes, index);
                ends.morsels = shares.iter().map(|(id, share)| (*id, share.of(index))).collect();
                ends.filters = Some(filters.clone());
                let execution =
                    self.harness.executor.start_instance(plan.clone(), &self.harness.options, ends)?;
                let sender = sender.clone();
                execution.when_over(Box::new(move |result| _ = sender.send(result)));
                executions.push(execution);
            }
        }
        Ok(Run { executions, pipes, overs, filters })
    }

    fn pipes(&self, fragments: &[Fragment]) -> HashMap<(FragmentId, usize), Arc<Pipe>> {
        let mut pipes = HashMap::new();
        for fragment in fragments {
            let Some(to) = fragment.output.to() else { continue };
            let to = fragments.iter().find(|other| other.id == to).unwrap();
            for receiver in 0..self.instances(to) {
                pipes.insert((fragment.id, receiver), Pipe::new(self.instances(fragment), self.credits));
            }
        }
        pipes
    }

    fn ends(
        &self,
        fragment: &Fragment,
        fragments: &[Fragment],
        pipes: &HashMap<(FragmentId, usize), Arc<Pipe>>,
        index: usize,
    ) -> Ends {
        let mut ends = Ends { filter_wait: self.filter_wait, ..Ends::default() };
        let senders = fragments.iter().filter(|other| other.output.to() == Some(fragment.id));
        for sender in senders {
            ends.inputs.insert(sender.id, pipes[&(sender.id, index)].clone());
        }
        let own = pipes.iter().filter(|((id, _), _)| *id == fragment.id).collect::<Vec<_>>();
        if !own.is_empty() {
            let ways = (0..own.len()).map(|receiver| pipes[&(fragment.id, receiver)].clone()).collect();
            ends.output = Some(Ways::new(ways));
        }
        ends
    }

    fn shares(&self, fragment: &Fragment) -> Result<Vec<(OperatorId, Shares)>> {
        let mut shares = vec![];
        let mut failed = None;
        fragment.root.for_each(&mut |operator| {
            if let OperatorKind::Scan(scan) = &operator.kind
                && fragment.placement == Placement::Nodes
            {
                match self.harness.executor.scans().open(scan, &self.harness.options) {
                    Ok(scanner) => {
                        let (parts, instances) = (scanner.morsels().len(), self.nodes);
                        let next = Arc::new(AtomicUsize::new(0));
                        let share = Shares { sharing: self.sharing, parts, instances, next };
                        shares.push((operator.id, share));
                    }
                    Err(error) => failed = Some(error),
                }
            }
        });
        failed.map_or(Ok(shares), Err)
    }

    /// All rows of the coordinator's fragment as text, sorted.
    pub fn sorted(&self, fragments: &[Fragment]) -> Result<Vec<Vec<String>>> {
        let mut run = self.start(fragments)?;
        let rows = run.rows();
        run.wait_over();
        let mut rows = batch_text(&rows?);
        rows.sort();
        Ok(rows)
    }
}

/// Shares of the scans of an instance: part i goes to instance i, counted round.
pub fn by_number(
    harness: &Harness,
    fragment: &Fragment,
    index: usize,
    instances: usize,
) -> HashMap<OperatorId, Arc<dyn Morsels>> {
    let mut cluster = Cluster::new(harness, instances);
    cluster.sharing = Sharing::ByNumber;
    let shares = cluster.shares(fragment).unwrap();
    shares.iter().map(|(id, share)| (*id, share.of(index))).collect()
}

struct Shares {
    sharing: Sharing,
    parts: usize,
    instances: usize,
    next: Arc<AtomicUsize>,
}

struct Share {
    sharing: Sharing,
    parts: usize,
    step: usize,
    next: Arc<AtomicUsize>,
    asked: AtomicUsize,
}

impl Shares {
    fn of(&self, index: usize) -> Arc<dyn Morsels> {
        let (step, next) = match self.sharing {
            Sharing::OnDemand => (1, self.next.clone()),
            Sharing::ByNumber => (self.instances, Arc::new(AtomicUsize::new(index))),
        };
        Arc::new(Share { sharing: self.sharing, parts: self.parts, step, next, asked: AtomicUsize::new(0) })
    }
}

impl Morsels for Share {
    fn poll_next(&self, context: &mut Context<'_>) -> Poll<Result<Option<usize>>> {
        let asked = self.asked.fetch_add(1, Ordering::Relaxed);
        if self.sharing == Sharing::OnDemand && asked.is_multiple_of(2) {
            let waker = context.waker().clone();
            std::thread::spawn(move || waker.wake());
            return Poll::Pending;
        }
        let part = self.next.fetch_add(self.step, Ordering::Relaxed);
        Poll::Ready(Ok((part < self.parts).then_some(part)))
    }
}

/// Filters as instances make them.
#[derive(Default)]
struct Filters(Mutex<HashMap<RuntimeFilterId, Vec<Bytes>>>);

impl FilterSink for Filters {
    fn made(&self, filter: RuntimeFilterId, bytes: Bytes) {
        self.0.lock().unwrap().entry(filter).or_default().push(bytes);
    }
}

impl Run {
    /// Drains the coordinator's fragment, handing filters on as soon as all `nodes` instances have made their part.
    pub fn rows(&mut self) -> Result<Vec<RecordBatch>> {
        self.rows_with_filters_of(usize::MAX)
    }

    pub fn rows_with_filters_of(&mut self, nodes: usize) -> Result<Vec<RecordBatch>> {
        let start = Instant::now();
        let mut batches = vec![];
        loop {
            self.hand_on_filters(nodes)?;
            match self.executions[0].next(Duration::from_millis(2)) {
                None => assert!(start.elapsed() < PATIENCE, "nothing came for long"),
                Some(Err(error)) => return Err(error),
                Some(Ok(None)) => return Ok(batches),
                Some(Ok(Some(batch))) => batches.push(batch),
            }
        }
    }

    fn hand_on_filters(&self, nodes: usize) -> Result<()> {
        let mut made = self.filters.0.lock().unwrap();
        let complete: Vec<_> =
            made.iter().filter(|(_, parts)| parts.len() >= nodes).map(|(id, _)| *id).collect();
        for id in complete {
            let union = merge_filters(&made.remove(&id).unwrap())?;
            self.executions.iter().try_for_each(|execution| execution.give_filter(id, &union))?;
        }
        Ok(())
    }

    /// How all instances ended, once they have.
    pub fn wait_over(&self) -> Vec<Result<()>> {
        let over = |_| self.overs.recv_timeout(PATIENCE).expect("every instance ends");
        let results: Vec<Result<()>> = self.executions.iter().map(over).collect();
        assert!(self.executions.iter().all(|execution| execution.statistics().is_over));
        assert!(self.executions.iter().all(|execution| execution.statistics().memory_bytes == 0));
        let again = self.overs.recv_timeout(Duration::from_millis(1));
        assert!(again.is_err(), "an instance ends once");
        results
    }

    pub fn profile(&self) -> Profile {
        let mut all = Profile::default();
        self.executions.iter().for_each(|execution| all.merge(&execution.profile()));
        all
    }

    pub fn errors(&self) -> Vec<Error> {
        self.wait_over().into_iter().filter_map(Result::err).collect()
    }
}
