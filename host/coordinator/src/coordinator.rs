//! A node's part in all queries: those that arrived at it, and instances of others'.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use futures_util::future::join_all;
use nyala_exchange::{Caller, Exchange, Members, Service, Transport};
use nyala_executor::Executor;
use nyala_schema::cluster::{NodeId, NodeState, Peer, QueryId};
use nyala_schema::deploy::{Deploy, QueryAnswer, QueryMessage, QueryStatus};
use nyala_schema::wire::{decode_query_message, encode_query_answer};
use nyala_schema::{Error, ErrorCode, Result};
use tokio::task::AbortHandle;
use tokio::time::{Instant, timeout};

use crate::admission::Leader;
use crate::handle::QueryHandle;
use crate::instance::{Reported, start};
use crate::lock::lock;
use crate::query::drive;
use crate::query::finished::QueryProfile;
use crate::query::running::RunningQuery;
use crate::request::QueryRequest;
use crate::schedule::shape::Shape;
use crate::services::Services;
use crate::settings::CoordinatorSettings;

/// For other coordinators' answers to what people ask.
const LIST_DEADLINE: Duration = Duration::from_secs(2);
/// Between two looks at who has not reported.
const SILENCE_LOOK: Duration = Duration::from_millis(500);

/// What a coordinator is made of.
pub struct CoordinatorParts {
    pub transport: Arc<dyn Transport>,
    pub members: Arc<dyn Members>,
    pub exchange: Arc<Exchange>,
    pub executor: Arc<Executor>,
    /// Where everything that waits runs.
    pub runtime: tokio::runtime::Handle,
    /// Of this node, as [`Caller::Node`] shows it to others.
    pub incarnation: u64,
    /// Who decides over admission.
    pub leader: Arc<dyn Leader>,
    pub settings: CoordinatorSettings,
}

/// One per node. Ends with its last reference, and with it all its queries.
pub struct Coordinator {
    services: Arc<Services>,
    is_draining: AtomicBool,
    tasks: Vec<AbortHandle>,
}

/// How much a coordinator has to see to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct CoordinatorLoad {
    /// That arrived here and have not ended.
    pub queries: usize,
    /// Of queries of any node: their instances run here.
    pub attempts: usize,
    /// Places under limits of pools, asked for or given here.
    pub admitted: usize,
}

impl Coordinator {
    pub fn start(parts: CoordinatorParts) -> Arc<Self> {
        let services = Services::new(parts);
        let tasks = vec![watch_members(&services), watch_silence(&services), services.admission.renew()];
        Arc::new(Self { services, is_draining: AtomicBool::new(false), tasks })
    }

    /// Starts a query. Waits for its admission and for its instances to be started; [`kill`](Self::kill) ends that too, as does
    /// dropping the future.
    ///
    /// # Errors
    /// `OutOfMemory` when its pool has no room in its queue or did not admit it in time; `UndefinedObject` for a pool that
    /// is not there; `Connection` while the node drains; those of opening scans.
    pub async fn start_query(self: &Arc<Self>, request: QueryRequest) -> Result<QueryHandle> {
        if self.is_draining.load(Relaxed) {
            return Err(Error::new(ErrorCode::Connection, "this node is leaving and starts no query")
                .with_hint("connect to another node"));
        }
        let services = &self.services;
        let shape = Shape::of(&request.fragments, services.settings.filter_wait_max)?;
        let started_ms =
            SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis() as u64);
        let query = Arc::new(RunningQuery::new(request, shape, services.settings.held_bytes_max, started_ms));
        {
            let mut queries = lock(&services.queries);
            if queries.running.insert(query.id, query.clone()).is_some() {
                return Err(Error::internal(format!("query {} runs already", query.id)));
            }
            services.count.send_replace(queries.running.len());
        }
        services.runtime.spawn(drive(services.clone(), query.clone()));
        // Made before it is waited for: dropping this future ends the query.
        let handle = QueryHandle::new(query.clone(), services.transport.local().clone());
        let started = query.until(|query| {
            query.with(|core| match &core.result {
                Some(Err(error)) => Some(Err(error.clone())),
                Some(Ok(())) => Some(Ok(())),
                None => core.has_started().then_some(Ok(())),
            })
        });
        started.await.map(|()| handle)
    }

    /// A request of another node to `Service::QUERY` or `Service::ADMISSION`.
    ///
    /// # Errors
    /// `Connection` for bytes that are no request.
    pub async fn handle(self: &Arc<Self>, from: &Caller, service: Service, request: Bytes) -> Result<Bytes> {
        let Caller::Node { id, incarnation } = from else {
            return Err(Error::new(
                ErrorCode::InvalidParameter,
                "clients cannot ask what nodes ask each other",
            ));
        };
        if service == Service::ADMISSION {
            return self.services.admission.handle(*id, &request).await;
        }
        if service != Service::QUERY {
            return Err(Error::internal(format!("a coordinator does not answer service {}", service.0)));
        }
        let answer = match decode_query_message(&request)? {
            QueryMessage::Deploy(deploy) => self.deployed(*id, *incarnation, *deploy).await,
            QueryMessage::Cancel { attempt, reason } => {
                self.services.instances.cancel(attempt, &reason);
                QueryAnswer::Done
            }
            QueryMessage::Report(report) => QueryAnswer::Report(self.services.report(*id, report)),
            QueryMessage::Filter { attempt, filter, bytes } => {
                self.services.instances.give_filter(attempt, filter, &bytes);
                QueryAnswer::Done
            }
            QueryMessage::List => QueryAnswer::Queries(self.queries()),
            QueryMessage::Kill { query, reason } => QueryAnswer::Known(self.kill_here(query, reason)),
            QueryMessage::Profile { query } => QueryAnswer::Text(self.profile_here(query)),
        };
        encode_query_answer(&answer)
    }

    /// Another coordinator's instances for this node.
    async fn deployed(&self, from: NodeId, incarnation: u64, deploy: Deploy) -> QueryAnswer {
        if deploy.coordinator.id != from || deploy.incarnation != incarnation {
            let what = format!("{} deploys for {}", from, deploy.coordinator);
            return QueryAnswer::Refused(Error::internal(what));
        }
        let instances = self.services.instances.clone();
        let deployed = self.services.blocking(move || {
            let fragments = start::decode(&deploy)?;
            instances.deploy(&deploy, fragments)
        });
        match deployed.await {
            Ok(_) => QueryAnswer::Done,
            Err(error) => QueryAnswer::Refused(error),
        }
    }

    /// The connection with a node is gone.
    pub fn disconnected(self: &Arc<Self>, node: NodeId) {
        self.services.lost(node, "went away");
        self.services.instances.disconnected(node);
    }

    /// The queries of this coordinator: those that run, and the last that ended.
    pub fn queries(&self) -> Vec<QueryStatus> {
        let (running, finished) = {
            let queries = lock(&self.services.queries);
            let running: Vec<_> = queries.running.values().cloned().collect();
            (running, queries.finished.iter().cloned().collect::<Vec<_>>())
        };
        let local = self.services.transport.local();
        let mut all: Vec<QueryStatus> = finished.iter().map(|query| query.status.clone()).collect();
        all.extend(running.iter().map(|query| query.status(local)));
        all.sort_by_key(|query| (query.started_ms, query.id));
        all
    }

    /// What there is now; all is 0 when nothing runs anywhere.
    pub fn load(&self) -> CoordinatorLoad {
        let services = &self.services;
        CoordinatorLoad {
            queries: lock(&services.queries).running.len(),
            attempts: *services.instances.count().borrow(),
            admitted: services.admission.admitted(),
        }
    }

    /// The queries of all coordinators. Those of nodes that do not answer in time are missing.
    pub async fn all_queries(self: &Arc<Self>) -> Vec<QueryStatus> {
        let mut all = self.queries();
        for answer in self.ask_others(QueryMessage::List).await {
            if let QueryAnswer::Queries(queries) = answer {
                all.extend(queries);
            }
        }
        all.sort_by_key(|query| (query.started_ms, query.id));
        all
    }

    /// Ends a query, whichever coordinator it has.
    ///
    /// # Errors
    /// `UndefinedObject` when no coordinator that answers runs it.
    pub async fn kill(self: &Arc<Self>, query: QueryId) -> Result<()> {
        let reason = Error::new(ErrorCode::Cancelled, "the query was killed");
        if self.kill_here(query, reason.clone()) {
            return Ok(());
        }
        let answers = self.ask_others(QueryMessage::Kill { query, reason }).await;
        if answers.contains(&QueryAnswer::Known(true)) { Ok(()) } else { Err(no_query(query, "runs")) }
    }

    /// What a query took, over all nodes, fragment by fragment, as text.
    ///
    /// # Errors
    /// `UndefinedObject` when no coordinator that answers knows it.
    pub async fn profile_of(self: &Arc<Self>, query: QueryId) -> Result<String> {
        if let Some(text) = self.profile_here(query) {
            return Ok(text);
        }
        let answers = self.ask_others(QueryMessage::Profile { query }).await;
        let mut texts = answers.into_iter().filter_map(|answer| match answer {
            QueryAnswer::Text(text) => text,
            _ => None,
        });
        texts.next().ok_or_else(|| no_query(query, "is known"))
    }

    /// Starts no query any more and waits for those of this node, and for instances of others', to end. Says whether they
    /// did before the deadline.
    pub async fn drain(self: &Arc<Self>, deadline: Duration) -> bool {
        self.is_draining.store(true, Relaxed);
        let mut queries = self.services.count.subscribe();
        let mut attempts = self.services.instances.count();
        let drained = async {
            loop {
                let is_idle = queries.wait_for(|count| *count == 0).await.is_ok()
                    && attempts.wait_for(|count| *count == 0).await.is_ok();
                if !is_idle || *queries.borrow() == 0 {
                    return;
                }
            }
        };
        timeout(deadline, drained).await.is_ok()
    }

    fn kill_here(&self, query: QueryId, reason: Error) -> bool {
        let running = self.services.query(query);
        if let Some(query) = &running {
            query.cancel(reason);
        }
        running.is_some()
    }

    fn profile_here(&self, query: QueryId) -> Option<String> {
        if let Some(running) = self.services.query(query) {
            return Some(QueryProfile::of(&running).text());
        }
        let finished =
            lock(&self.services.queries).finished.iter().rfind(|known| known.status.id == query).cloned();
        finished.map(|finished| finished.profile.text())
    }

    /// The answers of those other coordinators that answer in time.
    async fn ask_others(&self, message: QueryMessage) -> Vec<QueryAnswer> {
        let local = self.services.transport.local().id;
        let nodes = self.services.members.nodes();
        let others: Vec<Peer> = nodes
            .iter()
            .filter(|node| node.roles.coordinator && node.peer.id != local && node.state != NodeState::Down)
            .map(|node| node.peer.clone())
            .collect();
        let asked = others.iter().map(|peer| timeout(LIST_DEADLINE, self.services.ask(peer, &message)));
        join_all(asked).await.into_iter().filter_map(|answer| answer.ok()?.ok()).collect()
    }
}

impl Drop for Coordinator {
    fn drop(&mut self) {
        self.tasks.iter().for_each(AbortHandle::abort);
        let reason = Error::new(ErrorCode::Cancelled, "the node is shutting down");
        self.services.running().iter().for_each(|query| query.cancel(reason.clone()));
    }
}

fn no_query(query: QueryId, what: &str) -> Error {
    Error::new(ErrorCode::UndefinedObject, format!("no query {query} {what}"))
        .with_hint("SHOW QUERIES lists those that there are")
}

/// Acts on nodes that are down or have been started anew.
fn watch_members(services: &Arc<Services>) -> AbortHandle {
    let weak = Arc::downgrade(services);
    let mut changes = services.members.watch();
    let watching = async move {
        let mut known: BTreeMap<NodeId, (u64, bool)> = BTreeMap::new();
        loop {
            let Some(services) = weak.upgrade() else { return };
            let nodes = services.members.nodes();
            let mut now: BTreeMap<NodeId, (u64, bool)> = BTreeMap::new();
            for node in nodes.iter().filter(|node| node.peer.id != services.transport.local().id) {
                now.insert(node.peer.id, (node.incarnation, node.state == NodeState::Down));
            }
            for (node, (incarnation, was_down)) in &known {
                let gone = (*incarnation, true);
                let (current, is_down) = now.get(node).copied().unwrap_or(gone);
                let is_anew = current != *incarnation;
                if is_anew {
                    services.forgive(*node);
                }
                if is_anew || (is_down && !was_down) {
                    services.lost(*node, if is_anew { "has been started anew" } else { "is down" });
                    services.instances.coordinator_gone(*node, |of| !is_down && of == current);
                }
            }
            known = now;
            drop(services);
            if changes.changed().await.is_err() {
                return;
            }
        }
    };
    services.runtime.spawn(watching).abort_handle()
}

fn watch_silence(services: &Arc<Services>) -> AbortHandle {
    let weak = Arc::downgrade(services);
    let watching = async move {
        loop {
            tokio::time::sleep(SILENCE_LOOK).await;
            let Some(services) = weak.upgrade() else { return };
            services.find_silent(Instant::now());
        }
    };
    services.runtime.spawn(watching).abort_handle()
}
