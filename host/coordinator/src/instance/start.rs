//! How what a coordinator deploys is started.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use nyala_exchange::{Input, InputSpec, Output, OutputSpec};
use nyala_executor::{Ends, Morsels};
use nyala_pipeline::stream_schema;
use nyala_schema::cluster::{Attempt, InstanceId, Peer};
use nyala_schema::deploy::Deploy;
use nyala_schema::id::{FragmentId, OperatorId};
use nyala_schema::wire::decode_fragment;
use nyala_schema::{Error, ErrorCode, Fragment, OperatorKind, Result};

use crate::instance::attempt::LocalAttempt;
use crate::instance::morsels::LeasedMorsels;
use crate::instance::outbox::Outbox;
use crate::instance::running::{RunningInstance, WantedFilters};
use crate::instance::{Correspondence, Entry, Instances};
use crate::lock::lock;
use crate::schedule::shape::visit;

/// Fragments that a node is to run, with the index of each instance.
pub(crate) type Decoded = Vec<(u32, Fragment)>;

/// # Errors
/// Internal for what this version cannot decode: the sender is well, the plan is not.
pub(crate) fn decode(deploy: &Deploy) -> Result<Decoded> {
    let decode = |fragment: &[u8]| {
        decode_fragment(fragment).map_err(|error| {
            Error::new(ErrorCode::Internal, format!("a fragment cannot be decoded: {error}"))
                .with_hint("see whether all nodes run versions that go together")
        })
    };
    deploy.instances.iter().map(|instance| Ok((instance.index, decode(&instance.fragment)?))).collect()
}

impl Instances {
    /// Starts all instances of an attempt on this node, or none. May read files: call it where blocking is allowed.
    ///
    /// # Errors
    /// `Cancelled` for an attempt that has been ended here before; those of opening scans and building pipelines.
    pub(crate) fn deploy(self: &Arc<Self>, deploy: &Deploy, fragments: Decoded) -> Result<Arc<LocalAttempt>> {
        let attempt = deploy.attempt;
        let outbox = self.enter(deploy)?;
        let running =
            Arc::new(LocalAttempt::new(attempt, deploy.coordinator.clone(), deploy.incarnation, outbox));
        let peers = Peers::new(deploy);
        let started = fragments.into_iter().try_for_each(|(index, fragment)| {
            let instance = self.start(deploy, &peers, index, &fragment, &running.outbox);
            let local = &self.parts.transport.local().address;
            running.add(
                instance.map_err(|error| error.context(format!("fragment {} on {local}", fragment.id)))?,
            );
            Ok(())
        });
        let started = started.and_then(|()| self.announce(&running));
        if let Err(error) = started {
            running.end(&error);
            self.cancel(attempt, &error);
            return Err(error);
        }
        self.bound_waits(deploy, &running);
        Ok(running)
    }

    /// Makes a place for an attempt, so that its cancellation is noticed from now on.
    fn enter(self: &Arc<Self>, deploy: &Deploy) -> Result<Arc<Outbox>> {
        let (attempt, coordinator) = (deploy.attempt, &deploy.coordinator);
        let mut state = lock(&self.state);
        if state.departed.contains(attempt) {
            return Err(ended(attempt));
        }
        if state.attempts.contains_key(&attempt) {
            return Err(Error::internal(format!("attempt {attempt} is deployed twice")));
        }
        state.attempts.insert(
            attempt,
            Entry::Starting { coordinator: coordinator.id, incarnation: deploy.incarnation },
        );
        self.count.send_replace(state.attempts.len());
        let correspondence = state.correspondents.entry(coordinator.id).or_insert_with(|| {
            let correspondence = Correspondence::default();
            self.correspond(coordinator.clone(), correspondence.clone());
            correspondence
        });
        Ok(Outbox::new(correspondence.urgent.clone()))
    }

    /// All instances run; an attempt that was cancelled in the meantime is over.
    fn announce(&self, running: &Arc<LocalAttempt>) -> Result<()> {
        let mut state = lock(&self.state);
        match state.attempts.get_mut(&running.attempt) {
            Some(entry) => *entry = Entry::Running(running.clone()),
            None => return Err(ended(running.attempt)),
        }
        running.outbox.ended();
        Ok(())
    }

    fn start(
        &self,
        deploy: &Deploy,
        peers: &Peers,
        index: u32,
        fragment: &Fragment,
        outbox: &Arc<Outbox>,
    ) -> Result<Arc<RunningInstance>> {
        let id = InstanceId { attempt: deploy.attempt, fragment: fragment.id, index };
        let plan = Arc::new(nyala_pipeline::build(fragment)?);
        let leases = deploy.leases.iter().filter(|lease| lease.fragment == fragment.id);
        let scans: Vec<Arc<LeasedMorsels>> =
            leases.map(|lease| LeasedMorsels::new(id, lease.clone(), outbox.clone())).collect();
        let morsels = scans
            .iter()
            .map(|scan| (scan.scan(), scan.clone() as Arc<dyn Morsels>))
            .collect::<HashMap<OperatorId, _>>();
        let awaited = deploy.filters.iter().filter(|awaited| awaited.fragment == fragment.id);
        let wait_ms = awaited.clone().map(|awaited| awaited.wait_ms).max().unwrap_or(0);
        let wanted =
            WantedFilters { instance: id, wanted: deploy.wanted_filters.clone(), outbox: outbox.clone() };
        let ends = Ends {
            attempt: Some(deploy.attempt),
            inputs: self.inputs(peers, index, fragment)?,
            output: self.output(deploy, peers, index, fragment)?,
            morsels,
            filters: if deploy.wanted_filters.is_empty() { None } else { Some(Arc::new(wanted)) },
            filter_wait: Duration::from_millis(u64::from(wait_ms)),
        };
        let output = ends.output.clone();
        let awaits = awaited.map(|awaited| awaited.filter).collect();
        let execution = self.parts.executor.start_instance(plan, &deploy.options, ends)?;
        Ok(RunningInstance::new(id, execution, output, scans, awaits, outbox.clone()))
    }

    fn inputs(
        &self,
        peers: &Peers,
        receiver: u32,
        fragment: &Fragment,
    ) -> Result<HashMap<FragmentId, Arc<dyn Input>>> {
        let mut specs = Vec::new();
        visit(&fragment.root, &mut |operator| {
            if let OperatorKind::Receive { from, .. } = operator.kind {
                specs.push((from, stream_schema(&operator.schema)));
            }
        });
        let open = |(from, schema)| {
            let (attempt, senders) = (peers.attempt, peers.of(from)?);
            let spec = InputSpec { attempt, fragment: from, receiver, senders, schema };
            Ok((from, self.parts.exchange.input(spec)))
        };
        specs.into_iter().map(open).collect()
    }

    fn output(
        &self,
        deploy: &Deploy,
        peers: &Peers,
        sender: u32,
        fragment: &Fragment,
    ) -> Result<Option<Arc<dyn Output>>> {
        let Some(to) = fragment.output.to() else { return Ok(None) };
        let spec = OutputSpec {
            attempt: peers.attempt,
            fragment: fragment.id,
            sender,
            receivers: peers.of(to)?,
            schema: stream_schema(&fragment.root.schema),
            compression: Some(deploy.options.exchange_compression),
        };
        Ok(Some(self.parts.exchange.output(spec)))
    }

    /// Scans begin without their filters when those do not come in time.
    fn bound_waits(&self, deploy: &Deploy, running: &Arc<LocalAttempt>) {
        let Some(wait_ms) = deploy.filters.iter().map(|awaited| awaited.wait_ms).max().filter(|ms| *ms > 0)
        else {
            return;
        };
        let weak = Arc::downgrade(running);
        self.parts.runtime.spawn(async move {
            tokio::time::sleep(Duration::from_millis(u64::from(wait_ms))).await;
            if let Some(running) = weak.upgrade() {
                running.instances().iter().for_each(|instance| instance.give_up_filters());
            }
        });
    }
}

/// The nodes of each fragment's instances. Fragments on the same nodes share a list: with many nodes it is long.
struct Peers {
    attempt: Attempt,
    of: HashMap<FragmentId, Arc<[Peer]>>,
}

impl Peers {
    fn new(deploy: &Deploy) -> Self {
        let mut lists: HashMap<&[u32], Option<Arc<[Peer]>>> = HashMap::new();
        let mut of = HashMap::new();
        for places in &deploy.places {
            let peer = |node: &u32| deploy.peers.get(*node as usize).cloned();
            let list = lists.entry(&places.nodes).or_insert_with(|| places.nodes.iter().map(peer).collect());
            of.extend(list.clone().map(|list| (places.fragment, list)));
        }
        Self { attempt: deploy.attempt, of }
    }

    fn of(&self, fragment: FragmentId) -> Result<Arc<[Peer]>> {
        self.of.get(&fragment).cloned().ok_or_else(|| {
            Error::internal(format!("the deployment of {} lacks the places of {fragment}", self.attempt))
        })
    }
}

fn ended(attempt: Attempt) -> Error {
    Error::new(ErrorCode::Cancelled, format!("attempt {attempt} has been ended before it was deployed"))
}
