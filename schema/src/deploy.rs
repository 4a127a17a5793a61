//! What travels between the coordinator of a query and the nodes that run it.

use std::fmt;

use bytes::Bytes;

use crate::cluster::{Attempt, InstanceId, Peer, QueryId};
use crate::error::Error;
use crate::id::{FragmentId, OperatorId, RuntimeFilterId};
use crate::option::Options;

/// All that a node is to run of an attempt, in one message.
#[derive(Debug, Clone, PartialEq)]
pub struct Deploy {
    pub attempt: Attempt,
    pub coordinator: Peer,
    /// Of the coordinator's node: what an earlier run of it deployed is worth nothing.
    pub incarnation: u64,
    pub options: Options,
    /// Nodes that take part; [`InstancePlaces`] counts in this list.
    pub peers: Vec<Peer>,
    /// Of every fragment of the query, whether or not this node has an instance of it.
    pub places: Vec<InstancePlaces>,
    /// What this node runs.
    pub instances: Vec<DeployedInstance>,
    /// What the instances' scans begin with. A scan that is not named reads everything.
    pub leases: Vec<Lease>,
    /// Filters that other fragments' joins make for scans of this node.
    pub filters: Vec<AwaitedFilter>,
    /// Filters made by joins of this node that other fragments want.
    pub wanted_filters: Vec<RuntimeFilterId>,
}

/// Where the instances of a fragment are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InstancePlaces {
    pub fragment: FragmentId,
    /// The node of each instance, in the order of their indices.
    pub nodes: Vec<u32>,
}

/// An instance to run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeployedInstance {
    /// Among the instances of the fragment.
    pub index: u32,
    /// In wire form: decoded by itself, so that what cannot be decoded fails one query.
    pub fragment: Bytes,
}

/// Parts of a scan that one instance is to read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lease {
    pub fragment: FragmentId,
    pub scan: OperatorId,
    /// Positions among the scanner's morsels.
    pub morsels: Vec<u32>,
    /// No more will be given.
    pub is_last: bool,
}

/// A filter that a scan may wait for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AwaitedFilter {
    pub fragment: FragmentId,
    pub scan: OperatorId,
    pub filter: RuntimeFilterId,
    /// How long the scan waits, from its start; 0 when waiting does not pay.
    pub wait_ms: u32,
}

/// What a node tells a coordinator of all its instances, at once.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Report {
    pub instances: Vec<InstanceReport>,
    pub filters: Vec<MadeFilter>,
    pub requests: Vec<MorselRequest>,
}

#[derive(Debug, Clone, PartialEq)]
pub struct InstanceReport {
    pub instance: InstanceId,
    pub state: InstanceState,
    pub figures: InstanceFigures,
    /// With the last report of an instance.
    pub profile: Option<InstanceProfile>,
}

#[derive(Debug, Clone, PartialEq)]
pub enum InstanceState {
    Running,
    Finished,
    Failed(Error),
}

impl fmt::Display for InstanceState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Running => "running",
            Self::Finished => "finished",
            Self::Failed(_) => "failed",
        })
    }
}

/// Counts of an instance so far.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct InstanceFigures {
    pub rows_scanned: u64,
    /// Rows of scanned parts that are done, pruned ones included.
    pub rows_passed: u64,
    /// Rows of the parts that the instance has been given to scan.
    pub rows_total: u64,
    pub rows_out: u64,
    pub bytes_out: u64,
    pub bytes_read: u64,
    pub memory_bytes: u64,
    pub memory_peak_bytes: u64,
    pub elapsed_us: u64,
    /// Morsels taken by the instance's scans.
    pub morsels_taken: u64,
}

/// What an instance took, for people.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct InstanceProfile {
    pub operators: Vec<OperatorFigures>,
    pub programs: Vec<ProgramFigures>,
    pub compiling_us: u64,
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct OperatorFigures {
    pub operator: u32,
    pub name: String,
    pub rows_in: u64,
    pub rows_out: u64,
    pub rows_built: u64,
    pub time_us: u64,
    pub peak_memory_bytes: u64,
    pub bytes_read: u64,
    pub morsels: u64,
    pub morsels_pruned: u64,
    pub rows_filtered: u64,
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ProgramFigures {
    pub operator: u32,
    pub backend: String,
    pub statements: u64,
    pub batches: u64,
    pub rows: u64,
    pub compiling_us: u64,
    pub switched_at: Option<u64>,
}

/// One instance's part of a filter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MadeFilter {
    pub instance: InstanceId,
    pub filter: RuntimeFilterId,
    pub bytes: Bytes,
}

/// An instance's scan runs dry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MorselRequest {
    pub instance: InstanceId,
    pub scan: OperatorId,
    /// Counts an instance's requests for the scan from 1: one that is made again gets the same answer.
    pub number: u32,
}

/// What a coordinator answers a report with.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ReportAnswer {
    pub leases: Vec<(MorselRequest, Lease)>,
    /// Attempts that the coordinator does not run, or not any more: to be given up.
    pub unknown: Vec<Attempt>,
}

/// A request to `Service::QUERY`.
#[derive(Debug, Clone, PartialEq)]
pub enum QueryMessage {
    Deploy(Box<Deploy>),
    Cancel {
        attempt: Attempt,
        reason: Error,
    },
    Report(Report),
    /// A merged filter for the scans of an attempt; no bytes keep every row.
    Filter {
        attempt: Attempt,
        filter: RuntimeFilterId,
        bytes: Bytes,
    },
    /// What this coordinator runs and ran.
    List,
    Kill {
        query: QueryId,
        reason: Error,
    },
    Profile {
        query: QueryId,
    },
}

#[derive(Debug, Clone, PartialEq)]
pub enum QueryAnswer {
    Done,
    /// What was asked cannot be done here; the node is well.
    Refused(Error),
    Report(ReportAnswer),
    Queries(Vec<QueryStatus>),
    /// Whether there was such a query.
    Known(bool),
    Text(Option<String>),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum QueryState {
    /// Waits for admission.
    Queued,
    Running,
    Finished,
    Failed,
    Cancelled,
}

impl QueryState {
    pub fn is_over(self) -> bool {
        match self {
            Self::Queued | Self::Running => false,
            Self::Finished | Self::Failed | Self::Cancelled => true,
        }
    }
}

impl fmt::Display for QueryState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Queued => "queued",
            Self::Running => "running",
            Self::Finished => "finished",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
        })
    }
}

/// A query as its coordinator sees it.
#[derive(Debug, Clone, PartialEq)]
pub struct QueryStatus {
    pub id: QueryId,
    pub state: QueryState,
    pub user: String,
    pub pool: String,
    /// Shortened.
    pub sql: String,
    pub coordinator: Peer,
    /// Milliseconds since 1970.
    pub started_ms: u64,
    pub elapsed_ms: u64,
    /// Given to the client.
    pub rows: u64,
    /// Held now, on all nodes.
    pub memory_bytes: u64,
    pub attempts: u32,
    /// 0 to 1.
    pub progress: f64,
    pub error: Option<Error>,
    pub instances: Vec<InstanceStatus>,
}

#[derive(Debug, Clone, PartialEq)]
pub struct InstanceStatus {
    pub fragment: FragmentId,
    pub index: u32,
    pub node: Peer,
    pub state: InstanceState,
    pub rows: u64,
    pub rows_per_second: f64,
    pub memory_bytes: u64,
    pub bytes_sent: u64,
    pub morsels_done: u64,
    /// Given to this instance so far.
    pub morsels_total: u64,
}

/// What a query needs to be admitted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AdmissionAsk {
    pub query: QueryId,
    pub pool: String,
    pub user: String,
    pub memory_bytes: u64,
    /// Since it first asked, so that a new controller knows who was first.
    pub waited_ms: u64,
}

/// A request to `Service::ADMISSION`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AdmissionMessage {
    /// Answered when it is decided, or after some seconds with `Queued`; to be asked again then.
    Ask(AdmissionAsk),
    /// All that the sender runs: leases go on, and those that the controller does not know are made.
    Renew { running: Vec<AdmissionAsk> },
    /// Runs, or waits, no more.
    Release { query: QueryId },
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AdmissionAnswer {
    Done,
    Admitted,
    Queued,
    Refused(Error),
    /// This node does not lead.
    NotController,
}
