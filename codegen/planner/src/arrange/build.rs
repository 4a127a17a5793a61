//! The found order as joins.

use std::collections::HashMap;

use nyala_schema::{Error, Expr, Result};

use super::enumerate::{Plans, Split};
use super::graph::{JoinGraph, Mask};
use crate::relation::{Join, LogicalJoin, Relation, RelationKind};

/// How each joined set is made, and its rows.
pub type Splits = HashMap<Mask, (Split, f64)>;

impl JoinGraph {
    /// Joins all leaves.
    ///
    /// # Errors
    /// `Internal` when a set was left without a plan.
    pub fn ordered(mut self, reorder: bool) -> Result<Relation> {
        let all: Mask = (0..self.leaves.len()).fold(0, |mask, leaf| mask | 1 << leaf);
        let splits = Plans::search(&self, all, reorder).splits(all);
        self.join(all, &splits)
    }

    fn join(&mut self, mask: Mask, splits: &Splits) -> Result<Relation> {
        let Some(&(split, rows)) = splits.get(&mask) else { return self.take(mask) };
        let mut join = self.conditions(split);
        join.left = self.join(split.left, splits)?;
        join.right = self.join(split.right, splits)?;
        Ok(Relation { kind: RelationKind::Join(Box::new(join)), rows })
    }

    fn take(&mut self, mask: Mask) -> Result<Relation> {
        let leaf = mask.trailing_zeros() as usize;
        let relation = self.leaves.get_mut(leaf).filter(|_| mask.count_ones() == 1);
        relation
            .and_then(|leaf| leaf.relation.take())
            .ok_or_else(|| Error::internal(format!("no plan to join the relations {mask:b}")))
    }

    /// The join of a split, still without its inputs.
    fn conditions(&mut self, split: Split) -> Join {
        let is_leaf = split.right.count_ones() == 1;
        let leaf = split.right.trailing_zeros() as usize;
        if is_leaf && let Some(reducer) = self.leaves[leaf].reducer.take() {
            return Join {
                kind: if reducer.is_anti { LogicalJoin::Anti } else { LogicalJoin::Semi },
                keys: reducer.keys,
                residual: reducer.residual,
                null_equals_null: reducer.null_equals_null,
                null_aware: reducer.null_aware,
                build: split.build,
                ..empty_join()
            };
        }
        let (left, right) = (split.left, split.right);
        let pairs = self.keys(left, right).into_iter();
        let mut keys: Vec<(Expr, Expr)> =
            pairs.map(|(left, right)| (left.expr.clone(), right.expr.clone())).collect();
        let mut residual = vec![];
        for spanning in self.newly_covered(left, right) {
            match (&spanning.expr, spanning.sides) {
                (Expr::Compare { left: a, right: b, .. }, Some((side, _)))
                    if spanning.splits(left, right) =>
                {
                    let in_order = side & !left == 0;
                    let (a, b) = if in_order { (a, b) } else { (b, a) };
                    keys.push((a.as_ref().clone(), b.as_ref().clone()));
                }
                (expr, _) => residual.push(expr.clone()),
            }
        }
        Join { keys, residual, build: split.build, ..empty_join() }
    }
}

fn empty_join() -> Join {
    let nothing = || Relation::new(RelationKind::Union { columns: vec![], branches: vec![] });
    Join::cross(LogicalJoin::Inner, nothing(), nothing())
}
