//! Joins with their probe and build sides.

use arrow::datatypes::Field;
use nyala_schema::id::RuntimeFilterId;
use nyala_schema::operator::{HashJoin, JoinKind, OperatorKind};
use nyala_schema::{Expr, Result};

use super::layout::Layout;
use super::{Emitted, Emitter, Incoming};
use crate::column::ColumnSet;
use crate::relation::{Join, LogicalJoin, Side};

impl Emitter<'_> {
    pub(super) fn join(
        &mut self,
        join: &Join,
        needed: &ColumnSet,
        incoming_left: &[Incoming],
        incoming_right: &[Incoming],
        rows: f64,
    ) -> Result<Emitted> {
        let mut wanted = needed.clone();
        for (left, right) in &join.keys {
            wanted.insert_used(left);
            wanted.insert_used(right);
        }
        join.residual.iter().for_each(|expr| wanted.insert_used(expr));
        let (probe, build, to_probe, to_build) = match join.build {
            Side::Right => (&join.left, &join.right, incoming_left, incoming_right),
            Side::Left => (&join.right, &join.left, incoming_right, incoming_left),
        };
        let made = self.runtime_filters(join);
        let mut to_probe = to_probe.to_vec();
        to_probe.extend(made.iter().map(|(incoming, _)| *incoming));
        let probe = self.relation(probe, &wanted, &to_probe)?;
        let build = self.relation(build, &wanted, to_build)?;
        let made = made.into_iter().map(|(incoming, key)| (incoming.filter, key)).collect();
        if join.keys.is_empty() {
            let build = self.pruned(build, &wanted)?;
            let condition = Expr::and_all(Layout::of_both(&probe, &build).exprs(&join.residual)?);
            let kind = OperatorKind::NestedLoopJoin { kind: join_kind(join), condition };
            return Ok(self.joined(join, kind, probe, build, rows));
        }
        let hash_join = hash_join(join, &probe, &build, made)?;
        Ok(self.joined(join, OperatorKind::HashJoin(hash_join), probe, build, rows))
    }

    fn joined(&self, join: &Join, kind: OperatorKind, probe: Emitted, build: Emitted, rows: f64) -> Emitted {
        let joined = join_kind(join);
        let (probe_null, build_null) = match joined {
            JoinKind::ProbeOuter => (false, true),
            JoinKind::BuildOuter => (true, false),
            JoinKind::FullOuter => (true, true),
            _ => (false, false),
        };
        let nullable = |fields: Vec<Field>, outer: bool| {
            fields.into_iter().map(move |field| {
                let is_nullable = field.is_nullable() || outer;
                field.with_nullable(is_nullable)
            })
        };
        let mut fields = vec![];
        let mut columns = vec![];
        if joined.keeps_probe_columns() {
            fields.extend(nullable(probe.fields(), probe_null));
            columns.extend(&probe.columns);
        }
        if joined.keeps_build_columns() {
            fields.extend(nullable(build.fields(), build_null));
            columns.extend(&build.columns);
        }
        if let Some(mark) = join.mark {
            fields.push(self.columns.field(mark, false));
            columns.push(mark);
        }
        Emitted::new(kind, vec![probe.operator, build.operator], fields, columns, rows)
    }
}

fn hash_join(
    join: &Join,
    probe: &Emitted,
    build: &Emitted,
    runtime_filters: Vec<(RuntimeFilterId, usize)>,
) -> Result<HashJoin> {
    let (probe_layout, build_layout) = (probe.layout(), build.layout());
    let mut keys = vec![];
    for (left, right) in &join.keys {
        let (probe_key, build_key) = match join.build {
            Side::Right => (left, right),
            Side::Left => (right, left),
        };
        keys.push((probe_layout.expr(probe_key)?, build_layout.expr(build_key)?));
    }
    let residual = Expr::and_all(Layout::of_both(probe, build).exprs(&join.residual)?);
    Ok(HashJoin {
        kind: join_kind(join),
        keys,
        null_equals_null: join.null_equals_null,
        residual,
        null_aware: join.null_aware,
        runtime_filters,
    })
}

pub(super) fn join_kind(join: &Join) -> JoinKind {
    match (join.kind, join.build) {
        (LogicalJoin::Inner, _) => JoinKind::Inner,
        (LogicalJoin::Left, Side::Right) => JoinKind::ProbeOuter,
        (LogicalJoin::Left, Side::Left) => JoinKind::BuildOuter,
        (LogicalJoin::Full, _) => JoinKind::FullOuter,
        (LogicalJoin::Semi, Side::Right) => JoinKind::ProbeSemi,
        (LogicalJoin::Semi, Side::Left) => JoinKind::BuildSemi,
        (LogicalJoin::Anti, Side::Right) => JoinKind::ProbeAnti,
        (LogicalJoin::Anti, Side::Left) => JoinKind::BuildAnti,
        (LogicalJoin::Mark, Side::Right) => JoinKind::ProbeMark,
        (LogicalJoin::Mark, Side::Left) => JoinKind::BuildMark,
    }
}
