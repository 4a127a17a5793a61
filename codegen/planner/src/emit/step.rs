//! Operators with one input, and unions.

use std::collections::HashMap;

use arrow::datatypes::Field;
use nyala_schema::operator::{AggregateMode, OperatorKind, SortKey, UnnestColumn};
use nyala_schema::{Expr, Result, Value};

use super::layout::insert_sort_keys;
use super::{Emitted, Emitter, Incoming};
use crate::column::{ColumnId, ColumnSet};
use crate::relation::{Aggregate, Expand, Recursion, Relation, Unnest, Window};

impl Emitter<'_> {
    /// The input with exactly these columns in this order, by a projection if there must be one.
    pub(super) fn exactly(&self, input: Emitted, columns: &[ColumnId]) -> Result<Emitted> {
        if input.columns == columns {
            return Ok(input);
        }
        let layout = input.layout();
        let expressions = columns.iter().map(|&id| layout.column(id)).collect::<Result<Vec<_>>>()?;
        let fields: Vec<Field> = expressions
            .iter()
            .zip(columns)
            .map(|(expr, &id)| self.columns.field(id, expr.nullable()))
            .collect();
        let rows = input.operator.rows_estimated;
        let kind = OperatorKind::Project { expressions };
        Ok(Emitted::new(kind, vec![input.operator], fields, columns.to_vec(), rows))
    }

    /// The input without the columns that are not needed.
    pub(super) fn pruned(&self, input: Emitted, needed: &ColumnSet) -> Result<Emitted> {
        let kept: Vec<ColumnId> = input.columns.iter().copied().filter(|&id| needed.contains(id)).collect();
        self.exactly(input, &kept)
    }

    pub(super) fn filter(
        &mut self,
        input: &Relation,
        predicates: &[Expr],
        needed: &ColumnSet,
        incoming: &[Incoming],
        rows: f64,
    ) -> Result<Emitted> {
        let mut wanted = needed.clone();
        predicates.iter().for_each(|predicate| wanted.insert_used(predicate));
        let input = self.relation(input, &wanted, incoming)?;
        match Expr::and_all(input.layout().exprs(predicates)?) {
            Some(predicate) => Ok(input.above(OperatorKind::Filter { predicate }, rows)),
            None => Ok(input),
        }
    }

    pub(super) fn extend(
        &mut self,
        input: &Relation,
        definitions: &[(ColumnId, Expr)],
        needed: &ColumnSet,
        incoming: &[Incoming],
        rows: f64,
    ) -> Result<Emitted> {
        let used: Vec<&(ColumnId, Expr)> =
            definitions.iter().filter(|(id, _)| needed.contains(*id)).collect();
        let mut passed = needed.clone();
        definitions.iter().for_each(|(id, _)| passed.remove(*id));
        let mut wanted = passed.clone();
        used.iter().for_each(|(_, expr)| wanted.insert_used(expr));
        let input = self.relation(input, &wanted, incoming)?;
        if used.is_empty() {
            return Ok(input);
        }
        let layout = input.layout();
        let mut columns: Vec<ColumnId> =
            input.columns.iter().copied().filter(|&id| passed.contains(id)).collect();
        let mut expressions = columns.iter().map(|&id| layout.column(id)).collect::<Result<Vec<_>>>()?;
        for (id, expr) in used {
            columns.push(*id);
            expressions.push(layout.expr(expr)?);
        }
        let fields = expressions.iter().zip(&columns);
        let fields = fields.map(|(expr, &id)| self.columns.field(id, expr.nullable())).collect();
        let kind = OperatorKind::Project { expressions };
        Ok(Emitted::new(kind, vec![input.operator], fields, columns, rows))
    }

    pub(super) fn aggregate(
        &mut self,
        aggregate: &Aggregate,
        needed: &ColumnSet,
        incoming: &[Incoming],
        rows: f64,
    ) -> Result<Emitted> {
        let mut calls: Vec<_> = aggregate.calls.iter().filter(|(id, _)| needed.contains(*id)).collect();
        if calls.is_empty() && aggregate.keys.is_empty() {
            calls.extend(aggregate.calls.first());
        }
        let mut wanted = ColumnSet::default();
        aggregate.keys.iter().for_each(|(_, key)| wanted.insert_used(key));
        for (_, call) in &calls {
            call.arguments.iter().chain(&call.filter).for_each(|expr| wanted.insert_used(expr));
            insert_sort_keys(&mut wanted, &call.order_by);
        }
        let input = self.relation(&aggregate.input, &wanted, incoming)?;
        let layout = input.layout();
        let mut fields = vec![];
        let mut columns = vec![];
        let mut keys = vec![];
        for (id, key) in &aggregate.keys {
            let key = layout.expr(key)?;
            fields.push(self.columns.field(*id, key.nullable()));
            columns.push(*id);
            keys.push(key);
        }
        let mut aggregates = vec![];
        for (id, call) in calls {
            fields.push(self.columns.field(*id, call.nullable));
            columns.push(*id);
            aggregates.push(layout.aggregate(call)?);
        }
        let kind = OperatorKind::Aggregate { keys, aggregates, mode: AggregateMode::Single };
        Ok(Emitted::new(kind, vec![input.operator], fields, columns, rows))
    }

    /// The keys, the grouping id, then the input's columns that are needed beside them.
    pub(super) fn expand(
        &mut self,
        expand: &Expand,
        needed: &ColumnSet,
        incoming: &[Incoming],
        rows: f64,
    ) -> Result<Emitted> {
        let mut passed = needed.clone();
        expand.keys.iter().for_each(|(id, _)| passed.remove(*id));
        passed.remove(expand.grouping_id);
        let mut wanted = passed.clone();
        expand.keys.iter().for_each(|(_, expr)| wanted.insert_used(expr));
        let input = self.relation(&expand.input, &wanted, incoming)?;
        let layout = input.layout();
        let kept: Vec<ColumnId> = input.columns.iter().copied().filter(|&id| passed.contains(id)).collect();
        let mut projections = vec![];
        for set in &expand.sets {
            let mut row = vec![];
            for ((_, expr), present) in expand.keys.iter().zip(&set.present) {
                let null = || Expr::Literal(Value::null(&expr.data_type()));
                row.push(if *present { layout.expr(expr)? } else { null() });
            }
            row.push(Expr::Literal(set.id.clone()));
            for &id in &kept {
                row.push(layout.column(id)?);
            }
            projections.push(row);
        }
        let mut fields: Vec<Field> =
            expand.keys.iter().map(|(id, _)| self.columns.field(*id, true)).collect();
        fields.push(self.columns.field(expand.grouping_id, false));
        for &id in &kept {
            fields.push(self.columns.field(id, layout.column(id)?.nullable()));
        }
        let columns = expand.keys.iter().map(|(id, _)| *id).chain([expand.grouping_id]).chain(kept).collect();
        let kind = OperatorKind::Expand { projections };
        Ok(Emitted::new(kind, vec![input.operator], fields, columns, rows))
    }

    pub(super) fn sort(
        &mut self,
        input: &Relation,
        keys: &[SortKey],
        fetch: Option<u64>,
        needed: &ColumnSet,
        incoming: &[Incoming],
        rows: f64,
    ) -> Result<Emitted> {
        let mut wanted = needed.clone();
        insert_sort_keys(&mut wanted, keys);
        let input = self.relation(input, &wanted, incoming)?;
        let input = self.pruned(input, &wanted)?;
        let keys = input.layout().sort_keys(keys)?;
        Ok(input.above(OperatorKind::Sort { keys, fetch }, rows))
    }

    pub(super) fn window(
        &mut self,
        window: &Window,
        needed: &ColumnSet,
        incoming: &[Incoming],
        rows: f64,
    ) -> Result<Emitted> {
        let calls: Vec<_> = window.calls.iter().filter(|(id, _)| needed.contains(*id)).collect();
        let mut wanted = needed.clone();
        window.calls.iter().for_each(|(id, _)| wanted.remove(*id));
        if calls.is_empty() {
            return self.relation(&window.input, &wanted, incoming);
        }
        window.partition_by.iter().for_each(|expr| wanted.insert_used(expr));
        insert_sort_keys(&mut wanted, &window.order_by);
        for (_, call) in &calls {
            call.arguments.iter().chain(&call.filter).for_each(|expr| wanted.insert_used(expr));
        }
        let input = self.relation(&window.input, &wanted, incoming)?;
        let input = self.pruned(input, &wanted)?;
        let layout = input.layout();
        let mut fields = input.fields();
        let mut columns = input.columns.clone();
        let mut emitted = vec![];
        for (id, call) in calls {
            fields.push(self.columns.field(*id, call.nullable));
            columns.push(*id);
            emitted.push(layout.window_call(call)?);
        }
        let kind = OperatorKind::Window {
            partition_by: layout.exprs(&window.partition_by)?,
            order_by: layout.sort_keys(&window.order_by)?,
            calls: emitted,
        };
        Ok(Emitted::new(kind, vec![input.operator], fields, columns, rows))
    }

    pub(super) fn unnest(
        &mut self,
        unnest: &Unnest,
        needed: &ColumnSet,
        incoming: &[Incoming],
        rows: f64,
    ) -> Result<Emitted> {
        let mut wanted = needed.clone();
        for list in &unnest.columns {
            wanted.remove(list.element);
            wanted.insert(list.list);
        }
        let input = self.relation(&unnest.input, &wanted, incoming)?;
        let input = self.pruned(input, &wanted)?;
        let mut fields = input.fields();
        let mut columns = input.columns.clone();
        let mut lists = vec![];
        for list in &unnest.columns {
            if let Some(index) = input.position(list.list) {
                fields[index] = self.columns.field(list.element, true);
                columns[index] = list.element;
                lists.push(UnnestColumn { index, depth: list.depth });
            }
        }
        let kind = OperatorKind::Unnest { columns: lists, preserve_nulls: unnest.preserve_nulls };
        Ok(Emitted::new(kind, vec![input.operator], fields, columns, rows))
    }

    pub(super) fn union(
        &mut self,
        columns: &[ColumnId],
        branches: &[(Relation, Vec<ColumnId>)],
        needed: &ColumnSet,
        incoming: &[Vec<Incoming>],
        rows: f64,
    ) -> Result<Emitted> {
        let kept: Vec<usize> = (0..columns.len()).filter(|&index| needed.contains(columns[index])).collect();
        let mut operators = vec![];
        let mut nullable = HashMap::new();
        for ((branch, ids), incoming) in branches.iter().zip(incoming) {
            let ids: Vec<ColumnId> = kept.iter().map(|&index| ids[index]).collect();
            let emitted = self.relation(branch, &ids.iter().copied().collect(), incoming)?;
            let emitted = self.exactly(emitted, &ids)?;
            for (index, field) in emitted.operator.schema.fields().iter().enumerate() {
                *nullable.entry(index).or_insert(false) |= field.is_nullable();
            }
            operators.push(emitted.operator);
        }
        let kept_columns: Vec<ColumnId> = kept.iter().map(|&index| columns[index]).collect();
        let fields = kept_columns.iter().enumerate();
        let fields =
            fields.map(|(index, &id)| self.columns.field(id, nullable.get(&index).copied().unwrap_or(true)));
        let fields = fields.collect();
        Ok(Emitted::new(OperatorKind::Union, operators, fields, kept_columns, rows))
    }

    /// All columns: they may tell rows apart.
    pub(super) fn recursion(&mut self, recursion: &Recursion, rows: f64) -> Result<Emitted> {
        let mut operators = vec![];
        for (part, ids) in [&recursion.seed, &recursion.step] {
            let emitted = self.relation(part, &ids.iter().copied().collect(), &[])?;
            operators.push(self.exactly(emitted, ids)?.operator);
        }
        let fields = recursion.columns.iter().map(|&id| self.columns.field(id, true)).collect();
        let kind = OperatorKind::Recursion { distinct: recursion.distinct, id: recursion.id };
        Ok(Emitted::new(kind, operators, fields, recursion.columns.clone(), rows))
    }
}
