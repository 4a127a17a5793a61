//! What a client and a node say to each other: statements, rows, and how far they are.

use std::time::Duration;

use arrow::datatypes::SchemaRef;
use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::cluster::{NodeInfo, QueryId};
use crate::error::Error;

/// Bytes of a statement's text at most: it travels in one message.
pub const SQL_BYTES_MAX: usize = 8 << 20;
/// Bytes of rows in one answer at most.
pub const FETCH_BYTES_MAX: u32 = 4 << 20;
/// A question for rows is answered after this time, whatever the client says.
pub const FETCH_WAIT_MAX: Duration = Duration::from_secs(1);
/// Names of a kind that completion is given at most.
pub const NAMES_MAX: usize = 20_000;

/// A session as the node knows it that has it; drawn at random there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct ClientSession(pub u64);

/// A statement of a session whose rows have not all been fetched; numbered from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct OpenQuery(pub u64);

/// An option and its value, as SET takes them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Setting {
    pub name: String,
    pub value: String,
}

#[derive(Debug, Clone, PartialEq)]
pub enum ClientRequest {
    Open {
        /// Who it says that it is; a certificate that is not good for that is refused.
        user: String,
        /// Set one after the other.
        settings: Vec<Setting>,
        /// Where names without a schema are looked up first; empty for the usual one.
        schema: String,
        /// The session sees the catalog at least as it was then: what the client knows to be done.
        catalog_version_min: u64,
    },
    Execute {
        session: ClientSession,
        /// By which its outcome can be asked for later.
        statement: QueryId,
        sql: String,
    },
    Fetch {
        session: ClientSession,
        query: OpenQuery,
        /// How long the answer may be held back for want of rows; [`FETCH_WAIT_MAX`] is never passed.
        wait: Duration,
        /// At most; [`FETCH_BYTES_MAX`] is never passed.
        bytes_max: u32,
    },
    /// The rest of the rows is not wanted.
    Forget {
        session: ClientSession,
        query: OpenQuery,
    },
    /// Ends what the session runs.
    Cancel {
        session: ClientSession,
    },
    SetOption {
        session: ClientSession,
        setting: Setting,
    },
    /// All options, with their values.
    Options {
        session: ClientSession,
    },
    /// For completion.
    Names {
        session: ClientSession,
    },
    /// Of what the session runs.
    Progress {
        session: ClientSession,
    },
    State {
        session: ClientSession,
    },
    /// What became of a statement that was run under this id, on whatever node. What has not been done by then never will be.
    Outcome {
        statement: QueryId,
    },
    /// Which nodes there are.
    Nodes,
    /// A node is to take no new work, and to leave when the old is done or the time is over.
    Drain {
        node: String,
        within: Duration,
    },
    /// A node that is down is to be forgotten.
    Remove {
        node: String,
    },
    Close {
        session: ClientSession,
    },
}

/// Every answer; `state` is there when the session may have changed.
#[derive(Debug, Clone, PartialEq)]
pub struct ClientResponse {
    pub state: Option<SessionState>,
    pub body: ResponseBody,
}

#[derive(Debug, Clone, PartialEq)]
pub enum ResponseBody {
    Failed(Error),
    /// Nothing has been done: this node takes no work any more, or not yet.
    Elsewhere(Error),
    /// It was done, and there is nothing to say.
    Fine,
    Opened {
        session: ClientSession,
        /// That answers.
        node: Box<NodeInfo>,
    },
    /// A statement without rows.
    Done {
        tag: String,
    },
    /// A statement with rows, to be fetched.
    Rows {
        query: OpenQuery,
        schema: SchemaRef,
    },
    Fetched {
        /// A piece of an Arrow IPC stream, cut anywhere.
        bytes: Bytes,
        progress: StatementProgress,
        end: FetchEnd,
    },
    Options(Vec<Setting>),
    Names(Names),
    /// `None` when nothing runs of which it could be told.
    Progress(Option<StatementProgress>),
    Outcome(StatementOutcome),
    Nodes(Vec<NodeInfo>),
}

/// Whether more rows come.
#[derive(Debug, Clone, PartialEq)]
pub enum FetchEnd {
    More,
    Over(StatementSummary),
    Failed(Error),
}

/// What the client keeps to go on elsewhere.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SessionState {
    pub transaction: TransactionState,
    /// Whether the open transaction would lose something if it were rolled back.
    pub has_changes: bool,
    /// Where names without a schema are looked up first.
    pub schema: String,
    /// Of the catalog as far as the session has seen or changed it.
    pub catalog_version: u64,
    /// Options that are not as this node has them for new sessions.
    pub settings: Vec<Setting>,
}

/// What a prompt shows of a session's transaction.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum TransactionState {
    #[default]
    None,
    Open,
    /// Only ROLLBACK goes on.
    Failed,
}

/// What became of a statement whose answer was lost.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StatementOutcome {
    /// It has changed the catalog, which has this version by it.
    Done {
        catalog_version: u64,
    },
    Refused(Error),
    /// It has not changed anything and never will.
    Never,
}

/// What completion offers.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Names {
    pub tables: Vec<String>,
    /// Pairs of table and column.
    pub columns: Vec<(String, String)>,
    pub functions: Vec<String>,
    pub keywords: Vec<String>,
}

/// How far a running statement is, over all nodes.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct StatementProgress {
    /// Part of all scan ranges that are done, 0 to 1.
    pub fraction: f64,
    pub rows_scanned: u64,
    pub bytes_read: u64,
    pub memory_bytes: u64,
    /// In the order of the plan; none where a query runs in one process.
    pub fragments: Vec<FragmentProgress>,
}

/// How far a fragment is, over all its instances.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct FragmentProgress {
    pub fragment: u32,
    pub instances: u32,
    /// That have ended.
    pub instances_done: u32,
    /// That it has given so far.
    pub rows: u64,
    pub rows_per_second: f64,
    pub memory_bytes: u64,
    pub spilled_bytes: u64,
    pub sent_bytes: u64,
}

/// What a statement took.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct StatementSummary {
    pub rows: u64,
    pub elapsed: Duration,
    /// SQL text to fragments.
    pub planning: Duration,
    /// Sum over the programs that were compiled, on compiler threads.
    pub compiling: Duration,
    pub bytes_read: u64,
    pub peak_memory_bytes: u64,
    /// `interpreter`, `native`, `wasm`, or `mixed` when some batches ran before the code was ready.
    pub backend: String,
}
