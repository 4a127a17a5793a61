//! The physical operators of a fragment, as a tree of data.

use std::fmt;
use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::{DataType, SchemaRef};

use crate::expr::{Expr, write_list};
use crate::guest::{Callee, GuestFunction, GuestOperator};
use crate::id::{FragmentId, OperatorId, RuntimeFilterId};
use crate::scan::TableScan;
use crate::value::Value;

/// An operator with its inputs. `schema` is what it produces.
#[derive(Debug, Clone, PartialEq)]
pub struct Operator {
    pub id: OperatorId,
    pub kind: OperatorKind,
    pub inputs: Vec<Operator>,
    pub schema: SchemaRef,
    /// What the planner expects.
    pub rows_estimated: f64,
}

#[derive(Debug, Clone, PartialEq)]
pub enum OperatorKind {
    // Leaves.
    Scan(TableScan),
    /// Constant rows.
    Values(RecordBatch),
    /// `start, start + step, …` as far as `stop` (included if `inclusive`), one column.
    Series {
        start: Value,
        stop: Value,
        step: Value,
        inclusive: bool,
    },
    /// Rows that another fragment sends: as they come, or, where there is an `order` in which each of its instances sends its
    /// own, all in that order. Its keys are columns.
    Receive {
        from: FragmentId,
        order: Vec<SortKey>,
    },

    // One input.
    Filter {
        predicate: Expr,
    },
    Project {
        expressions: Vec<Expr>,
    },
    /// Every input row once per element: grouping sets.
    Expand {
        projections: Vec<Vec<Expr>>,
    },
    /// Output: the keys, then the aggregates.
    Aggregate {
        keys: Vec<Expr>,
        aggregates: Vec<AggregateCall>,
        mode: AggregateMode,
    },
    /// With `fetch` only that many first rows are kept.
    Sort {
        keys: Vec<SortKey>,
        fetch: Option<u64>,
    },
    Limit {
        skip: u64,
        fetch: Option<u64>,
    },
    /// Output: the input's columns, then one column per call. All calls share partitioning and order.
    Window {
        partition_by: Vec<Expr>,
        order_by: Vec<SortKey>,
        calls: Vec<WindowCall>,
    },
    /// Input columns with each list column of `columns` replaced by its elements, a row each.
    Unnest {
        columns: Vec<UnnestColumn>,
        preserve_nulls: bool,
    },
    /// Fails when there is more than one input row (scalar subqueries).
    AtMostOneRow,
    /// Every input row once for each row that the function gives for it: the input's columns, then the function's.
    TableFunction {
        function: Arc<GuestFunction>,
        arguments: Vec<Expr>,
    },
    /// A user's operator over any number of inputs, each cut into partitions and ordered within them. Without
    /// `partition_by` an input is one partition; with several inputs, partitions of equal keys go together. Output: the first
    /// input's columns if the operator hands them on, then its own.
    Guest(GuestCall),

    // Two inputs: the first is probed, the second built.
    HashJoin(HashJoin),
    /// Any condition: every pair of rows is tried. `condition` reads probe columns, then build columns.
    NestedLoopJoin {
        kind: JoinKind,
        condition: Option<Expr>,
    },

    // Any number of inputs of the same types.
    Union,
    /// `WITH RECURSIVE`: the first input seeds, the second is run until it gives no new row; it reads the last
    /// round's rows where it has `RecursionInput`.
    Recursion {
        distinct: bool,
        id: u32,
    },
    RecursionInput {
        id: u32,
    },
}

#[derive(Debug, Clone, PartialEq)]
pub struct GuestCall {
    pub operator: Arc<GuestOperator>,
    /// In the order of the operator's parameters, in their types.
    pub parameters: Vec<Value>,
    /// One for each input.
    pub inputs: Vec<GuestInput>,
}

#[derive(Debug, Clone, PartialEq)]
pub struct GuestInput {
    pub partition_by: Vec<Expr>,
    pub order_by: Vec<SortKey>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnnestColumn {
    /// Column of the input.
    pub index: usize,
    pub depth: u32,
}

/// What a join gives. Columns of both sides: probe, then build, then `mark` where there is one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum JoinKind {
    Inner,
    /// All probe rows are kept; build columns NULL without a match.
    ProbeOuter,
    /// All build rows are kept; probe columns NULL without a match.
    BuildOuter,
    FullOuter,
    /// Probe rows with a match, once. Only probe columns.
    ProbeSemi,
    /// Probe rows without a match. Only probe columns.
    ProbeAnti,
    /// Every probe row and a Boolean: has it a match?
    ProbeMark,
    /// Build rows with a match, once. Only build columns.
    BuildSemi,
    BuildAnti,
    BuildMark,
}

impl JoinKind {
    pub fn keeps_probe_columns(self) -> bool {
        !matches!(self, Self::BuildSemi | Self::BuildAnti | Self::BuildMark)
    }

    pub fn keeps_build_columns(self) -> bool {
        !matches!(self, Self::ProbeSemi | Self::ProbeAnti | Self::ProbeMark)
    }

    /// Whether rows come out of the build side after the last probe.
    pub fn emits_build_rows(self) -> bool {
        matches!(
            self,
            Self::BuildOuter | Self::FullOuter | Self::BuildSemi | Self::BuildAnti | Self::BuildMark
        )
    }
}

#[derive(Debug, Clone, PartialEq)]
pub struct HashJoin {
    pub kind: JoinKind,
    /// Pairs of equal type: over the probe input, over the build input.
    pub keys: Vec<(Expr, Expr)>,
    pub null_equals_null: bool,
    /// What must hold beside the keys; reads probe columns, then build columns.
    pub residual: Option<Expr>,
    /// NOT IN: a NULL among the build keys means no row at all, a NULL probe key is no row. `ProbeAnti` only.
    pub null_aware: bool,
    /// Filters made of build keys, by index in `keys`.
    pub runtime_filters: Vec<(RuntimeFilterId, usize)>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum AggregateMode {
    /// Rows to results.
    Single,
    /// Rows to states, for a `Final` on another node.
    Partial,
    Final,
}

#[derive(Debug, Clone, PartialEq)]
pub struct AggregateCall {
    /// `sum`, `count`, `avg`, `array_agg`, …, or a user's; `count` without arguments counts rows.
    pub function: Callee,
    pub arguments: Vec<Expr>,
    pub distinct: bool,
    pub filter: Option<Expr>,
    pub order_by: Vec<SortKey>,
    pub ignore_nulls: bool,
    pub data_type: DataType,
    pub nullable: bool,
}

#[derive(Debug, Clone, PartialEq)]
pub struct SortKey {
    pub expr: Expr,
    pub descending: bool,
    pub nulls_first: bool,
}

#[derive(Debug, Clone, PartialEq)]
pub struct WindowCall {
    pub function: Callee,
    /// An aggregate used as a window function, or a window function proper.
    pub is_aggregate: bool,
    pub arguments: Vec<Expr>,
    pub frame: WindowFrame,
    pub filter: Option<Expr>,
    pub distinct: bool,
    pub ignore_nulls: bool,
    pub data_type: DataType,
    pub nullable: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum FrameUnits {
    Rows,
    Range,
    Groups,
}

#[derive(Debug, Clone, PartialEq)]
pub struct WindowFrame {
    pub units: FrameUnits,
    pub start: FrameBound,
    pub end: FrameBound,
}

/// A missing distance is UNBOUNDED.
#[derive(Debug, Clone, PartialEq)]
pub enum FrameBound {
    Preceding(Option<Value>),
    CurrentRow,
    Following(Option<Value>),
}

impl Operator {
    /// Calls `visit` with this operator and all below it, parents first.
    pub fn for_each<'a>(&'a self, visit: &mut impl FnMut(&'a Operator)) {
        visit(self);
        self.inputs.iter().for_each(|input| input.for_each(visit));
    }

    fn write_tree(&self, f: &mut fmt::Formatter<'_>, depth: usize) -> fmt::Result {
        writeln!(
            f,
            "{:indent$}{} {} rows≈{}",
            "",
            self.id,
            self.kind,
            rounded(self.rows_estimated),
            indent = depth * 2
        )?;
        self.inputs.iter().try_for_each(|input| input.write_tree(f, depth + 1))
    }
}

/// Row counts in plans: three significant digits are all that an estimate deserves.
fn rounded(rows: f64) -> String {
    if rows < 1000.0 {
        return format!("{rows:.0}");
    }
    let magnitude = 10f64.powi(rows.log10().floor() as i32 - 2);
    format!("{:.0}", (rows / magnitude).round() * magnitude)
}

/// The tree, an operator a line, inputs indented under it.
impl fmt::Display for Operator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.write_tree(f, 0)
    }
}

/// The operator in one line without its inputs.
impl fmt::Display for OperatorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Scan(scan) => write!(f, "{scan}"),
            Self::Values(batch) => write!(f, "Values rows={}", batch.num_rows()),
            Self::Series { start, stop, step, inclusive } => {
                let end = if *inclusive { "]" } else { ")" };
                write!(f, "Series [{start}, {stop}{end} step={step}")
            }
            Self::Receive { from, order } if order.is_empty() => write!(f, "Receive from={from}"),
            Self::Receive { from, order } => write_labelled(f, &format!("Merge from={from}"), order),
            Self::Filter { predicate } => write!(f, "Filter {predicate}"),
            Self::Project { expressions } => write_labelled(f, "Project", expressions),
            Self::Expand { projections } => write!(f, "Expand sets={}", projections.len()),
            Self::Aggregate { keys, aggregates, mode } => {
                write!(f, "Aggregate {mode:?} keys=[")?;
                write_list(f, keys)?;
                f.write_str("] aggregates=[")?;
                write_list(f, aggregates)?;
                f.write_str("]")
            }
            Self::Sort { keys, fetch } => {
                write_labelled(f, if fetch.is_some() { "TopN" } else { "Sort" }, keys)?;
                fetch.map_or(Ok(()), |fetch| write!(f, " fetch={fetch}"))
            }
            Self::Limit { skip, fetch } => {
                f.write_str("Limit")?;
                if *skip > 0 {
                    write!(f, " skip={skip}")?;
                }
                fetch.map_or(Ok(()), |fetch| write!(f, " fetch={fetch}"))
            }
            Self::Window { partition_by, order_by, calls } => {
                f.write_str("Window partition=[")?;
                write_list(f, partition_by)?;
                f.write_str("] order=[")?;
                write_list(f, order_by)?;
                f.write_str("] calls=[")?;
                write_list(f, calls)?;
                f.write_str("]")
            }
            Self::Unnest { columns, .. } => {
                f.write_str("Unnest [")?;
                write_list(f, columns.iter().map(|column| format!("#{}", column.index)))?;
                f.write_str("]")
            }
            Self::AtMostOneRow => f.write_str("AtMostOneRow"),
            Self::TableFunction { function, arguments } => {
                write!(f, "TableFunction {function}(")?;
                write_list(f, arguments)?;
                f.write_str(")")
            }
            Self::Guest(call) => write!(f, "{call}"),
            Self::HashJoin(join) => write!(f, "{join}"),
            Self::NestedLoopJoin { kind, condition } => {
                write!(f, "NestedLoopJoin {kind:?}")?;
                condition.as_ref().map_or(Ok(()), |condition| write!(f, " on {condition}"))
            }
            Self::Union => f.write_str("Union"),
            Self::Recursion { distinct, id } => write!(f, "Recursion r{id} distinct={distinct}"),
            Self::RecursionInput { id } => write!(f, "RecursionInput r{id}"),
        }
    }
}

fn write_labelled<T: fmt::Display>(f: &mut fmt::Formatter<'_>, label: &str, items: &[T]) -> fmt::Result {
    write!(f, "{label} [")?;
    write_list(f, items)?;
    f.write_str("]")
}

impl fmt::Display for TableScan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Scan {} [", self.table)?;
        write_list(f, self.projection.iter().map(|&index| self.table_schema.field(index).name()))?;
        f.write_str("]")?;
        if !self.filters.is_empty() {
            f.write_str(" filters=[")?;
            write_list(f, &self.filters)?;
            f.write_str("]")?;
        }
        for used in &self.runtime_filters {
            write!(f, " {}(#{})", used.filter, used.column)?;
        }
        self.limit.map_or(Ok(()), |limit| write!(f, " limit={limit}"))
    }
}

impl fmt::Display for HashJoin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "HashJoin {:?} keys=[", self.kind)?;
        let equals = if self.null_equals_null { "IS NOT DISTINCT FROM" } else { "=" };
        write_list(f, self.keys.iter().map(|(probe, build)| format!("{probe} {equals} {build}")))?;
        f.write_str("]")?;
        if let Some(residual) = &self.residual {
            write!(f, " residual={residual}")?;
        }
        if self.null_aware {
            f.write_str(" null-aware")?;
        }
        for (filter, key) in &self.runtime_filters {
            write!(f, " makes {filter}(key {key})")?;
        }
        Ok(())
    }
}

impl fmt::Display for GuestCall {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Operator {}(", self.operator)?;
        let parameters = self.operator.parameters.iter().zip(&self.parameters);
        write_list(f, parameters.map(|(parameter, value)| format!("{} => {value}", parameter.name)))?;
        f.write_str(")")?;
        for input in &self.inputs {
            f.write_str(" partition=[")?;
            write_list(f, &input.partition_by)?;
            f.write_str("] order=[")?;
            write_list(f, &input.order_by)?;
            f.write_str("]")?;
        }
        Ok(())
    }
}

impl fmt::Display for AggregateCall {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}({}", self.function, if self.distinct { "DISTINCT " } else { "" })?;
        write_list(f, &self.arguments)?;
        if !self.order_by.is_empty() {
            f.write_str(" ORDER BY ")?;
            write_list(f, &self.order_by)?;
        }
        f.write_str(")")?;
        self.filter.as_ref().map_or(Ok(()), |filter| write!(f, " FILTER {filter}"))
    }
}

impl fmt::Display for SortKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let direction = if self.descending { "DESC" } else { "ASC" };
        let nulls = if self.nulls_first { "FIRST" } else { "LAST" };
        write!(f, "{} {direction} NULLS {nulls}", self.expr)
    }
}

impl fmt::Display for WindowCall {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}(", self.function)?;
        write_list(f, &self.arguments)?;
        write!(f, ") {:?} {}..{}", self.frame.units, self.frame.start, self.frame.end)
    }
}

impl fmt::Display for FrameBound {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Preceding(None) => f.write_str("unbounded preceding"),
            Self::Preceding(Some(distance)) => write!(f, "{distance} preceding"),
            Self::CurrentRow => f.write_str("current row"),
            Self::Following(None) => f.write_str("unbounded following"),
            Self::Following(Some(distance)) => write!(f, "{distance} following"),
        }
    }
}
