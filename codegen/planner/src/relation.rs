//! The algebra between the logical plan and the operators: trees over numbered columns.

use std::sync::Arc;

use arrow::array::RecordBatch;
use nyala_schema::guest::{GuestFunction, GuestOperator, OperatorOutput};
use nyala_schema::lookup::ResolvedTable;
use nyala_schema::operator::{AggregateCall, SortKey, WindowCall};
use nyala_schema::{Expr, Value};

use crate::column::{ColumnId, ColumnSet};

/// A relation. Expressions in it read columns of its inputs by [`ColumnId`].
#[derive(Debug, Clone)]
pub struct Relation {
    pub kind: RelationKind,
    /// Expected rows; meaningful once the relation has been arranged.
    pub rows: f64,
}

#[derive(Debug, Clone)]
pub enum RelationKind {
    Scan(Scan),
    /// Constant rows; `columns` are the batch's.
    Values {
        columns: Vec<ColumnId>,
        batch: RecordBatch,
    },
    Series {
        column: ColumnId,
        start: Value,
        stop: Value,
        step: Value,
        inclusive: bool,
    },
    /// Rows for which all of `predicates` hold.
    Filter {
        input: Box<Relation>,
        predicates: Vec<Expr>,
    },
    /// The input's columns and these computed ones. A definition that is a plain column makes a copy.
    Extend {
        input: Box<Relation>,
        definitions: Vec<(ColumnId, Expr)>,
    },
    Join(Box<Join>),
    Aggregate(Box<Aggregate>),
    Expand(Box<Expand>),
    Sort {
        input: Box<Relation>,
        keys: Vec<SortKey>,
        fetch: Option<u64>,
    },
    Limit {
        input: Box<Relation>,
        skip: u64,
        fetch: Option<u64>,
    },
    Window(Box<Window>),
    Unnest(Box<Unnest>),
    AtMostOneRow {
        input: Box<Relation>,
    },
    TableFunction(Box<TableFunction>),
    Guest(Box<Guest>),
    /// All rows of all inputs; `branches[i].1[j]` is the input's column for `columns[j]`.
    Union {
        columns: Vec<ColumnId>,
        branches: Vec<(Relation, Vec<ColumnId>)>,
    },
    Recursion(Box<Recursion>),
    RecursionInput {
        id: u32,
        columns: Vec<ColumnId>,
    },
}

#[derive(Debug, Clone)]
pub struct Scan {
    pub table: Arc<ResolvedTable>,
    /// Number here, and position in the table.
    pub columns: Vec<(ColumnId, usize)>,
    pub filters: Vec<Expr>,
    pub limit: Option<u64>,
    /// Rows of the table.
    pub rows_table: f64,
}

/// Right joins are left joins with their inputs exchanged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogicalJoin {
    Inner,
    Left,
    Full,
    /// Left rows with a match, once.
    Semi,
    /// Left rows without a match.
    Anti,
    /// All left rows and whether there is a match.
    Mark,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    Left,
    Right,
}

#[derive(Debug, Clone)]
pub struct Join {
    pub kind: LogicalJoin,
    pub left: Relation,
    pub right: Relation,
    /// Pairs of equal type: over the left, over the right.
    pub keys: Vec<(Expr, Expr)>,
    pub residual: Vec<Expr>,
    pub null_equals_null: bool,
    pub null_aware: bool,
    /// For `Mark`.
    pub mark: Option<ColumnId>,
    /// Which side is kept in memory; chosen when the join is arranged.
    pub build: Side,
}

/// Without keys the result is one row.
#[derive(Debug, Clone)]
pub struct Aggregate {
    pub input: Relation,
    /// A key that is a plain column keeps its number.
    pub keys: Vec<(ColumnId, Expr)>,
    pub calls: Vec<(ColumnId, AggregateCall)>,
}

/// Every input row once per grouping set, with the keys that the set lacks NULL.
#[derive(Debug, Clone)]
pub struct Expand {
    pub input: Relation,
    pub keys: Vec<(ColumnId, Expr)>,
    pub grouping_id: ColumnId,
    pub sets: Vec<GroupingSet>,
}

#[derive(Debug, Clone)]
pub struct GroupingSet {
    /// Aligned with [`Expand::keys`].
    pub present: Vec<bool>,
    pub id: Value,
}

#[derive(Debug, Clone)]
pub struct Window {
    pub input: Relation,
    pub partition_by: Vec<Expr>,
    pub order_by: Vec<SortKey>,
    pub calls: Vec<(ColumnId, WindowCall)>,
}

#[derive(Debug, Clone)]
pub struct Unnest {
    pub input: Relation,
    pub columns: Vec<UnnestList>,
    pub preserve_nulls: bool,
}

/// `list` is used by nothing else: it is replaced by `element`.
#[derive(Debug, Clone)]
pub struct UnnestList {
    pub list: ColumnId,
    pub element: ColumnId,
    pub depth: u32,
}

/// Every input row once for each row that the function gives for it: the input's columns and `columns`.
#[derive(Debug, Clone)]
pub struct TableFunction {
    pub input: Relation,
    pub function: Arc<GuestFunction>,
    pub arguments: Vec<Expr>,
    pub columns: Vec<ColumnId>,
}

/// A user's operator.
#[derive(Debug, Clone)]
pub struct Guest {
    pub operator: Arc<GuestOperator>,
    pub parameters: Vec<Value>,
    pub inputs: Vec<GuestTable>,
    /// Columns that are made here: for each of the first input's where rows are like the input's, then the operator's own.
    /// Where it extends its input, those of the first input keep their numbers and are handed on beside these.
    pub columns: Vec<ColumnId>,
}

#[derive(Debug, Clone)]
pub struct GuestTable {
    pub relation: Relation,
    /// In the order in which the operator knows them.
    pub columns: Vec<ColumnId>,
    pub partition_by: Vec<Expr>,
    pub order_by: Vec<SortKey>,
}

impl Guest {
    /// Whether the first input's columns are handed on unchanged.
    pub fn extends_input(&self) -> bool {
        match &self.operator.output {
            OperatorOutput::Extends(_) => true,
            OperatorOutput::Columns(_) | OperatorOutput::LikeInput(_) => false,
        }
    }
}

#[derive(Debug, Clone)]
pub struct Recursion {
    pub id: u32,
    pub distinct: bool,
    pub columns: Vec<ColumnId>,
    pub seed: (Relation, Vec<ColumnId>),
    pub step: (Relation, Vec<ColumnId>),
}

impl Relation {
    pub fn new(kind: RelationKind) -> Self {
        Self { kind, rows: 0.0 }
    }

    pub fn filter(self, predicates: Vec<Expr>) -> Self {
        if predicates.is_empty() {
            return self;
        }
        Self::new(RelationKind::Filter { input: Box::new(self), predicates })
    }

    pub fn extend(self, definitions: Vec<(ColumnId, Expr)>) -> Self {
        if definitions.is_empty() {
            return self;
        }
        Self::new(RelationKind::Extend { input: Box::new(self), definitions })
    }

    /// The relations that this one reads.
    pub fn inputs(&self) -> Vec<&Relation> {
        match &self.kind {
            RelationKind::Scan(_)
            | RelationKind::Values { .. }
            | RelationKind::Series { .. }
            | RelationKind::RecursionInput { .. } => vec![],
            RelationKind::Filter { input, .. }
            | RelationKind::Extend { input, .. }
            | RelationKind::Sort { input, .. }
            | RelationKind::Limit { input, .. }
            | RelationKind::AtMostOneRow { input } => vec![input],
            RelationKind::Join(join) => vec![&join.left, &join.right],
            RelationKind::Aggregate(aggregate) => vec![&aggregate.input],
            RelationKind::Expand(expand) => vec![&expand.input],
            RelationKind::Window(window) => vec![&window.input],
            RelationKind::Unnest(unnest) => vec![&unnest.input],
            RelationKind::TableFunction(call) => vec![&call.input],
            RelationKind::Guest(guest) => guest.inputs.iter().map(|table| &table.relation).collect(),
            RelationKind::Union { branches, .. } => branches.iter().map(|(input, _)| input).collect(),
            RelationKind::Recursion(recursion) => vec![&recursion.seed.0, &recursion.step.0],
        }
    }

    /// Adds the columns that this relation hands out.
    pub fn collect_columns(&self, set: &mut ColumnSet) {
        match &self.kind {
            RelationKind::Scan(scan) => set.extend(scan.columns.iter().map(|(id, _)| *id)),
            RelationKind::Values { columns, .. }
            | RelationKind::Union { columns, .. }
            | RelationKind::RecursionInput { columns, .. } => set.extend(columns.iter().copied()),
            RelationKind::Series { column, .. } => set.insert(*column),
            RelationKind::Filter { input, .. }
            | RelationKind::Sort { input, .. }
            | RelationKind::Limit { input, .. }
            | RelationKind::AtMostOneRow { input } => input.collect_columns(set),
            RelationKind::Extend { input, definitions } => {
                input.collect_columns(set);
                set.extend(definitions.iter().map(|(id, _)| *id));
            }
            RelationKind::Join(join) => {
                join.left.collect_columns(set);
                match join.kind {
                    LogicalJoin::Inner | LogicalJoin::Left | LogicalJoin::Full => {
                        join.right.collect_columns(set);
                    }
                    LogicalJoin::Semi | LogicalJoin::Anti | LogicalJoin::Mark => set.extend(join.mark),
                }
            }
            RelationKind::Aggregate(aggregate) => {
                set.extend(aggregate.keys.iter().map(|(id, _)| *id));
                set.extend(aggregate.calls.iter().map(|(id, _)| *id));
            }
            RelationKind::Expand(expand) => {
                expand.input.collect_columns(set);
                set.extend(expand.keys.iter().map(|(id, _)| *id));
                set.insert(expand.grouping_id);
            }
            RelationKind::Window(window) => {
                window.input.collect_columns(set);
                set.extend(window.calls.iter().map(|(id, _)| *id));
            }
            RelationKind::Unnest(unnest) => {
                unnest.input.collect_columns(set);
                for list in &unnest.columns {
                    set.remove(list.list);
                    set.insert(list.element);
                }
            }
            RelationKind::TableFunction(call) => {
                call.input.collect_columns(set);
                set.extend(call.columns.iter().copied());
            }
            RelationKind::Guest(guest) => {
                if guest.extends_input() {
                    guest.inputs[0].relation.collect_columns(set);
                }
                set.extend(guest.columns.iter().copied());
            }
            RelationKind::Recursion(recursion) => set.extend(recursion.columns.iter().copied()),
        }
    }

    pub fn columns(&self) -> ColumnSet {
        let mut set = ColumnSet::default();
        self.collect_columns(&mut set);
        set
    }

    /// Whether there is always exactly one row, whatever the data.
    pub fn is_one_row(&self) -> bool {
        match &self.kind {
            RelationKind::Aggregate(aggregate) => aggregate.keys.is_empty(),
            RelationKind::Values { batch, .. } => batch.num_rows() == 1,
            RelationKind::Extend { input, .. }
            | RelationKind::AtMostOneRow { input }
            | RelationKind::Sort { input, fetch: None, .. } => input.is_one_row(),
            RelationKind::Window(window) => window.input.is_one_row(),
            RelationKind::Join(join) => {
                let is_cross =
                    join.kind == LogicalJoin::Inner && join.keys.is_empty() && join.residual.is_empty();
                is_cross && join.left.is_one_row() && join.right.is_one_row()
            }
            _ => false,
        }
    }
}

/// Whether two evaluations on the same row may differ.
pub fn is_volatile(expr: &Expr) -> bool {
    use nyala_schema::expr::Volatility;
    matches!(expr, Expr::Call { volatility: Volatility::Volatile, .. })
        || expr.children().into_iter().any(is_volatile)
}
