//! All instances of one attempt on this node.

use std::sync::{Arc, Mutex};

use nyala_schema::Error;
use nyala_schema::cluster::{Attempt, InstanceId, Peer};
use nyala_schema::deploy::{InstanceReport, Lease, MorselRequest};

use crate::instance::outbox::Outbox;
use crate::instance::running::RunningInstance;
use crate::lock::lock;

pub(crate) struct LocalAttempt {
    pub(crate) attempt: Attempt,
    pub(crate) coordinator: Peer,
    /// Of the coordinator.
    pub(crate) incarnation: u64,
    pub(crate) outbox: Arc<Outbox>,
    instances: Mutex<Vec<Arc<RunningInstance>>>,
}

impl LocalAttempt {
    pub(crate) fn new(attempt: Attempt, coordinator: Peer, incarnation: u64, outbox: Arc<Outbox>) -> Self {
        Self { attempt, coordinator, incarnation, outbox, instances: Mutex::default() }
    }

    pub(crate) fn add(&self, instance: Arc<RunningInstance>) {
        lock(&self.instances).push(instance);
    }

    pub(crate) fn instances(&self) -> Vec<Arc<RunningInstance>> {
        lock(&self.instances).clone()
    }

    pub(crate) fn instance(&self, id: InstanceId) -> Option<Arc<RunningInstance>> {
        lock(&self.instances).iter().find(|instance| instance.id == id).cloned()
    }

    pub(crate) fn end(&self, reason: &Error) {
        self.instances().iter().for_each(|instance| instance.end(reason));
    }

    /// Those that have ended since the last report, or with `all` every one.
    pub(crate) fn reports(&self, all: bool) -> Vec<InstanceReport> {
        let instances = self.instances();
        instances
            .iter()
            .filter(|instance| all || instance.is_over())
            .filter_map(|instance| instance.report())
            .collect()
    }

    pub(crate) fn give(&self, request: MorselRequest, lease: Lease) {
        let Some(instance) = self.instance(request.instance) else { return };
        if let Some(scan) = instance.scans().iter().find(|scan| scan.scan() == request.scan) {
            scan.give(request.number, lease);
        }
    }
}
