//! The search for a cheap order of joins.
//!
//! Up to [`EXHAUSTIVE_MAX`] relations all orders without cross products are tried, bushy ones included, by DPccp
//! (Moerkotte and Neumann, VLDB 2006); beyond that the cheapest pair is joined first, again and again (GOO, Fegaras 1998).
//! Semi and anti joins take part as relations that may only be joined alone, onto a set that has what they need.

use std::collections::HashMap;

use super::build::Splits;
use super::cost::{self, Choice, Input};
use super::graph::{JoinGraph, Mask, bits};
use crate::relation::Side;

const EXHAUSTIVE_MAX: usize = 12;

/// The best known way to join a set of leaves.
#[derive(Debug, Clone, Copy)]
struct Entry {
    rows: f64,
    width: f64,
    cost: f64,
    /// Not for single leaves.
    split: Option<Split>,
}

/// `right` may be a reducer, `left` never.
#[derive(Debug, Clone, Copy)]
pub struct Split {
    pub left: Mask,
    pub right: Mask,
    pub build: Side,
}

/// All sets for which a way is known.
pub struct Plans<'a> {
    graph: &'a JoinGraph,
    entries: HashMap<Mask, Entry>,
}

impl<'a> Plans<'a> {
    /// A plan for the set of all leaves, and for sets on the way there.
    pub fn search(graph: &'a JoinGraph, all: Mask, reorder: bool) -> Self {
        let mut plans = Self { graph, entries: HashMap::new() };
        for (index, leaf) in graph.leaves.iter().enumerate() {
            let entry = Entry { rows: leaf.rows, width: leaf.width, cost: 0.0, split: None };
            plans.entries.insert(1 << index, entry);
        }
        if !reorder {
            plans.as_written();
            return plans;
        }
        let mut parts = vec![];
        for component in components(graph) {
            if component.count_ones() as usize <= EXHAUSTIVE_MAX {
                plans.exhaustive(component);
                parts.push(component);
            } else {
                parts.extend(plans.greedy(bits(component).map(|leaf| 1 << leaf).collect()));
            }
        }
        plans.cross(parts);
        if !plans.entries.contains_key(&all) {
            plans.as_written();
        }
        plans
    }

    /// How `all` is made.
    pub fn splits(&self, all: Mask) -> Splits {
        let mut splits = Splits::new();
        let mut open = vec![all];
        while let Some(mask) = open.pop() {
            let Some(Entry { rows, split: Some(split), .. }) = self.entries.get(&mask) else { continue };
            splits.insert(mask, (*split, *rows));
            open.extend([split.left, split.right]);
        }
        splits
    }

    /// Notes a join of two sets, if it is possible and cheaper than what is known.
    fn consider(&mut self, left: Mask, right: Mask) {
        let (Some(a), Some(b)) = (self.entries.get(&left), self.entries.get(&right)) else { return };
        if self.reducer(left).is_some() {
            if self.reducer(right).is_none() {
                self.consider(right, left);
            }
            return;
        }
        let whole = left | right;
        let known = self.entries.get(&whole);
        let Some((rows, width, choice)) = self.joined((left, a), (right, b), known) else { return };
        let cost = a.cost + b.cost + choice.cost;
        if known.is_none_or(|known| cost < known.cost) {
            let split = Some(Split { left, right, build: choice.build });
            self.entries.insert(whole, Entry { rows, width, cost, split });
        }
    }

    /// Rows, width and cost of a join; rows are those of the set if it is known, whichever way it is reached.
    fn joined(
        &self,
        (left, a): (Mask, &Entry),
        (right, b): (Mask, &Entry),
        known: Option<&Entry>,
    ) -> Option<(f64, f64, Choice)> {
        let inputs = (Input { rows: a.rows, width: a.width }, Input { rows: b.rows, width: b.width });
        if let Some(reducer) = self.reducer(right) {
            if reducer.needs & !left != 0 {
                return None;
            }
            let rows = known.map_or((a.rows * reducer.fraction).max(1.0), |known| known.rows);
            let has_keys = !reducer.keys.is_empty();
            let mut choice = cost::cheaper(inputs.0, inputs.1, rows, has_keys);
            if reducer.null_aware && choice.build == Side::Left {
                choice = Choice { build: Side::Right, cost: cost::hash_join(inputs.0, inputs.1, rows) };
            }
            return Some((rows, a.width, choice));
        }
        let (fraction, has_keys) = self.graph.join_fraction(left, right);
        let rows = known.map_or((a.rows * b.rows * fraction).max(1.0), |known| known.rows);
        let choice = cost::cheaper(inputs.0, inputs.1, rows, has_keys);
        Some((rows, a.width + b.width, choice))
    }

    fn reducer(&self, mask: Mask) -> Option<&'a super::graph::ReducerLeaf> {
        if mask.count_ones() != 1 {
            return None;
        }
        self.graph.leaves[mask.trailing_zeros() as usize].reducer.as_ref()
    }

    fn exhaustive(&mut self, component: Mask) {
        for leaf in bits(component).collect::<Vec<_>>().into_iter().rev() {
            let start = 1 << leaf;
            self.complements(start, component);
            self.grow(start, up_to(leaf), component);
        }
    }

    /// Connected supersets of `set` that avoid `excluded`, each with its complements.
    fn grow(&mut self, set: Mask, excluded: Mask, component: Mask) {
        let around = self.around(set) & component & !excluded;
        for part in subsets(around) {
            self.complements(set | part, component);
        }
        for part in subsets(around) {
            self.grow(set | part, excluded | around, component);
        }
    }

    /// Connected sets next to `set` whose lowest leaf is above that of `set`, so that every pair is met once.
    fn complements(&mut self, set: Mask, component: Mask) {
        let excluded = up_to(set.trailing_zeros() as usize) | set;
        let around = self.around(set) & component & !excluded;
        for leaf in bits(around).collect::<Vec<_>>().into_iter().rev() {
            self.consider(set, 1 << leaf);
            self.grow_complement(set, 1 << leaf, excluded | (up_to(leaf) & around), component);
        }
    }

    fn grow_complement(&mut self, set: Mask, other: Mask, excluded: Mask, component: Mask) {
        let around = self.around(other) & component & !excluded;
        for part in subsets(around) {
            self.consider(set, other | part);
        }
        for part in subsets(around) {
            self.grow_complement(set, other | part, excluded | around, component);
        }
    }

    fn around(&self, set: Mask) -> Mask {
        bits(set).fold(0, |mask, leaf| mask | self.graph.neighbours[leaf]) & !set
    }

    /// Joins the two sets with the fewest resulting rows until no connected ones are left.
    fn greedy(&mut self, mut sets: Vec<Mask>) -> Vec<Mask> {
        let mut pairs: Vec<(Mask, Mask, f64)> = vec![];
        let mut fresh: Vec<Mask> = sets.clone();
        loop {
            for &new in &fresh {
                for &old in &sets {
                    let met_before = fresh.contains(&old) && old > new;
                    if old == new || met_before || self.around(old) & new == 0 {
                        continue;
                    }
                    self.consider(old, new);
                    if let Some(entry) = self.entries.get(&(old | new)) {
                        pairs.push((old, new, entry.rows));
                    }
                }
            }
            let cheapest = pairs.iter().min_by(|a, b| a.2.total_cmp(&b.2));
            let Some(&(a, b, _)) = cheapest else { return sets };
            sets.retain(|&set| set != a && set != b);
            pairs.retain(|&(left, right, _)| [left, right].iter().all(|&set| set != a && set != b));
            sets.push(a | b);
            fresh = vec![a | b];
        }
    }

    /// Joins sets that nothing connects, small ones first; reducers last.
    fn cross(&mut self, mut parts: Vec<Mask>) {
        parts.sort_by(|&a, &b| {
            let rows = |mask: Mask| self.entries.get(&mask).map_or(f64::INFINITY, |entry| entry.rows);
            let is_reducer = |mask: Mask| self.reducer(mask).is_some();
            is_reducer(a).cmp(&is_reducer(b)).then(rows(a).total_cmp(&rows(b)))
        });
        parts.into_iter().reduce(|left, right| {
            self.consider(left, right);
            left | right
        });
    }

    /// Joins in the order of the query, but no cross product before it must be.
    fn as_written(&mut self) {
        let mut open: Vec<Mask> = (0..self.graph.leaves.len()).map(|leaf| 1 << leaf).collect();
        let mut done = open.remove(0);
        while !open.is_empty() {
            let is_possible =
                |set: &Mask| self.reducer(*set).is_none_or(|reducer| reducer.needs & !done == 0);
            let near = open.iter().position(|set| is_possible(set) && self.around(done) & set != 0);
            let index = near.or_else(|| open.iter().position(is_possible)).unwrap_or(0);
            let next = open.remove(index);
            self.consider(done, next);
            done |= next;
        }
    }
}

/// Leaves `0..=leaf`.
fn up_to(leaf: usize) -> Mask {
    (1 << leaf) | ((1 << leaf) - 1)
}

/// All non-empty subsets, small numbers first.
fn subsets(mask: Mask) -> impl Iterator<Item = Mask> {
    let mut current: Mask = 0;
    std::iter::from_fn(move || {
        current = current.wrapping_sub(mask) & mask;
        (current != 0).then_some(current)
    })
}

/// The connected parts of the graph.
fn components(graph: &JoinGraph) -> Vec<Mask> {
    let mut open: Mask = (0..graph.leaves.len()).fold(0, |mask, leaf| mask | 1 << leaf);
    let mut parts = vec![];
    while open != 0 {
        let mut part: Mask = 1 << open.trailing_zeros();
        loop {
            let wider = bits(part).fold(part, |mask, leaf| mask | graph.neighbours[leaf]);
            if wider == part {
                break;
            }
            part = wider;
        }
        parts.push(part);
        open &= !part;
    }
    parts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn subsets_are_complete_and_end() {
        assert_eq!(subsets(0b101).collect::<Vec<_>>(), [0b001, 0b100, 0b101]);
        assert_eq!(subsets(0).count(), 0);
    }
}
