//! Regions: inner joins, filters, semi and anti joins that may be evaluated in any order.

use nyala_schema::expr::CompareOp;
use nyala_schema::{Error, ErrorCode, Expr, Result};

use super::{Arranger, RELATIONS_MAX, graph, place};
use crate::column::{ColumnId, ColumnSet};
use crate::relation::{Join, LogicalJoin, Relation, RelationKind, is_volatile};

/// The parts of a region, taken apart.
#[derive(Debug, Default)]
pub struct Region {
    /// Arranged.
    pub inputs: Vec<Relation>,
    pub predicates: Vec<Expr>,
    pub reducers: Vec<Reducer>,
    /// Computed columns that are pulled above the joins, outermost first.
    layers: Vec<Vec<(ColumnId, Expr)>>,
}

/// A semi or anti join, whose right side only drops rows of the left.
#[derive(Debug)]
pub struct Reducer {
    pub is_anti: bool,
    /// Arranged.
    pub right: Relation,
    pub keys: Vec<(Expr, Expr)>,
    pub residual: Vec<Expr>,
    pub null_equals_null: bool,
    pub null_aware: bool,
}

/// Whether the relation's topmost operator belongs to a region.
pub fn is_region(relation: &Relation) -> bool {
    match &relation.kind {
        RelationKind::Filter { predicates, .. } => !predicates.iter().any(is_volatile),
        RelationKind::Join(join) => is_region_join(join),
        RelationKind::Extend { input, definitions } => {
            is_over_join(input) && !definitions.iter().any(|(_, expr)| is_volatile(expr))
        }
        _ => false,
    }
}

fn is_region_join(join: &Join) -> bool {
    let keys = join.keys.iter().flat_map(|(left, right)| [left, right]);
    match join.kind {
        LogicalJoin::Inner => !join.null_equals_null && !keys.chain(&join.residual).any(is_volatile),
        LogicalJoin::Semi | LogicalJoin::Anti => true,
        LogicalJoin::Left | LogicalJoin::Full | LogicalJoin::Mark => false,
    }
}

fn is_over_join(relation: &Relation) -> bool {
    match &relation.kind {
        RelationKind::Join(join) => is_region_join(join),
        RelationKind::Filter { input, .. } | RelationKind::Extend { input, .. } => {
            is_region(relation) && is_over_join(input)
        }
        _ => false,
    }
}

impl Arranger<'_> {
    pub(super) fn region(&mut self, relation: Relation) -> Result<Relation> {
        let mut region = Region::default();
        self.collect(relation, &mut region)?;
        region.inline_layers();
        let leaves = region.inputs.len() + region.reducers.len();
        if leaves > RELATIONS_MAX {
            let message = format!("a join of {leaves} tables; at most {RELATIONS_MAX} are allowed");
            return Err(Error::new(ErrorCode::TooComplex, message)
                .with_hint("put parts of the query into tables of their own"));
        }
        let layers = std::mem::take(&mut region.layers);
        let joined = self.ordered(region)?;
        Ok(layers.into_iter().rev().fold(joined, |input, layer| self.extended(input, layer)))
    }

    fn ordered(&mut self, region: Region) -> Result<Relation> {
        if region.inputs.len() == 1 && region.reducers.is_empty() {
            let input = region.inputs.into_iter().next();
            let input = input.ok_or_else(|| Error::internal("a region without inputs"))?;
            return Ok(place::above(input, region.predicates, self.columns));
        }
        let graph = graph::JoinGraph::new(region, self.columns);
        graph.ordered(self.options.join_reordering)
    }

    fn collect(&mut self, relation: Relation, region: &mut Region) -> Result<()> {
        if !is_region(&relation) {
            let input = self.arrange(relation)?;
            region.inputs.push(input);
            return Ok(());
        }
        match relation.kind {
            RelationKind::Filter { input, predicates } => {
                region.predicates.extend(predicates.into_iter().flat_map(Expr::conjuncts));
                self.collect(*input, region)
            }
            RelationKind::Extend { input, definitions } => {
                region.layers.push(definitions);
                self.collect(*input, region)
            }
            RelationKind::Join(join) => self.collect_join(*join, region),
            _ => Err(Error::internal("a relation that cannot be in a region")),
        }
    }

    fn collect_join(&mut self, join: Join, region: &mut Region) -> Result<()> {
        if join.kind == LogicalJoin::Inner {
            region.predicates.extend(join.keys.into_iter().map(|(left, right)| Expr::Compare {
                op: CompareOp::Equal,
                left: Box::new(left),
                right: Box::new(right),
            }));
            region.predicates.extend(join.residual.into_iter().flat_map(Expr::conjuncts));
            self.collect(join.left, region)?;
            return self.collect(join.right, region);
        }
        let right = self.arrange(join.right)?;
        region.reducers.push(Reducer {
            is_anti: join.kind == LogicalJoin::Anti,
            right,
            keys: join.keys,
            residual: join.residual,
            null_equals_null: join.null_equals_null,
            null_aware: join.null_aware,
        });
        self.collect(join.left, region)
    }
}

impl Region {
    /// Conditions that read pulled-up columns compute them themselves.
    fn inline_layers(&mut self) {
        for layer in &self.layers {
            let defined: ColumnSet = layer.iter().map(|(id, _)| *id).collect();
            let left_keys = self.reducers.iter_mut().flat_map(|reducer| {
                reducer.keys.iter_mut().map(|(left, _)| left).chain(&mut reducer.residual)
            });
            for expr in self.predicates.iter_mut().chain(left_keys) {
                if place::reads(expr, &defined) {
                    inline(expr, layer);
                }
            }
        }
    }
}

fn inline(expr: &mut Expr, definitions: &[(ColumnId, Expr)]) {
    if let Expr::Column { index, .. } = expr {
        if let Some((_, definition)) = definitions.iter().find(|(id, _)| id == index) {
            *expr = definition.clone();
        }
        return;
    }
    expr.children_mut().into_iter().for_each(|child| inline(child, definitions));
}
