//! How a coordinator is let run a query: by the controller, wherever that is.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use bytes::Bytes;
use nyala_exchange::{Members, Service, Transport};
use nyala_schema::Result;
use nyala_schema::cluster::{NodeId, NodeState, QueryId};
use nyala_schema::deploy::{AdmissionAnswer, AdmissionAsk, AdmissionMessage};
use nyala_schema::wire::{
    decode_admission, decode_admission_answer, encode_admission, encode_admission_answer,
};
use tokio::sync::Notify;
use tokio::time::{Instant, timeout};

use crate::admission::controller::{Controller, Decision, find, no_pool};
use crate::admission::{Leader, Leadership, Pool};
use crate::deadline_missed;
use crate::lock::lock;
use crate::settings::AdmissionSettings;

/// How long a question waits at the controller for its answer.
const POLL: Duration = Duration::from_secs(2);
/// Between two questions when there was no answer.
const ASK_AGAIN: Duration = Duration::from_millis(200);
/// Between two renewals; also how soon a new controller is told what runs.
const RENEW: Duration = Duration::from_millis(500);
/// Renewals that nothing but time asks for.
const RENEW_QUIET: Duration = Duration::from_secs(2);

/// A node's part in admission: it asks for its queries, and decides for all when it leads.
pub(crate) struct Admission {
    settings: AdmissionSettings,
    leader: Arc<dyn Leader>,
    transport: Arc<dyn Transport>,
    members: Arc<dyn Members>,
    runtime: tokio::runtime::Handle,
    call_deadline: Duration,
    /// While this node leads: of the term in which it does.
    led: Mutex<Option<(u64, Controller)>>,
    /// Decides while nobody who leads can be reached: over this node's queries only, with its part of the limits.
    alone: Mutex<Option<Controller>>,
    /// Something was let in, or let go.
    changed: Notify,
    /// Queries of this node that count against limits.
    running: Mutex<HashMap<QueryId, AdmissionAsk>>,
}

impl Admission {
    pub(crate) fn new(
        settings: AdmissionSettings,
        leader: Arc<dyn Leader>,
        transport: Arc<dyn Transport>,
        members: Arc<dyn Members>,
        runtime: tokio::runtime::Handle,
        call_deadline: Duration,
    ) -> Arc<Self> {
        Arc::new(Self {
            settings,
            leader,
            transport,
            members,
            runtime,
            call_deadline,
            led: Mutex::default(),
            alone: Mutex::default(),
            changed: Notify::new(),
            running: Mutex::default(),
        })
    }

    /// Queries that have a place, or wait for one: of this node, and of all for which it decides.
    pub(crate) fn admitted(&self) -> usize {
        let led = lock(&self.led).as_ref().map_or(0, |(_, controller)| controller.places());
        let alone = lock(&self.alone).as_ref().map_or(0, Controller::places);
        lock(&self.running).len() + led + alone
    }

    /// Waits until a query may run. Dropping the future gives the place in the queue up, by [`release`](Self::release).
    ///
    /// # Errors
    /// `UndefinedObject` for a pool that is not there; `OutOfMemory` when it is refused.
    pub(crate) async fn admit(&self, mut ask: AdmissionAsk) -> Result<()> {
        let pools = &self.settings.pools;
        let pool = find(pools, &ask.pool).ok_or_else(|| no_pool(pools, &ask.pool))?;
        ask.pool.clone_from(&pool.name);
        if !pool.is_limited() && self.settings.slots.is_none() && self.settings.memory_bytes.is_none() {
            return Ok(());
        }
        let started = Instant::now();
        let mut unreachable: Option<Instant> = None;
        loop {
            ask.waited_ms = started.elapsed().as_millis() as u64;
            let is_alone = unreachable.is_some_and(|since| since.elapsed() >= self.settings.patience);
            let answer = if is_alone {
                Ok(self.decide_alone(&ask).await)
            } else {
                self.ask_leader(&AdmissionMessage::Ask(ask.clone())).await
            };
            match answer {
                Ok(AdmissionAnswer::Admitted) => {
                    lock(&self.running).insert(ask.query, ask);
                    return Ok(());
                }
                Ok(AdmissionAnswer::Refused(error)) => return Err(error),
                Ok(AdmissionAnswer::Queued) => {
                    if !is_alone {
                        unreachable = None;
                    }
                }
                Ok(AdmissionAnswer::Done | AdmissionAnswer::NotController) | Err(_) => {
                    unreachable.get_or_insert_with(Instant::now);
                    tokio::time::sleep(ASK_AGAIN).await;
                }
            }
        }
    }

    /// The query runs, or waits, no more.
    pub(crate) async fn release(&self, query: QueryId) {
        let was_limited = lock(&self.running).remove(&query).is_some();
        let now = Instant::now();
        if let Some(alone) = lock(&self.alone).as_mut() {
            alone.release(query, now);
        }
        self.changed.notify_waiters();
        if was_limited || self.is_limited() {
            // What does not arrive is made good by the next renewal.
            _ = self.ask_leader(&AdmissionMessage::Release { query }).await;
        }
    }

    fn is_limited(&self) -> bool {
        let settings = &self.settings;
        settings.slots.is_some()
            || settings.memory_bytes.is_some()
            || settings.pools.iter().any(Pool::is_limited)
    }

    async fn ask_leader(&self, message: &AdmissionMessage) -> Result<AdmissionAnswer> {
        let local = self.transport.local();
        let Some(Leadership { node: leader, .. }) = self.leader.leadership() else {
            return Ok(AdmissionAnswer::NotController);
        };
        if leader.id == local.id {
            return Ok(self.answer(local.id, message.clone()).await);
        }
        let request = encode_admission(message)?;
        let deadline = POLL + self.call_deadline;
        let call = self.transport.call(&leader, Service::ADMISSION, request);
        let answer = timeout(deadline, call).await.map_err(|_| deadline_missed(&leader, deadline))??;
        decode_admission_answer(&answer)
    }

    /// A request of another node.
    ///
    /// # Errors
    /// `Connection` for bytes that are no request.
    pub(crate) async fn handle(&self, from: NodeId, request: &Bytes) -> Result<Bytes> {
        let message = decode_admission(request)?;
        encode_admission_answer(&self.answer(from, message).await)
    }

    async fn answer(&self, from: NodeId, message: AdmissionMessage) -> AdmissionAnswer {
        match message {
            AdmissionMessage::Ask(ask) => self.poll(|now| self.decide(from, &ask, now)).await,
            AdmissionMessage::Renew { running } => self.change(|controller, now| {
                controller.renew(from, running, now);
                controller.settle(&self.coordinators(), now);
            }),
            AdmissionMessage::Release { query } => {
                self.change(|controller, now| controller.release(query, now))
            }
        }
    }

    /// Asks until it is decided, a while at most.
    async fn poll(&self, decide: impl Fn(Instant) -> (AdmissionAnswer, Instant)) -> AdmissionAnswer {
        let until = Instant::now() + POLL;
        loop {
            let changed = self.changed.notified();
            tokio::pin!(changed);
            changed.as_mut().enable();
            let now = Instant::now();
            let (answer, again_at) = decide(now);
            if answer != AdmissionAnswer::Queued || now >= until {
                return answer;
            }
            tokio::select! {
                () = changed => {}
                () = tokio::time::sleep_until(again_at.clamp(now, until)) => {}
            }
        }
    }

    fn decide(&self, from: NodeId, ask: &AdmissionAsk, now: Instant) -> (AdmissionAnswer, Instant) {
        let decided = self.lead(now, |controller| decide(controller, from, ask, now, &self.settings.pools));
        decided.unwrap_or((AdmissionAnswer::NotController, now))
    }

    async fn decide_alone(&self, ask: &AdmissionAsk) -> AdmissionAnswer {
        let local = self.transport.local().id;
        let settings = self.part_of_limits();
        self.poll(|now| {
            let mut alone = lock(&self.alone);
            let controller = alone.get_or_insert_with(|| {
                let mut controller = Controller::new(settings.clone(), now);
                let running = lock(&self.running).values().cloned().collect();
                controller.renew(local, running, now);
                controller
            });
            decide(controller, local, ask, now, &settings.pools)
        })
        .await
    }

    /// What each coordinator may let run by itself.
    fn part_of_limits(&self) -> AdmissionSettings {
        let coordinators = self.coordinators().len().max(1) as u32;
        let part = |limit: Option<u32>| limit.map(|limit| (limit / coordinators).max(1));
        let mut settings = AdmissionSettings { settle: Duration::ZERO, ..self.settings.clone() };
        settings.slots = part(settings.slots);
        for pool in &mut settings.pools {
            pool.slots = part(pool.slots);
        }
        settings
    }

    fn change(&self, change: impl FnOnce(&mut Controller, Instant)) -> AdmissionAnswer {
        let now = Instant::now();
        if self.lead(now, |controller| change(controller, now)).is_none() {
            return AdmissionAnswer::NotController;
        }
        self.changed.notify_waiters();
        AdmissionAnswer::Done
    }

    /// Has the controller of this node's leadership decide; `None` when it does not lead. A new term begins with a new one.
    fn lead<T>(&self, now: Instant, decide: impl FnOnce(&mut Controller) -> T) -> Option<T> {
        let term = self.term();
        let mut led = self.led_in(term);
        let term = term?;
        let (_, controller) = led.get_or_insert_with(|| (term, Controller::new(self.settings.clone(), now)));
        Some(decide(controller))
    }

    /// What is led, without what was led in another term.
    fn led_in(&self, term: Option<u64>) -> MutexGuard<'_, Option<(u64, Controller)>> {
        let mut led = lock(&self.led);
        led.take_if(|(of, _)| Some(*of) != term);
        led
    }

    /// In which this node leads.
    fn term(&self) -> Option<u64> {
        let leadership = self.leader.leadership()?;
        (leadership.node.id == self.transport.local().id).then_some(leadership.term)
    }

    /// The nodes that may run queries.
    fn coordinators(&self) -> Vec<NodeId> {
        let nodes = self.members.nodes();
        let alive = nodes.iter().filter(|node| {
            node.roles.coordinator && !matches!(node.state, NodeState::Down | NodeState::Joining)
        });
        alive.map(|node| node.peer.id).collect()
    }

    /// Tells whoever leads what runs here, for as long as there is somebody who holds this.
    pub(crate) fn renew(self: &Arc<Self>) -> tokio::task::AbortHandle {
        let weak = Arc::downgrade(self);
        let renewing = async move {
            let mut told: Option<(Leadership, Instant)> = None;
            loop {
                tokio::time::sleep(RENEW).await;
                let Some(admission) = weak.upgrade().filter(|admission| admission.is_limited()) else {
                    return;
                };
                // Nobody asks a node that leads no more.
                drop(admission.led_in(admission.term()));
                let leader = admission.leader.leadership();
                let is_due = told
                    .as_ref()
                    .is_none_or(|(to, at)| Some(to) != leader.as_ref() || at.elapsed() >= RENEW_QUIET);
                let Some(leader) = leader.filter(|_| is_due) else { continue };
                let running = lock(&admission.running).values().cloned().collect();
                match admission.ask_leader(&AdmissionMessage::Renew { running }).await {
                    Ok(AdmissionAnswer::Done) => {
                        *lock(&admission.alone) = None;
                        told = Some((leader, Instant::now()));
                    }
                    Ok(_) | Err(_) => told = None,
                }
            }
        };
        self.runtime.spawn(renewing).abort_handle()
    }
}

fn decide(
    controller: &mut Controller,
    from: NodeId,
    ask: &AdmissionAsk,
    now: Instant,
    pools: &[Pool],
) -> (AdmissionAnswer, Instant) {
    let wait = Duration::from_millis(ask.waited_ms);
    let timeout_in = find(pools, &ask.pool).map_or(POLL, |pool| pool.queue_timeout.saturating_sub(wait));
    let answer = match controller.ask(from, ask.clone(), now) {
        Decision::Admitted => AdmissionAnswer::Admitted,
        Decision::Queued => AdmissionAnswer::Queued,
        Decision::Refused(error) => AdmissionAnswer::Refused(error),
    };
    let settles_at = controller.settles_at();
    let again_at = if settles_at > now { settles_at.min(now + timeout_in) } else { now + timeout_in };
    (answer, again_at)
}
