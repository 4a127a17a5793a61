//! Choices: where predicates go, in which order relations are joined, which side of a join is kept in memory.
//!
//! Works bottom-up and notes the expected rows in every relation. Maximal [`region`]s of inner joins, filters and semi
//! and anti joins are ordered as a whole; everything else is a border of regions.

mod build;
mod cost;
mod enumerate;
mod graph;
mod guest;
mod implied;
mod join;
mod place;
mod reduce;
mod region;

use nyala_schema::Result;
use nyala_schema::option::Options;

use crate::column::{ColumnId, Columns};
use crate::estimate::{derive, distinct};
use crate::relation::{Aggregate, Expand, Relation, RelationKind};

/// Relations that can be ordered together.
pub const RELATIONS_MAX: usize = 120;

/// Rounds that a recursive query is guessed to take.
const RECURSION_ROUNDS: f64 = 10.0;
const RECURSION_INPUT_ROWS: f64 = 100.0;
const ELEMENTS_PER_LIST: f64 = 4.0;

/// # Errors
/// `TooComplex` for a join of more than [`RELATIONS_MAX`] relations.
pub fn arrange(relation: Relation, columns: &mut Columns, options: &Options) -> Result<Relation> {
    Arranger { columns, options }.arrange(relation)
}

/// What the passes here share.
struct Arranger<'a> {
    columns: &'a mut Columns,
    options: &'a Options,
}

impl Arranger<'_> {
    fn arrange(&mut self, relation: Relation) -> Result<Relation> {
        if region::is_region(&relation) {
            return self.region(relation);
        }
        let (kind, rows) = match relation.kind {
            RelationKind::Scan(scan) => {
                let rows = scan.rows_table;
                (RelationKind::Scan(scan), rows)
            }
            RelationKind::Values { columns, batch } => {
                let rows = batch.num_rows() as f64;
                (RelationKind::Values { columns, batch }, rows)
            }
            kind @ RelationKind::Series { .. } => {
                let rows = series_rows(&kind);
                (kind, rows)
            }
            RelationKind::Filter { input, predicates } => {
                let input = self.arrange(*input)?;
                return Ok(place::above(input, predicates, self.columns));
            }
            RelationKind::Extend { input, definitions } => {
                let input = self.arrange(*input)?;
                return Ok(self.extended(input, definitions));
            }
            RelationKind::Join(join) => return self.join(*join),
            RelationKind::Aggregate(aggregate) => return self.aggregate(*aggregate),
            RelationKind::Expand(expand) => return self.expand(*expand),
            RelationKind::Sort { input, keys, fetch } => {
                let input = self.arrange(*input)?;
                let rows = fetch.map_or(input.rows, |fetch| input.rows.min(fetch as f64));
                (RelationKind::Sort { input: Box::new(input), keys, fetch }, rows)
            }
            RelationKind::Limit { input, skip, fetch } => {
                let input = self.arrange(*input)?;
                return Ok(place::limit(input, skip, fetch));
            }
            RelationKind::Window(mut window) => {
                window.input = self.arrange(window.input)?;
                let rows = window.input.rows;
                (RelationKind::Window(window), rows)
            }
            RelationKind::Unnest(mut unnest) => {
                unnest.input = self.arrange(unnest.input)?;
                let rows = unnest.input.rows * ELEMENTS_PER_LIST;
                (RelationKind::Unnest(unnest), rows)
            }
            RelationKind::TableFunction(call) => return self.table_function(*call),
            RelationKind::Guest(guest) => return self.guest(*guest),
            RelationKind::AtMostOneRow { input } => {
                (RelationKind::AtMostOneRow { input: Box::new(self.arrange(*input)?) }, 1.0)
            }
            RelationKind::Union { columns, branches } => return self.union(columns, branches),
            RelationKind::Recursion(mut recursion) => {
                recursion.seed.0 = self.arrange(recursion.seed.0)?;
                recursion.step.0 = self.arrange(recursion.step.0)?;
                let rows = recursion.seed.0.rows * RECURSION_ROUNDS;
                (RelationKind::Recursion(recursion), rows)
            }
            kind @ RelationKind::RecursionInput { .. } => (kind, RECURSION_INPUT_ROWS),
        };
        Ok(Relation { kind, rows })
    }

    fn extended(&mut self, input: Relation, definitions: Vec<(ColumnId, nyala_schema::Expr)>) -> Relation {
        for (id, expr) in &definitions {
            *self.columns.estimate_mut(*id) = derive::estimate(expr, self.columns);
        }
        let rows = input.rows;
        Relation { rows, ..input.extend(definitions) }
    }

    fn expand(&mut self, mut expand: Expand) -> Result<Relation> {
        expand.input = self.arrange(expand.input)?;
        let rows = expand.input.rows * expand.sets.len() as f64;
        for (id, expr) in &expand.keys {
            *self.columns.estimate_mut(*id) = derive::estimate(expr, self.columns);
        }
        self.columns.estimate_mut(expand.grouping_id).distinct = expand.sets.len() as f64;
        Ok(Relation { kind: RelationKind::Expand(Box::new(expand)), rows })
    }

    fn aggregate(&mut self, mut aggregate: Aggregate) -> Result<Relation> {
        aggregate.input = self.arrange(aggregate.input)?;
        let rows_in = aggregate.input.rows;
        for (id, expr) in &aggregate.keys {
            *self.columns.estimate_mut(*id) = derive::estimate(expr, self.columns);
        }
        let rows = if aggregate.keys.is_empty() {
            1.0
        } else {
            distinct::groups(aggregate.keys.iter().map(|(_, key)| key), rows_in, self.columns)
        };
        for (id, call) in &aggregate.calls {
            *self.columns.estimate_mut(*id) = derive::aggregate(call, rows_in, rows, self.columns);
        }
        // From here on the groups are the rows that these columns come from.
        let origin = aggregate.keys.first().map(|(id, _)| *id);
        for (id, _) in &aggregate.keys {
            let estimate = self.columns.estimate_mut(*id);
            estimate.origin = origin;
            estimate.origin_rows = rows;
            estimate.distinct = estimate.distinct.min(rows);
            estimate.distinct_table = estimate.distinct_table.min(rows);
        }
        Ok(Relation { kind: RelationKind::Aggregate(Box::new(aggregate)), rows })
    }

    fn union(
        &mut self,
        columns: Vec<ColumnId>,
        branches: Vec<(Relation, Vec<ColumnId>)>,
    ) -> Result<Relation> {
        let mut arranged = Vec::with_capacity(branches.len());
        for (branch, ids) in branches {
            arranged.push((self.arrange(branch)?, ids));
        }
        let rows = arranged.iter().map(|(branch, _)| branch.rows).sum();
        for (index, &column) in columns.iter().enumerate() {
            let parts = arranged.iter().map(|(_, ids)| self.columns.estimate(ids[index]));
            let distinct = parts.clone().map(|part| part.distinct).sum();
            let range = parts
                .map(|part| part.range)
                .reduce(|left, right| {
                    left.zip(right).map(|((a, b), (c, d)): ((f64, f64), (f64, f64))| (a.min(c), b.max(d)))
                })
                .flatten();
            let estimate = self.columns.estimate_mut(column);
            estimate.distinct = distinct;
            estimate.distinct_table = distinct;
            estimate.range = range;
            estimate.origin_rows = rows;
        }
        self.columns.share_origin(columns.iter().copied());
        Ok(Relation { kind: RelationKind::Union { columns, branches: arranged }, rows })
    }
}

fn series_rows(kind: &RelationKind) -> f64 {
    let RelationKind::Series { start, stop, step, .. } = kind else { return 0.0 };
    match (start.as_f64(), stop.as_f64(), step.as_f64()) {
        (Some(start), Some(stop), Some(step)) if step != 0.0 => ((stop - start) / step + 1.0).max(0.0),
        _ => RECURSION_INPUT_ROWS,
    }
}
