//! What the queries of a node share: whom they ask, what they know of others, who they are.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, Weak};
use std::time::Duration;

use nyala_exchange::{Members, Service, Transport};
use nyala_executor::Executor;
use nyala_schema::cluster::{Attempt, NodeId, NodeInfo, Peer, QueryId};
use nyala_schema::deploy::{QueryAnswer, QueryMessage, Report, ReportAnswer};
use nyala_schema::option::Options;
use nyala_schema::wire::{decode_query_answer, encode_query_message};
use nyala_schema::{Error, ErrorCode, Result};
use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::time::{Instant, timeout};

use crate::admission::Admission;
use crate::instance::{InstanceParts, Instances, Reported};
use crate::lock::lock;
use crate::query::attempt::{Consequences, Merged};
use crate::query::finished::{FinishedQuery, QueryProfile};
use crate::query::running::{Failure, RunningQuery};
use crate::query::turns::Turns;
use crate::schedule::blacklist::Blacklist;
use crate::schedule::part::part;
use crate::schedule::share::share;
use crate::settings::CoordinatorSettings;
use crate::{CoordinatorParts, deadline_missed};

pub(crate) struct Services {
    pub(crate) transport: Arc<dyn Transport>,
    pub(crate) members: Arc<dyn Members>,
    pub(crate) executor: Arc<Executor>,
    pub(crate) runtime: tokio::runtime::Handle,
    pub(crate) incarnation: u64,
    pub(crate) settings: CoordinatorSettings,
    pub(crate) instances: Arc<Instances>,
    pub(crate) admission: Arc<Admission>,
    blacklist: Mutex<Blacklist>,
    random: Mutex<SmallRng>,
    /// One permit for each thread that may start queries.
    starting: Option<Arc<Semaphore>>,
    turns: Turns,
    pub(crate) queries: Mutex<Queries>,
    /// How many queries run or wait.
    pub(crate) count: watch::Sender<usize>,
    this: Weak<Self>,
}

#[derive(Default)]
pub(crate) struct Queries {
    pub(crate) running: BTreeMap<QueryId, Arc<RunningQuery>>,
    /// The last is the youngest.
    pub(crate) finished: VecDeque<Arc<FinishedQuery>>,
}

impl Services {
    pub(crate) fn new(parts: CoordinatorParts) -> Arc<Self> {
        let CoordinatorParts {
            transport,
            members,
            exchange,
            executor,
            runtime,
            incarnation,
            leader,
            settings,
        } = parts;
        Arc::new_cyclic(|this: &Weak<Self>| {
            let coordinator: Weak<dyn Reported> = this.clone();
            let instances = Instances::new(InstanceParts {
                transport: transport.clone(),
                exchange,
                executor: executor.clone(),
                runtime: runtime.clone(),
                coordinator,
                call_deadline: settings.call_deadline,
                report_interval: settings.report_interval,
                coordinator_grace: settings.coordinator_grace,
            });
            let admission = Admission::new(
                settings.admission.clone(),
                leader,
                transport.clone(),
                members.clone(),
                runtime.clone(),
                settings.call_deadline,
            );
            Self {
                blacklist: Mutex::new(Blacklist::new(settings.blacklist_half_life)),
                random: Mutex::new(SmallRng::seed_from_u64(settings.seed)),
                starting: (settings.starting_threads > 0)
                    .then(|| Arc::new(Semaphore::new(settings.starting_threads))),
                turns: Turns::new(),
                transport,
                members,
                executor,
                runtime,
                incarnation,
                settings,
                instances,
                admission,
                queries: Mutex::default(),
                count: watch::Sender::new(0),
                this: this.clone(),
            }
        })
    }

    /// Runs what may read files, off the threads that must not wait; so many at once as there are threads for it.
    ///
    /// # Errors
    /// Those of `work`; Internal when it panicked.
    pub(crate) async fn blocking<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let Some(starting) = &self.starting else { return work() };
        // Held until the work is done, also when nobody waits for it any more.
        let permit = starting.clone().acquire_owned().await;
        let permit = permit.map_err(|_| Error::internal("this node's coordinator has ended"))?;
        let done = self.runtime.spawn_blocking(move || {
            let result = work();
            drop(permit);
            result
        });
        let done = done.await;
        done.unwrap_or_else(|error| Err(Error::internal(format!("starting a query failed: {error}"))))
    }

    /// # Errors
    /// `Connection` when the node does not answer in time, or not with what is understood.
    pub(crate) async fn ask(&self, peer: &Peer, message: &QueryMessage) -> Result<QueryAnswer> {
        let request = encode_query_message(message)?;
        let answer =
            timeout(self.settings.call_deadline, self.transport.call(peer, Service::QUERY, request)).await;
        decode_query_answer(&answer.map_err(|_| deadline_missed(peer, self.settings.call_deadline))??)
    }

    /// This node, as far as it is known already.
    pub(crate) fn local_info(&self) -> NodeInfo {
        let peer = self.transport.local();
        let unheard = || NodeInfo { incarnation: self.incarnation, ..NodeInfo::unheard(peer.clone()) };
        self.members.node(peer.id).unwrap_or_else(unheard)
    }

    pub(crate) fn is_listed(&self, node: NodeId, now: Instant) -> bool {
        lock(&self.blacklist).is_listed(node, now)
    }

    pub(crate) fn penalize(&self, node: NodeId, penalty: f64, now: Instant) {
        lock(&self.blacklist).add(node, penalty, now);
    }

    pub(crate) fn forgive(&self, node: NodeId) {
        lock(&self.blacklist).forgive(node);
    }

    /// Before the next attempt.
    pub(crate) fn backoff(&self, number: u32) -> Duration {
        let doubled = self.settings.retry_backoff * (1 << number.min(6));
        doubled.mul_f64(lock(&self.random).gen_range(0.5..1.5))
    }

    /// Ends an attempt everywhere, without waiting for it.
    pub(crate) fn spawn_end(&self, attempt: Attempt, peers: Vec<Peer>, reason: Error) {
        self.instances.cancel(attempt, &reason);
        self.spawn(move |services| async move {
            crate::query::end_everywhere(&services, attempt, &peers, &reason).await;
        });
    }

    /// Does something beside, that nobody waits for.
    pub(crate) fn spawn<F: Future<Output = ()> + Send + 'static>(&self, work: impl FnOnce(Arc<Self>) -> F) {
        if let Some(services) = self.this.upgrade() {
            self.runtime.spawn(work(services));
        }
    }

    /// Gives complete filters to the nodes whose scans use them.
    pub(crate) fn send_filters(&self, query: &RunningQuery, attempt: Attempt, filters: Vec<Merged>) {
        let Some(services) = self.this.upgrade().filter(|_| !filters.is_empty()) else { return };
        let uses = query.with(|core| {
            let mut uses = Vec::new();
            let Some(running) = &core.attempt else { return uses };
            for (filter, bytes) in filters {
                let fragments: Vec<_> = query
                    .shape
                    .filters
                    .iter()
                    .filter(|used| used.filter == filter)
                    .map(|used| used.fragment)
                    .collect();
                let records = running.instances.iter().filter(|record| fragments.contains(&record.fragment));
                let mut nodes: Vec<usize> = records.map(|record| record.node).collect();
                nodes.sort_unstable();
                nodes.dedup();
                uses.extend(
                    nodes.into_iter().map(|node| (running.nodes[node].peer.clone(), filter, bytes.clone())),
                );
            }
            uses
        });
        self.runtime.spawn(async move {
            let local = services.transport.local().id;
            for (peer, filter, bytes) in uses {
                if peer.id == local {
                    services.instances.give_filter(attempt, filter, &bytes);
                    continue;
                }
                let services = services.clone();
                let message = QueryMessage::Filter { attempt, filter, bytes };
                services.clone().runtime.spawn(async move {
                    if let Err(error) = services.ask(&peer, &message).await {
                        tracing::debug!(%attempt, %filter, %peer, %error, "a runtime filter did not arrive");
                    }
                });
            }
        });
    }

    pub(crate) fn query(&self, id: QueryId) -> Option<Arc<RunningQuery>> {
        lock(&self.queries).running.get(&id).cloned()
    }

    pub(crate) fn running(&self) -> Vec<Arc<RunningQuery>> {
        lock(&self.queries).running.values().cloned().collect()
    }

    /// A query has ended: its slot is free, and it is remembered.
    pub(crate) async fn over(&self, query: &RunningQuery) {
        let finished =
            FinishedQuery { status: query.status(self.transport.local()), profile: QueryProfile::of(query) };
        {
            let mut queries = lock(&self.queries);
            queries.running.remove(&query.id);
            queries.finished.push_back(Arc::new(finished));
            while queries.finished.len() > self.settings.finished_max {
                queries.finished.pop_front();
            }
            self.count.send_replace(queries.running.len());
        }
        self.admission.release(query.id).await;
    }

    /// A node is gone, or was: the attempts that it takes part in fail.
    pub(crate) fn lost(&self, node: NodeId, why: &str) {
        for query in self.running() {
            let attempt = query.with(|core| {
                let attempt = core.attempt.as_ref()?;
                let known = attempt.nodes.iter().skip(1).find(|known| known.peer.id == node)?;
                Some((attempt.attempt, known.peer.clone()))
            });
            let Some((attempt, peer)) = attempt else { continue };
            let error = Error::new(ErrorCode::Connection, format!("node {peer} {why}"));
            query.fail(attempt, Failure { error, lost: vec![node], witness: None });
        }
    }

    /// Nodes that run something and say nothing.
    pub(crate) fn find_silent(&self, now: Instant) {
        let silence_max = self.settings.report_silence_max;
        let local = self.transport.local().id;
        let silent: Vec<NodeId> = self
            .running()
            .iter()
            .filter_map(|query| query.with(|core| core.attempt.as_ref()?.silent(silence_max, now)))
            .filter(|node| *node != local)
            .collect();
        for node in silent {
            self.lost(node, &format!("has not reported for {} s", silence_max.as_secs()));
        }
    }

    /// Waits until few enough queries run: those that do would only be slower for one more. Not for ever: one may run for a
    /// client that does not read on, or wait for a query that waits here.
    pub(crate) async fn turn(&self) -> Option<OwnedSemaphorePermit> {
        let local = self.transport.local().id;
        let allowed = share(&self.members.nodes(), local, self.settings.running_at_once);
        timeout(self.settings.turn_wait_max, self.turns.take(allowed)).await.ok()?
    }

    /// A query's options as it begins among others.
    pub(crate) fn options_for(&self, query: &RunningQuery) -> Options {
        let mut options = query.request.options.clone();
        let part = part(self.settings.running_at_once, self.turns.present(), query.shape.rows_estimated);
        options.threads = options.threads.min(part);
        options
    }
}

impl Reported for Services {
    fn report(&self, from: NodeId, report: Report) -> ReportAnswer {
        let mut answer = ReportAnswer::default();
        let mut attempts: Vec<Attempt> = report.instances.iter().map(|one| one.instance.attempt).collect();
        attempts.extend(report.filters.iter().map(|made| made.instance.attempt));
        attempts.extend(report.requests.iter().map(|request| request.instance.attempt));
        attempts.sort_unstable();
        attempts.dedup();
        let now = Instant::now();
        for attempt in attempts {
            let Some(query) = self.query(attempt.query) else {
                answer.unknown.push(attempt);
                continue;
            };
            let consequences = query.with(|core| {
                let running = core.attempt.as_mut().filter(|running| running.attempt == attempt)?;
                let mut result = Consequences::default();
                running.heard(from, now);
                let instances = report.instances.iter().filter(|one| one.instance.attempt == attempt);
                instances.cloned().for_each(|one| running.instance(one, &mut result));
                let made = report.filters.iter().filter(|made| made.instance.attempt == attempt);
                made.cloned().for_each(|made| running.filter(made, &mut result));
                let requests = report.requests.iter().filter(|one| one.instance.attempt == attempt);
                requests.for_each(|request| running.request(*request, &mut result));
                result.filters = running.sendable(std::mem::take(&mut result.filters));
                Some(result)
            });
            let Some(consequences) = consequences else {
                answer.unknown.push(attempt);
                continue;
            };
            if let Some((error, node)) = consequences.failure {
                query.fail(attempt, Failure { error, lost: vec![], witness: Some(node) });
            }
            query.has_changed();
            answer.leases.extend(consequences.leases);
            self.send_filters(&query, attempt, consequences.filters);
        }
        answer
    }
}
