//! What pipeline breakers keep between pipelines: specifications only, the runtime owns the contents.

use arrow::datatypes::{DataType, SchemaRef};
use nyala_schema::id::RuntimeFilterId;
use nyala_schema::operator::{AggregateCall, AggregateMode, GuestCall, JoinKind, WindowCall};

use crate::program::Type;

/// Index into `PipelinePlan::states`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct StateId(pub usize);

#[derive(Debug, Clone, PartialEq)]
pub enum StateSpec {
    Join(JoinSpec),
    Aggregate(AggregateSpec),
    Sort(SortSpec),
    Window(WindowSpec),
    Guest(GuestSpec),
    /// Rows kept as they come: build side of a nested-loop join, rows of a materialised part.
    Collect {
        types: Vec<Type>,
    },
    /// Row counter of LIMIT, shared by all workers.
    Limit {
        skip: u64,
        fetch: Option<u64>,
    },
    /// Fails when a second row arrives.
    AtMostOneRow {
        types: Vec<Type>,
    },
}

#[derive(Debug, Clone, PartialEq)]
pub struct JoinSpec {
    pub kind: JoinKind,
    /// Types of the keys, the same on both sides; the build rows' first columns.
    pub key_types: Vec<Type>,
    /// Types of the build columns behind the keys, those that are read later.
    pub payload_types: Vec<Type>,
    pub null_equals_null: bool,
    pub null_aware: bool,
    /// Filters to publish after the build, by key index.
    pub runtime_filters: Vec<(RuntimeFilterId, usize)>,
}

/// Groups, each with a state record for the common aggregates and accumulators for the rest.
/// Result columns: the keys, then one per entry of `results`.
#[derive(Debug, Clone, PartialEq)]
pub struct AggregateSpec {
    pub mode: AggregateMode,
    pub key_types: Vec<Type>,
    /// Bytes that a group's record starts with; its length is the stride, a multiple of 16.
    pub initial: Vec<u8>,
    /// What to do with each field when records of two workers are merged.
    pub fields: Vec<StateField>,
    /// Aggregates of the function library, which keep their own state.
    pub library: Vec<LibraryAggregate>,
    pub results: Vec<AggregateResult>,
}

#[derive(Debug, Clone, PartialEq)]
pub struct StateField {
    pub op: crate::program::StateOp,
    pub offset: u32,
}

/// An aggregate run by DataFusion's accumulators. Its arguments come as columns.
#[derive(Debug, Clone, PartialEq)]
pub struct LibraryAggregate {
    pub call: AggregateCall,
    pub argument_types: Vec<Type>,
    pub order_types: Vec<Type>,
}

/// How a result column is made of a group's state. All types of results are given exactly.
#[derive(Debug, Clone, PartialEq)]
pub enum AggregateResult {
    Count {
        offset: u32,
    },
    /// NULL when the count is 0; NumericOverflow when the i128 does not fit the type.
    SumInteger {
        offset: u32,
        count: u32,
        ty: Type,
    },
    /// The i128 for a `Final` to add up: NULL when the count is 0; its digits may be more than those of the type.
    PartialSum {
        offset: u32,
        count: u32,
        ty: Type,
    },
    SumFloat {
        offset: u32,
        count: u32,
        ty: Type,
    },
    /// `sum / count`; decimals: `sum × 10^(scale of ty − scale) / count`, rounded half away from zero.
    AverageInteger {
        offset: u32,
        count: u32,
        scale: i8,
        ty: Type,
    },
    AverageFloat {
        offset: u32,
        count: u32,
        ty: Type,
    },
    /// Min or max.
    Extreme {
        offset: u32,
        count: u32,
        ty: Type,
    },
    /// Index into `library`.
    Library {
        index: usize,
        ty: Type,
    },
}

/// All columns are kept; `keys` are indices among them.
#[derive(Debug, Clone, PartialEq)]
pub struct SortSpec {
    pub types: Vec<Type>,
    pub keys: Vec<SortColumn>,
    /// Keep only the first rows (TopN).
    pub fetch: Option<u64>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SortColumn {
    pub index: usize,
    pub descending: bool,
    pub nulls_first: bool,
}

/// Rows come in any order with these columns; the result has them and one more per call.
#[derive(Debug, Clone, PartialEq)]
pub struct WindowSpec {
    pub types: Vec<Type>,
    pub partition_by: Vec<usize>,
    pub order_by: Vec<SortColumn>,
    pub calls: Vec<WindowFunction>,
}

/// `call.arguments` and `call.filter` have been computed into these columns.
#[derive(Debug, Clone, PartialEq)]
pub struct WindowFunction {
    pub call: WindowCall,
    pub arguments: Vec<usize>,
    pub filter: Option<usize>,
    pub result: Type,
}

/// A user's operator. The result has the columns `kept` of the first input, then the columns `columns` of those that
/// the operator gives.
#[derive(Debug, Clone, PartialEq)]
pub struct GuestSpec {
    pub call: GuestCall,
    /// As many as the call has.
    pub inputs: Vec<GuestInputSpec>,
    /// Columns of the first input, taken for the rows that the operator says; none unless it extends its input.
    pub kept: Vec<usize>,
    /// Places among all columns that the operator gives.
    pub columns: Vec<usize>,
    /// Of all columns that the operator gives.
    pub types: Vec<Type>,
}

/// Rows come in any order with these columns. Partition keys have the same types in all inputs that have some; an input
/// without goes whole with every partition of the others.
#[derive(Debug, Clone, PartialEq)]
pub struct GuestInputSpec {
    pub types: Vec<Type>,
    pub partition_by: Vec<usize>,
    pub order_by: Vec<SortColumn>,
    /// What the operator is handed: the order keys, the partition keys, then all columns if it reads them; in exact types.
    pub handed: Vec<usize>,
    /// All columns of the input by name, in exact types, for the operator to know.
    pub schema: SchemaRef,
}

impl StateSpec {
    /// The word for it in plans and memory reports.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Join(_) => "join",
            Self::Aggregate(_) => "aggregate",
            Self::Sort(spec) if spec.fetch.is_some() => "topn",
            Self::Sort(_) => "sort",
            Self::Window(_) => "window",
            Self::Guest(_) => "operator",
            Self::Collect { .. } => "collect",
            Self::Limit { .. } => "limit",
            Self::AtMostOneRow { .. } => "at-most-one-row",
        }
    }
}

/// The type that columns of a logical type have inside pipelines when they come from a scan: text as views,
/// decimals of up to 18 digits as `Decimal64`.
pub fn physical_type(data_type: &DataType) -> DataType {
    nyala_schema::scan::physical_type(data_type)
}

/// The columns of a schema as pipeline types.
pub fn physical_types(schema: &SchemaRef) -> Vec<Type> {
    schema.fields().iter().map(|f| Type::new(physical_type(f.data_type()), f.is_nullable())).collect()
}
