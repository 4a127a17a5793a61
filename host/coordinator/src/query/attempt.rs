//! What a coordinator knows of an attempt: who runs what, how far it is, which parts of scans are given to whom.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use bytes::Bytes;
use nyala_schema::Error;
use nyala_schema::cluster::{Attempt, NodeId, NodeInfo};
use nyala_schema::deploy::{
    InstanceFigures, InstanceProfile, InstanceReport, InstanceState, Lease, MadeFilter, MorselRequest,
};
use nyala_schema::id::{FragmentId, OperatorId, RuntimeFilterId};
use tokio::time::Instant;

use crate::schedule::filters::FilterParts;
use crate::schedule::leases::ScanLeases;

pub(crate) struct RunningAttempt {
    pub(crate) attempt: Attempt,
    /// This node first; then those that take part.
    pub(crate) nodes: Vec<NodeInfo>,
    pub(crate) instances: Vec<InstanceRecord>,
    pub(crate) leases: BTreeMap<(FragmentId, OperatorId), ScanLeases>,
    pub(crate) filters: FilterParts,
    /// Rows of the scans that are shared out.
    pub(crate) rows_shared: u64,
    /// Where the records of each fragment begin; they are in the order of their instances.
    starts: HashMap<FragmentId, usize>,
    last_reports: BTreeMap<NodeId, Instant>,
    /// Filters that were complete before all nodes had been deployed to; `None` from then on.
    early_filters: Option<Vec<Merged>>,
}

/// What is known of an instance.
#[derive(Debug, Clone)]
pub(crate) struct InstanceRecord {
    pub(crate) fragment: FragmentId,
    pub(crate) index: u32,
    /// In [`RunningAttempt::nodes`].
    pub(crate) node: usize,
    pub(crate) state: InstanceState,
    pub(crate) figures: InstanceFigures,
    pub(crate) rows_per_second: f64,
    pub(crate) profile: InstanceProfile,
}

/// A filter that is complete, for those who use it.
pub(crate) type Merged = (RuntimeFilterId, Bytes);

/// What follows from a report.
#[derive(Default)]
pub(crate) struct Consequences {
    pub(crate) leases: Vec<(MorselRequest, Lease)>,
    pub(crate) filters: Vec<Merged>,
    /// The first error of an instance, and its node.
    pub(crate) failure: Option<(Error, NodeId)>,
}

impl RunningAttempt {
    pub(crate) fn new(
        attempt: Attempt,
        nodes: Vec<NodeInfo>,
        instances: Vec<InstanceRecord>,
        now: Instant,
    ) -> Self {
        let last_reports = nodes.iter().map(|node| (node.peer.id, now)).collect();
        let firsts = instances.iter().enumerate().filter(|(_, record)| record.index == 0);
        let starts = firsts.map(|(at, record)| (record.fragment, at)).collect();
        Self {
            attempt,
            nodes,
            instances,
            starts,
            leases: BTreeMap::new(),
            filters: FilterParts::default(),
            rows_shared: 0,
            last_reports,
            early_filters: Some(vec![]),
        }
    }

    /// A node has said how its instances are.
    pub(crate) fn heard(&mut self, from: NodeId, now: Instant) {
        self.last_reports.insert(from, now);
    }

    pub(crate) fn instance(&mut self, report: InstanceReport, result: &mut Consequences) {
        let (fragment, index) = (report.instance.fragment, report.instance.index);
        let node_of = |record: &InstanceRecord| self.nodes.get(record.node).map(|node| node.peer.id);
        let place = self.starts.get(&fragment).and_then(|start| start.checked_add(index as usize));
        let known = place.and_then(|place| self.instances.get_mut(place));
        let known = known.filter(|known| known.fragment == fragment && known.index == index);
        // One that has finished may find later that its rows did not arrive.
        let changes = |record: &&mut InstanceRecord| match (&record.state, &report.state) {
            (InstanceState::Running, _) | (InstanceState::Finished, InstanceState::Failed(_)) => true,
            (InstanceState::Finished | InstanceState::Failed(_), _) => false,
        };
        let Some(record) = known.filter(changes) else { return };
        record.update(&report);
        match (&report.state, node_of(record)) {
            (InstanceState::Running, _) | (_, None) => {}
            (InstanceState::Finished, Some(_)) => {
                let given_up = self.filters.ended(fragment, index);
                result.filters.extend(given_up.into_iter().map(|filter| (filter, Bytes::new())));
            }
            (InstanceState::Failed(error), Some(node)) => {
                result.failure.get_or_insert((error.clone(), node));
            }
        }
    }

    pub(crate) fn filter(&mut self, made: MadeFilter, result: &mut Consequences) {
        match self.filters.add(made.filter, made.instance.index, made.bytes) {
            Ok(None) => {}
            Ok(Some(merged)) => result.filters.push((made.filter, merged)),
            Err(error) => {
                tracing::warn!(attempt = %self.attempt, filter = %made.filter, %error, "a runtime filter is given up");
                result.filters.push((made.filter, Bytes::new()));
            }
        }
    }

    pub(crate) fn request(&mut self, request: MorselRequest, result: &mut Consequences) {
        let (fragment, scan) = (request.instance.fragment, request.scan);
        let Some(leases) = self.leases.get_mut(&(fragment, scan)) else { return };
        let share = leases.more(request.instance.index as usize, request.number);
        let lease = Lease { fragment, scan, morsels: share.morsels, is_last: share.is_last };
        result.leases.push((request, lease));
    }

    /// Those of the filters that may be sent now.
    pub(crate) fn sendable(&mut self, filters: Vec<Merged>) -> Vec<Merged> {
        match &mut self.early_filters {
            None => filters,
            Some(early) => {
                early.extend(filters);
                vec![]
            }
        }
    }

    /// All nodes have been deployed to: what waited for that may be sent.
    pub(crate) fn deployed(&mut self) -> Vec<Merged> {
        self.early_filters.take().unwrap_or_default()
    }

    /// A node that runs something and has not been heard of for longer than that.
    pub(crate) fn silent(&self, silence_max: Duration, now: Instant) -> Option<NodeId> {
        let running = self.instances.iter().filter(|instance| instance.state == InstanceState::Running);
        let mut nodes = running.filter_map(|instance| self.nodes.get(instance.node)).map(|node| node.peer.id);
        nodes.find(|node| {
            self.last_reports.get(node).is_some_and(|at| now.saturating_duration_since(*at) > silence_max)
        })
    }

    pub(crate) fn has_ended(&self) -> bool {
        self.instances.iter().all(|instance| instance.state != InstanceState::Running)
    }

    /// Morsels that an instance has been given, over its scans.
    pub(crate) fn morsels_given(&self, record: &InstanceRecord) -> u64 {
        let of_fragment = self.leases.iter().filter(|((fragment, _), _)| *fragment == record.fragment);
        of_fragment.map(|(_, leases)| leases.given(record.index as usize)).sum()
    }

    /// 0 to 1, over all scans.
    pub(crate) fn progress(&self) -> f64 {
        let is_shared =
            |record: &InstanceRecord| self.leases.keys().any(|(fragment, _)| *fragment == record.fragment);
        let passed: u64 = self.instances.iter().map(|record| record.figures.rows_passed).sum();
        let own: u64 = self
            .instances
            .iter()
            .filter(|record| !is_shared(record))
            .map(|record| record.figures.rows_total)
            .sum();
        match self.rows_shared + own {
            0 => 0.0,
            total => (passed as f64 / total as f64).min(1.0),
        }
    }

    pub(crate) fn memory_bytes(&self) -> u64 {
        self.instances.iter().map(|record| record.figures.memory_bytes).sum()
    }
}

impl InstanceRecord {
    pub(crate) fn new(fragment: FragmentId, index: u32, node: usize) -> Self {
        Self {
            fragment,
            index,
            node,
            state: InstanceState::Running,
            figures: InstanceFigures::default(),
            rows_per_second: 0.0,
            profile: InstanceProfile::default(),
        }
    }

    fn update(&mut self, report: &InstanceReport) {
        let passed_us = report.figures.elapsed_us.saturating_sub(self.figures.elapsed_us);
        let work = |figures: &InstanceFigures| figures.rows_scanned.max(figures.rows_out);
        let rows = work(&report.figures).saturating_sub(work(&self.figures));
        if passed_us > 0 {
            self.rows_per_second = rows as f64 * 1e6 / passed_us as f64;
        }
        self.state = report.state.clone();
        self.figures = report.figures;
        if let Some(profile) = &report.profile {
            self.profile = profile.clone();
        }
    }
}
