//! Tells one coordinator of all its instances on this node: one message at a time, each with all there is to say.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use nyala_exchange::Service;
use nyala_schema::cluster::{Attempt, InstanceId, NodeId, Peer};
use nyala_schema::deploy::{InstanceState, QueryAnswer, QueryMessage, Report, ReportAnswer};
use nyala_schema::wire::{decode_query_answer, encode_query_message};
use nyala_schema::{Error, Result};
use tokio::time::Instant;

use crate::instance::outbox::Mail;
use crate::instance::{Correspondence, Instances};
use crate::lock::lock;

/// Before a report that did not arrive is sent again.
const RETRY_AFTER: Duration = Duration::from_millis(100);
/// Filters beyond this wait for the next report, bytes.
const FILTER_BYTES_MAX: usize = 4 << 20;

/// A report, and what of it has to be told again when it does not arrive.
struct Letter {
    report: Report,
    /// Instances whose end it tells, and whether they failed.
    ended: Vec<(InstanceId, bool)>,
    mail: Vec<(Attempt, Mail)>,
}

impl Instances {
    /// Starts writing to a coordinator, for as long as it has attempts here.
    pub(super) fn correspond(self: &Arc<Self>, coordinator: Peer, with: Correspondence) {
        let instances = self.clone();
        self.parts.runtime.spawn(async move { instances.write_to(coordinator, with).await });
    }

    async fn write_to(self: Arc<Self>, coordinator: Peer, with: Correspondence) {
        let mut next_full = Instant::now() + self.parts.report_interval;
        let mut failing: Option<Instant> = None;
        loop {
            let wake_at = if failing.is_some() { Instant::now() + RETRY_AFTER } else { next_full };
            // While it does not answer, what is urgent waits for the next try.
            let is_urgent = async {
                match failing {
                    None => with.urgent.notified().await,
                    Some(_) => std::future::pending().await,
                }
            };
            tokio::select! {
                () = is_urgent => {}
                () = tokio::time::sleep_until(wake_at) => {}
            }
            if self.has_left(coordinator.id) {
                return;
            }
            let is_full = Instant::now() >= next_full;
            if is_full {
                next_full = Instant::now() + self.parts.report_interval;
            }
            let letter = self.letter(coordinator.id, is_full);
            let has_to = with.is_doubtful.swap(false, Relaxed) || is_full || failing.is_some();
            if letter.report == Report::default() && !has_to {
                continue;
            }
            let sent = Instant::now();
            match self.send(&coordinator, letter.report.clone()).await {
                Ok(answer) => {
                    failing = None;
                    self.delivered(letter, answer);
                }
                Err(error) => {
                    self.undelivered(letter);
                    let since = *failing.get_or_insert(sent);
                    tracing::debug!(%coordinator, %error, "a report did not arrive");
                    if since.elapsed() >= self.parts.coordinator_grace {
                        tracing::warn!(%coordinator, %error, "a coordinator is gone; what it runs here is ended");
                        self.coordinator_gone(coordinator.id, |_| false);
                    }
                }
            }
        }
    }

    /// Whether nothing of the coordinator is left here; it is forgotten then.
    fn has_left(&self, coordinator: NodeId) -> bool {
        let mut state = lock(&self.state);
        let has_left = !state.attempts.values().any(|entry| entry.coordinator() == coordinator);
        if has_left {
            state.correspondents.remove(&coordinator);
        }
        has_left
    }

    fn letter(&self, coordinator: NodeId, is_full: bool) -> Letter {
        let mut letter = Letter { report: Report::default(), ended: vec![], mail: vec![] };
        let mut filter_bytes = 0;
        for attempt in self.attempts_of(coordinator) {
            for instance in attempt.reports(is_full) {
                match instance.state {
                    InstanceState::Running => {}
                    InstanceState::Finished => letter.ended.push((instance.instance, false)),
                    InstanceState::Failed(_) => letter.ended.push((instance.instance, true)),
                }
                letter.report.instances.push(instance);
            }
            let mut mail = attempt.outbox.take();
            let fits = mail.filters.iter().take_while(|filter| {
                filter_bytes += filter.bytes.len();
                filter_bytes <= FILTER_BYTES_MAX
            });
            let later = mail.filters.split_off(fits.count());
            if !later.is_empty() {
                attempt.outbox.put_back(Mail { filters: later, requests: vec![] });
                attempt.outbox.ended();
            }
            letter.report.filters.extend(mail.filters.iter().cloned());
            letter.report.requests.extend(mail.requests.iter().copied());
            letter.mail.push((attempt.attempt, mail));
        }
        letter
    }

    async fn send(&self, coordinator: &Peer, report: Report) -> Result<ReportAnswer> {
        let transport = &self.parts.transport;
        if coordinator.id == transport.local().id {
            let gone = || Error::internal("this node's coordinator has ended");
            return Ok(self.parts.coordinator.upgrade().ok_or_else(gone)?.report(coordinator.id, report));
        }
        let request = encode_query_message(&QueryMessage::Report(report))?;
        let call = transport.call(coordinator, Service::QUERY, request);
        let answer = tokio::time::timeout(self.parts.call_deadline, call).await;
        let answer = answer.map_err(|_| crate::deadline_missed(coordinator, self.parts.call_deadline))??;
        match decode_query_answer(&answer)? {
            QueryAnswer::Report(answer) => Ok(answer),
            QueryAnswer::Refused(error) => Err(error),
            other => Err(Error::internal(format!("a report was answered with {other:?}"))),
        }
    }

    fn delivered(&self, letter: Letter, answer: ReportAnswer) {
        for (id, has_failed) in letter.ended {
            let instance = self.attempt(id.attempt).and_then(|attempt| attempt.instance(id));
            if let Some(instance) = instance {
                instance.reported(has_failed);
            }
        }
        for (request, lease) in answer.leases {
            if let Some(attempt) = self.attempt(request.instance.attempt) {
                attempt.give(request, lease);
            }
        }
        for attempt in answer.unknown {
            self.cancel(attempt, &Error::cancelled());
        }
    }

    fn undelivered(&self, letter: Letter) {
        for (attempt, mail) in letter.mail {
            if let Some(attempt) = self.attempt(attempt) {
                attempt.outbox.put_back(mail);
            }
        }
    }
}
