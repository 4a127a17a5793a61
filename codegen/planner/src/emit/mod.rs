//! Arranged relations as operators, each with only the columns that are needed.

mod guest;
mod join;
mod layout;
mod leaf;
mod runtime_filter;
mod step;

use std::sync::Arc;

use arrow::datatypes::{Field, Schema};
use datafusion_common::DFSchema;
use nyala_schema::id::{OperatorId, RuntimeFilterId};
use nyala_schema::operator::OperatorKind;
use nyala_schema::option::Options;
use nyala_schema::{Operator, Result};

use crate::column::{ColumnId, ColumnSet, Columns};
use crate::relation::{Relation, RelationKind};

pub use layout::Emitted;

/// What becomes of columns that are needed by an operator and not above it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unneeded {
    /// Pipelines drop them where they run.
    Stays,
    /// A projection drops them, so that no exchange moves them.
    Goes,
}

/// The operators of a query. The result has `output` as its columns, under the names of `schema`.
///
/// # Errors
/// `Internal` when a column is read that is not there.
pub fn emit(
    relation: &Relation,
    output: &[ColumnId],
    schema: &DFSchema,
    columns: &Columns,
    options: &Options,
    unneeded: Unneeded,
) -> Result<Operator> {
    let mut emitter = Emitter { columns, options, unneeded, filters_made: 0 };
    let needed = output.iter().copied().collect();
    let emitted = emitter.relation(relation, &needed, &[])?;
    let mut root = emitter.exactly(emitted, output)?.operator;
    let fields = root.schema.fields().iter().zip(schema.fields());
    let named = fields.map(|(field, wanted)| field.as_ref().clone().with_name(wanted.name()));
    root.schema = Arc::new(Schema::new(named.collect::<Vec<Field>>()));
    number(&mut root, &mut 0);
    Ok(root)
}

/// Parents before children, the probe side before the build side.
fn number(operator: &mut Operator, next: &mut u32) {
    operator.id = OperatorId(*next);
    *next += 1;
    operator.inputs.iter_mut().for_each(|input| number(input, next));
}

/// The state of writing one query down.
struct Emitter<'a> {
    columns: &'a Columns,
    options: &'a Options,
    unneeded: Unneeded,
    filters_made: u32,
}

/// A filter that a join above makes and that rows below may be tested with.
#[derive(Debug, Clone, Copy)]
struct Incoming {
    filter: RuntimeFilterId,
    column: ColumnId,
}

impl Emitter<'_> {
    /// Operators that give at least the columns `needed`.
    fn relation(
        &mut self,
        relation: &Relation,
        needed: &ColumnSet,
        incoming: &[Incoming],
    ) -> Result<Emitted> {
        let emitted = self.with_all_columns(relation, needed, incoming)?;
        match self.unneeded {
            Unneeded::Stays => Ok(emitted),
            Unneeded::Goes => self.pruned(emitted, needed),
        }
    }

    fn with_all_columns(
        &mut self,
        relation: &Relation,
        needed: &ColumnSet,
        incoming: &[Incoming],
    ) -> Result<Emitted> {
        let below = self.passed_on(relation, incoming);
        let mut inputs = below.iter();
        let mut next = || inputs.next().map_or(&[][..], |incoming| incoming.as_slice());
        let rows = relation.rows;
        match &relation.kind {
            RelationKind::Scan(scan) => self.scan(scan, needed, incoming, rows),
            RelationKind::Values { columns, batch } => self.values(columns, batch, needed, rows),
            RelationKind::Series { column, start, stop, step, inclusive } => {
                let kind = OperatorKind::Series {
                    start: start.clone(),
                    stop: stop.clone(),
                    step: step.clone(),
                    inclusive: *inclusive,
                };
                Ok(self.leaf(kind, vec![*column], rows))
            }
            RelationKind::Filter { input, predicates } => {
                self.filter(input, predicates, needed, next(), rows)
            }
            RelationKind::Extend { input, definitions } => {
                self.extend(input, definitions, needed, next(), rows)
            }
            RelationKind::Join(join) => {
                let (left, right) = (next(), next());
                self.join(join, needed, left, right, rows)
            }
            RelationKind::Aggregate(aggregate) => self.aggregate(aggregate, needed, next(), rows),
            RelationKind::Expand(expand) => self.expand(expand, needed, next(), rows),
            RelationKind::Sort { input, keys, fetch } => self.sort(input, keys, *fetch, needed, next(), rows),
            RelationKind::Limit { input, skip, fetch } => {
                let input = self.relation(input, needed, next())?;
                Ok(input.above(OperatorKind::Limit { skip: *skip, fetch: *fetch }, rows))
            }
            RelationKind::Window(window) => self.window(window, needed, next(), rows),
            RelationKind::Unnest(unnest) => self.unnest(unnest, needed, next(), rows),
            RelationKind::TableFunction(call) => self.table_function(call, needed, next(), rows),
            RelationKind::Guest(guest) => self.guest(guest, needed, &below, rows),
            RelationKind::AtMostOneRow { input } => {
                let input = self.relation(input, needed, next())?;
                let input = self.pruned(input, needed)?;
                Ok(input.above(OperatorKind::AtMostOneRow, rows))
            }
            RelationKind::Union { columns, branches } => self.union(columns, branches, needed, &below, rows),
            RelationKind::Recursion(recursion) => self.recursion(recursion, rows),
            RelationKind::RecursionInput { id, columns } => {
                Ok(self.leaf(OperatorKind::RecursionInput { id: *id }, columns.clone(), rows))
            }
        }
    }
}
