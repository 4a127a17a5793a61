//! Pipelines: a source, steps, and a sink, without a breaker between.
//!
//! A *chunk* flows through: columns of one length. A step names chunk columns by position.

use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use nyala_schema::Value;
use nyala_schema::guest::GuestFunction;
use nyala_schema::id::{FragmentId, OperatorId};
use nyala_schema::operator::{JoinKind, UnnestColumn};
use nyala_schema::scan::TableScan;

use crate::program::{Code, Type};
use crate::state::{SortColumn, StateId, StateSpec};

/// All pipelines of a fragment. A pipeline may start when every pipeline that writes a state it reads is done;
/// the list is in an order in which this holds.
#[derive(Debug, Clone, PartialEq)]
pub struct PipelinePlan {
    pub pipelines: Vec<Pipeline>,
    pub states: Vec<State>,
    /// What `Sink::Output` gives: for the client in exact types, for another fragment in those of
    /// [`stream_schema`](crate::stream_schema).
    pub output_schema: SchemaRef,
    pub output: PlanOutput,
}

/// Who gets the rows of `Sink::Output`.
#[derive(Debug, Clone, PartialEq)]
pub enum PlanOutput {
    Client,
    /// The one instance of another fragment.
    Gather,
    /// All instances of another fragment.
    Broadcast,
    /// The instances of another fragment in turns.
    RoundRobin,
    /// The instance that the hash of these columns picks: positions in the list of every `Sink::Output`.
    Hash {
        keys: Vec<usize>,
    },
    /// The instance whose range of a column holds the row: a position in the list of every `Sink::Output`, and the first values of
    /// all ranges but the first one, in the column's type.
    Range {
        key: SortColumn,
        bounds: Vec<Value>,
    },
}

#[derive(Debug, Clone, PartialEq)]
pub struct State {
    pub operator: OperatorId,
    pub spec: StateSpec,
}

#[derive(Debug, Clone, PartialEq)]
pub struct Pipeline {
    pub source: Source,
    pub steps: Vec<Step>,
    pub sink: Sink,
    /// Rows must stay in the source's order: one worker runs it.
    pub ordered: bool,
}

#[derive(Debug, Clone, PartialEq)]
#[allow(clippy::large_enum_variant, reason = "a plan has a handful of sources")]
pub enum Source {
    /// The scan's columns, in their physical types. `filter` is `scan.filters` as code; it reads the scan columns
    /// `inputs` and has no outputs. Columns that it does not need are read only where rows passed.
    Scan {
        operator: OperatorId,
        scan: TableScan,
        filter: Option<Compute>,
    },
    Values {
        operator: OperatorId,
        batch: RecordBatch,
    },
    Series {
        operator: OperatorId,
        start: Value,
        stop: Value,
        step: Value,
        inclusive: bool,
    },
    /// The result rows of a finished aggregate, sort (in order), window, guest or collect state.
    State {
        operator: OperatorId,
        state: StateId,
    },
    /// Build rows of a join that emits them, after the last probe: all payload columns of the state (keys are not
    /// among them), for outer joins behind NULL probe columns of these types; for mark joins with the mark last.
    BuildRows {
        operator: OperatorId,
        state: StateId,
        probe_types: Vec<Type>,
    },
    /// With an `order`, that of each sender's rows, they are merged in it.
    Receive {
        operator: OperatorId,
        from: FragmentId,
        types: Vec<Type>,
        order: Vec<SortColumn>,
    },
}

#[derive(Debug, Clone, PartialEq)]
pub enum Step {
    /// Filter and project.
    Compute {
        operator: OperatorId,
        compute: Compute,
    },
    /// One `Compute` after the other on every chunk, all with as many columns.
    Expand {
        operator: OperatorId,
        variants: Vec<Compute>,
    },
    Probe(Probe),
    NestedLoop(NestedLoop),
    Limit {
        operator: OperatorId,
        state: StateId,
    },
    Unnest {
        operator: OperatorId,
        columns: Vec<UnnestColumn>,
        preserve_nulls: bool,
        types: Vec<Type>,
    },
    TableFunction(TableFunction),
}

/// Gives every row to a user's function. The next chunk: the columns `kept`, then the function's columns `columns`, for
/// each row once for each row that the function gives for it.
#[derive(Debug, Clone, PartialEq)]
pub struct TableFunction {
    pub operator: OperatorId,
    pub function: Arc<GuestFunction>,
    /// Chunk columns, in the exact types of the function's arguments.
    pub arguments: Vec<usize>,
    pub kept: Vec<usize>,
    /// Places among all columns that the function gives.
    pub columns: Vec<usize>,
    /// Of all columns that the function gives.
    pub types: Vec<Type>,
}

/// Runs code on chunk columns. The next chunk: the columns `kept`, then the code's outputs, for the rows that passed.
#[derive(Debug, Clone, PartialEq)]
pub struct Compute {
    pub code: Code,
    pub inputs: Vec<usize>,
    pub kept: Vec<usize>,
}

/// Looks every row up in a hash table. The next chunk: the chunk columns `kept` (where the kind keeps probe columns),
/// the build's payload columns `payload` by index (where it keeps build columns), then the mark of `ProbeMark`.
/// Payload columns are counted in `JoinSpec::payload_types`: 0 is the first behind the keys.
///
/// `BuildSemi`, `BuildAnti` and `BuildMark` give no row here but only from [`Source::BuildRows`]; their probe pipeline
/// ends in a `Keep` of no columns, which receives nothing.
#[derive(Debug, Clone, PartialEq)]
pub struct Probe {
    pub operator: OperatorId,
    pub state: StateId,
    pub kind: JoinKind,
    /// Chunk columns, in the order of `JoinSpec::key_types`.
    pub keys: Vec<usize>,
    /// Reads chunk columns (index below the chunk's width), then payload columns (index − width). Has filters
    /// and no outputs; `kept` is empty.
    pub residual: Option<Compute>,
    pub kept: Vec<usize>,
    pub payload: Vec<usize>,
}

/// Tries every build row of a `Collect` state. Columns as for [`Probe`].
#[derive(Debug, Clone, PartialEq)]
pub struct NestedLoop {
    pub operator: OperatorId,
    pub state: StateId,
    pub kind: JoinKind,
    pub condition: Option<Compute>,
    pub kept: Vec<usize>,
    pub payload: Vec<usize>,
}

#[derive(Debug, Clone, PartialEq)]
pub enum Sink {
    /// To the client or another fragment: these chunk columns, in the types of `output_schema`. Behind those of the schema
    /// stand columns that only pick the receiver: they are not sent.
    Output {
        columns: Vec<usize>,
    },
    Build {
        operator: OperatorId,
        state: StateId,
        keys: Vec<usize>,
        payload: Vec<usize>,
    },
    Aggregate {
        operator: OperatorId,
        state: StateId,
        keys: Vec<usize>,
        update: Option<Compute>,
        library: Vec<LibraryInput>,
    },
    /// Sort, window, guest, collect, at-most-one-row: these chunk columns. Several pipelines may write one state.
    Keep {
        operator: OperatorId,
        state: StateId,
        /// Which of a guest operator's inputs; 0 for all others, who have one.
        input: usize,
        columns: Vec<usize>,
    },
}

/// Chunk columns for one [`LibraryAggregate`](crate::state::LibraryAggregate).
#[derive(Debug, Clone, PartialEq)]
pub struct LibraryInput {
    pub arguments: Vec<usize>,
    pub filter: Option<usize>,
    pub order_by: Vec<usize>,
}
