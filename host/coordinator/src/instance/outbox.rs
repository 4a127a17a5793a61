//! What instances have to tell their coordinator at once.

use std::sync::{Arc, Mutex};

use nyala_schema::deploy::{MadeFilter, MorselRequest};
use tokio::sync::Notify;

use crate::lock::lock;

/// Of one attempt on this node. No longer than the plan has filters and scans.
pub(crate) struct Outbox {
    mail: Mutex<Mail>,
    /// Wakes who writes to the coordinator.
    urgent: Arc<Notify>,
}

#[derive(Default)]
pub(crate) struct Mail {
    pub(crate) filters: Vec<MadeFilter>,
    pub(crate) requests: Vec<MorselRequest>,
}

impl Outbox {
    pub(crate) fn new(urgent: Arc<Notify>) -> Arc<Self> {
        Arc::new(Self { mail: Mutex::default(), urgent })
    }

    pub(crate) fn filter(&self, filter: MadeFilter) {
        lock(&self.mail).filters.push(filter);
        self.urgent.notify_one();
    }

    pub(crate) fn request(&self, request: MorselRequest) {
        lock(&self.mail).requests.push(request);
        self.urgent.notify_one();
    }

    /// An instance has ended.
    pub(crate) fn ended(&self) {
        self.urgent.notify_one();
    }

    pub(crate) fn take(&self) -> Mail {
        std::mem::take(&mut lock(&self.mail))
    }

    /// What could not be delivered goes with the next report.
    pub(crate) fn put_back(&self, mail: Mail) {
        let mut now = lock(&self.mail);
        now.filters.extend(mail.filters);
        now.requests.extend(mail.requests);
    }
}
