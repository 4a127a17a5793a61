//! A region as a graph: relations, the columns that join them, the predicates that need several of them.

use std::collections::HashMap;

use nyala_schema::Expr;
use nyala_schema::expr::CompareOp;

use super::join::row_width;
use super::region::{Reducer, Region};
use super::{implied, place, reduce};
use crate::column::{ColumnId, Columns};
use crate::estimate::{UNIQUE_FRACTION, derive, distinct, selectivity};
use crate::relation::{LogicalJoin, Relation, RelationKind};

/// A set of leaves, a bit each.
pub type Mask = u128;

pub struct JoinGraph {
    pub leaves: Vec<Leaf>,
    pub classes: Vec<Class>,
    pub spanning: Vec<Spanning>,
    /// Leaves that a predicate connects with each leaf.
    pub neighbours: Vec<Mask>,
}

pub struct Leaf {
    /// Taken when the joins are written down.
    pub relation: Option<Relation>,
    pub rows: f64,
    /// Bytes of a row.
    pub width: f64,
    /// Rows before any predicate: what tells whether columns are a key.
    pub rows_base: f64,
    /// Present when the leaf only drops rows of others.
    pub reducer: Option<ReducerLeaf>,
}

pub struct ReducerLeaf {
    pub is_anti: bool,
    pub keys: Vec<(Expr, Expr)>,
    pub residual: Vec<Expr>,
    pub null_equals_null: bool,
    pub null_aware: bool,
    /// Leaves that must be joined before.
    pub needs: Mask,
    /// Of the rows, what is kept.
    pub fraction: f64,
}

/// Expressions that are all equal in the result.
pub struct Class {
    pub members: Vec<Member>,
}

pub struct Member {
    pub leaf: usize,
    pub expr: Expr,
    pub distinct: f64,
    pub distinct_base: f64,
    /// Values that are left in the leaf after its predicates.
    kept: f64,
}

/// A predicate over several leaves that is not an equality of two.
pub struct Spanning {
    pub expr: Expr,
    pub needs: Mask,
    pub selectivity: f64,
    /// For an equality: which leaves each side reads.
    pub sides: Option<(Mask, Mask)>,
}

/// Leaves by the columns that they have.
struct Owners(HashMap<ColumnId, usize>);

impl Owners {
    fn mask(&self, expr: &Expr) -> Mask {
        let mut mask = 0;
        expr.for_each_column(&mut |id| mask |= self.0.get(&id).map_or(0, |&leaf| 1 << leaf));
        mask
    }
}

impl JoinGraph {
    pub fn new(region: Region, columns: &mut Columns) -> Self {
        let mut owners = Owners(HashMap::new());
        for (leaf, input) in region.inputs.iter().enumerate() {
            owners.0.extend(input.columns().iter().map(|id| (id, leaf)));
        }
        let mut sorted = Sorted { local: vec![vec![]; region.inputs.len()], ..Sorted::default() };
        for predicate in region.predicates {
            sorted.add(predicate, &owners);
        }
        sorted.add_equalities_within_leaves();
        sorted.add_implied(&owners, columns);
        let Sorted { local, classes, spanning } = sorted;
        let leaves = region.inputs.into_iter().zip(local);
        let leaves: Vec<Leaf> = leaves.map(|(input, local)| leaf(input, local, columns)).collect();
        let mut graph = Self { leaves, classes, spanning, neighbours: vec![] };
        for member in graph.classes.iter_mut().flat_map(|class| &mut class.members) {
            let estimate = derive::estimate(&member.expr, columns);
            let rows = graph.leaves[member.leaf].rows_base.max(1.0);
            member.distinct = estimate.distinct.min(rows);
            member.distinct_base = estimate.distinct_table.min(rows);
            member.kept = distinct::distinct_among(&estimate, graph.leaves[member.leaf].rows);
        }
        for reducer in region.reducers {
            let reducer = graph.reducer(reducer, &owners, columns);
            graph.leaves.push(reducer);
        }
        graph.connect();
        graph
    }

    fn reducer(&self, reducer: Reducer, owners: &Owners, columns: &Columns) -> Leaf {
        let Reducer { is_anti, right, keys, residual, null_equals_null, null_aware } = reducer;
        let left_keys = keys.iter().map(|(left, _)| left);
        let needs = left_keys.chain(&residual).fold(0, |mask, expr| mask | owners.mask(expr));
        let matched = reduce::matched_fraction(&keys, &residual, right.rows, columns);
        let fraction = if is_anti { reduce::unmatched_fraction(matched) } else { matched.max(1e-6) };
        let part = ReducerLeaf { is_anti, keys, residual, null_equals_null, null_aware, needs, fraction };
        Leaf {
            rows: right.rows,
            width: row_width(&right.columns(), columns),
            rows_base: right.rows,
            relation: Some(right),
            reducer: Some(part),
        }
    }

    fn connect(&mut self) {
        let mut neighbours = vec![0; self.leaves.len()];
        let mut connect = |mask: Mask| {
            for leaf in bits(mask) {
                neighbours[leaf] |= mask & !(1 << leaf);
            }
        };
        for class in &self.classes {
            connect(class.members.iter().fold(0, |mask, member| mask | 1 << member.leaf));
        }
        self.spanning.iter().for_each(|spanning| connect(spanning.needs));
        for (index, leaf) in self.leaves.iter().enumerate() {
            if let Some(reducer) = &leaf.reducer {
                connect(1 << index | reducer.needs);
            }
        }
        self.neighbours = neighbours;
    }

    /// The columns by which two sets of leaves are joined: one pair for each class that both have.
    pub fn keys(&self, left: Mask, right: Mask) -> Vec<(&Member, &Member)> {
        let pair = |class: &'_ Class| Some((class.narrowest(left)?, class.narrowest(right)?));
        let pairs = self.classes.iter().map(|class| (class, pair(class)));
        pairs
            .filter_map(|(class, pair)| {
                pair.map(|(left, right)| (&class.members[left], &class.members[right]))
            })
            .collect()
    }

    /// The predicates that can be evaluated on the join of two sets but on neither alone.
    pub fn newly_covered(&self, left: Mask, right: Mask) -> impl Iterator<Item = &Spanning> {
        self.spanning.iter().filter(move |spanning| {
            let needs = spanning.needs;
            needs & !(left | right) == 0 && needs & !left != 0 && needs & !right != 0
        })
    }

    /// The fraction of pairs of rows that a join of two sets keeps, and whether it has hash keys.
    pub fn join_fraction(&self, left: Mask, right: Mask) -> (f64, bool) {
        let mut classes: Vec<(usize, f64)> = vec![];
        for (index, class) in self.classes.iter().enumerate() {
            if let (Some(left), Some(right)) = (class.distinct_in(left), class.distinct_in(right)) {
                classes.push((index, 1.0 / left.max(right).max(1.0)));
            }
        }
        let independent: f64 = classes.iter().map(|(_, fraction)| fraction).product();
        let mut fraction = independent;
        if classes.len() > 1 {
            for leaf in bits(left | right) {
                fraction = fraction.max(self.fraction_by_key(leaf, &classes));
            }
        }
        let mut has_keys = !classes.is_empty();
        for spanning in self.newly_covered(left, right) {
            fraction *= spanning.selectivity;
            has_keys |= spanning.splits(left, right);
        }
        (fraction, has_keys)
    }

    /// Several columns that only together are a key of `leaf` tell no more rows apart than it has.
    fn fraction_by_key(&self, leaf: usize, classes: &[(usize, f64)]) -> f64 {
        let rows = self.leaves[leaf].rows_base.max(1.0);
        let (mut others, mut own, mut values, mut most) = (1.0, 1.0, 1.0, 1.0_f64);
        for &(class, fraction) in classes {
            match self.classes[class].members.iter().find(|member| member.leaf == leaf) {
                Some(member) => {
                    own *= fraction;
                    values *= member.distinct_base;
                    most = most.max(member.distinct_base);
                }
                None => others *= fraction,
            }
        }
        let enough = UNIQUE_FRACTION * rows;
        if values >= enough && most < enough { others * own.max(1.0 / rows) } else { 0.0 }
    }
}

impl Class {
    /// The member in a set whose leaf has the fewest values: what is known best of the joined rows.
    fn narrowest(&self, mask: Mask) -> Option<usize> {
        let members = self.members.iter().enumerate().filter(|(_, member)| mask >> member.leaf & 1 == 1);
        members.min_by(|(_, a), (_, b)| a.kept.total_cmp(&b.kept)).map(|(index, _)| index)
    }

    fn distinct_in(&self, mask: Mask) -> Option<f64> {
        let members = self.members.iter().filter(|member| mask >> member.leaf & 1 == 1);
        members.map(|member| member.distinct).reduce(f64::min)
    }
}

impl Spanning {
    /// Whether this is an equality with one side on each.
    pub fn splits(&self, left: Mask, right: Mask) -> bool {
        let within = |part: Mask, whole: Mask| part & !whole == 0;
        self.sides
            .is_some_and(|(a, b)| within(a, left) && within(b, right) || within(a, right) && within(b, left))
    }
}

fn leaf(input: Relation, local: Vec<Expr>, columns: &mut Columns) -> Leaf {
    let rows_base = rows_base(&input);
    let relation = place::above(input, local, columns);
    let width = row_width(&relation.columns(), columns);
    Leaf { rows: relation.rows, width, rows_base, relation: Some(relation), reducer: None }
}

/// Rows before predicates.
fn rows_base(relation: &Relation) -> f64 {
    match &relation.kind {
        RelationKind::Scan(scan) => scan.rows_table,
        RelationKind::Filter { input, .. } | RelationKind::Extend { input, .. } => rows_base(input),
        RelationKind::Join(join) if matches!(join.kind, LogicalJoin::Semi | LogicalJoin::Anti) => {
            rows_base(&join.left)
        }
        _ => relation.rows,
    }
}

/// The leaves of a set.
pub fn bits(mask: Mask) -> impl Iterator<Item = usize> {
    let mut rest = mask;
    std::iter::from_fn(move || {
        let leaf = (rest != 0).then(|| rest.trailing_zeros() as usize);
        rest &= rest.wrapping_sub(1);
        leaf
    })
}

/// Predicates by the leaves that they read.
#[derive(Default)]
struct Sorted {
    local: Vec<Vec<Expr>>,
    classes: Vec<Class>,
    spanning: Vec<Spanning>,
}

impl Sorted {
    fn add(&mut self, predicate: Expr, owners: &Owners) {
        let needs = owners.mask(&predicate);
        if needs.count_ones() <= 1 {
            // One without columns may stand anywhere.
            let leaf = if needs == 0 { 0 } else { needs.trailing_zeros() as usize };
            self.local[leaf].push(predicate);
            return;
        }
        let sides = match &predicate {
            Expr::Compare { op: CompareOp::Equal, left, right } if left.data_type() == right.data_type() => {
                Some((owners.mask(left), owners.mask(right)))
            }
            _ => None,
        };
        match (predicate, sides) {
            (Expr::Compare { left, right, .. }, Some((a, b)))
                if a.count_ones() == 1 && b.count_ones() == 1 && a != b =>
            {
                let (a, b) = (a.trailing_zeros() as usize, b.trailing_zeros() as usize);
                self.equate(Member::new(a, *left), Member::new(b, *right));
            }
            (expr, sides) => {
                let sides = sides.filter(|(a, b)| a & b == 0 && *a != 0 && *b != 0);
                self.spanning.push(Spanning { expr, needs, selectivity: 1.0, sides });
            }
        }
    }

    fn equate(&mut self, left: Member, right: Member) {
        let find = |member: &Member, classes: &[Class]| {
            classes.iter().position(|class| class.members.iter().any(|known| known.is(member)))
        };
        match (find(&left, &self.classes), find(&right, &self.classes)) {
            (Some(a), Some(b)) if a == b => {}
            (Some(a), Some(b)) => {
                let moved = self.classes.remove(a.max(b));
                self.classes[a.min(b)].members.extend(moved.members);
            }
            (Some(class), None) => self.classes[class].members.push(right),
            (None, Some(class)) => self.classes[class].members.push(left),
            (None, None) => self.classes.push(Class { members: vec![left, right] }),
        }
    }

    /// A join enforces one equality a class, so that two members in one leaf must be made equal before.
    fn add_equalities_within_leaves(&mut self) {
        for class in &self.classes {
            for (index, member) in class.members.iter().enumerate() {
                if let Some(first) = class.members[..index].iter().find(|first| first.leaf == member.leaf) {
                    self.local[member.leaf].push(Expr::Compare {
                        op: CompareOp::Equal,
                        left: Box::new(first.expr.clone()),
                        right: Box::new(member.expr.clone()),
                    });
                }
            }
        }
    }

    fn add_implied(&mut self, owners: &Owners, columns: &Columns) {
        for spanning in &mut self.spanning {
            let mut fraction = selectivity::predicate(&spanning.expr, columns);
            for leaf in bits(spanning.needs) {
                let is_local = |expr: &Expr| owners.mask(expr) == 1 << leaf;
                let Some(predicate) = implied::implied(&spanning.expr, &is_local) else { continue };
                fraction /= selectivity::predicate(&predicate, columns);
                if !self.local[leaf].contains(&predicate) {
                    self.local[leaf].push(predicate);
                }
            }
            spanning.selectivity = fraction.min(1.0);
        }
    }
}

impl Member {
    fn new(leaf: usize, expr: Expr) -> Self {
        Self { leaf, expr, distinct: f64::INFINITY, distinct_base: f64::INFINITY, kept: f64::INFINITY }
    }

    fn is(&self, other: &Member) -> bool {
        self.leaf == other.leaf && self.expr == other.expr
    }
}
