//! Joins: a pipeline that builds, a step that probes, and for some kinds a pipeline for the build rows.

use std::collections::BTreeMap;

use arrow::datatypes::DataType;
use nyala_schema::operator::{HashJoin, JoinKind};
use nyala_schema::{Expr, Result};

use super::layout::Layout;
use super::stream::{Stream, Target};
use super::{Builder, Columns, Consume, Node, columns_of};
use crate::column::Column;
use crate::lower::{Lowering, infer};
use crate::pipeline::{Compute, NestedLoop, Probe, Sink, Source, Step};
use crate::program::Type;
use crate::state::{JoinSpec, StateId, StateSpec};

/// Which columns of both sides a join carries.
struct Shape<'a> {
    node: &'a Node<'a>,
    probe: &'a Node<'a>,
    build: &'a Node<'a>,
    kind: JoinKind,
    /// Probe columns of the result, and those read by the condition.
    probe_needed: Columns,
    probe_read: Columns,
    /// Build columns of the result, and those of the state's payload in order: the result's first.
    build_needed: Columns,
    payload: Vec<usize>,
    /// Build columns that equal a probe key, by the key's index: they need not be stored.
    aliases: BTreeMap<usize, usize>,
    mark: bool,
}

impl<'a> Shape<'a> {
    fn new(
        node: &'a Node<'a>,
        kind: JoinKind,
        needed: &Columns,
        condition: Option<&Expr>,
        keys: &[(Expr, Expr)],
        key_types: &[Type],
    ) -> Result<Self> {
        let (probe, build) = (node.input(0)?, node.input(1)?);
        let probe_width = probe.columns.len();
        let shown = if kind.keeps_probe_columns() { probe_width } else { 0 };
        let shown_build = if kind.keeps_build_columns() { build.columns.len() } else { 0 };
        let probe_needed: Columns = needed.range(..shown).copied().collect();
        let build_needed: Columns = needed.range(shown..shown + shown_build).map(|c| c - shown).collect();
        let read = columns_of(condition);
        let mut probe_read = probe_needed.clone();
        probe_read.extend(read.range(..probe_width));
        let mut aliases = BTreeMap::new();
        if kind == JoinKind::Inner {
            for (index, ((probe_key, build_key), ty)) in keys.iter().zip(key_types).enumerate() {
                // A probe key that could be NULL has another type than a build column that could not.
                let may_be_null = ty.nullable || probe_key.nullable();
                if let Expr::Column { index: column, .. } = build_key
                    && *build.columns[*column].data_type() == ty.data_type
                    && (!may_be_null || build.columns[*column].ty.nullable)
                    && !ty.data_type.is_floating()
                {
                    aliases.entry(*column).or_insert(index);
                }
            }
        }
        let mut payload: Vec<usize> = build_needed.iter().copied().collect();
        payload
            .extend(read.range(probe_width..).map(|c| c - probe_width).filter(|c| !build_needed.contains(c)));
        payload.retain(|column| !aliases.contains_key(column));
        let mark = matches!(kind, JoinKind::ProbeMark | JoinKind::BuildMark);
        Ok(Self { node, probe, build, kind, probe_needed, probe_read, build_needed, payload, aliases, mark })
    }

    /// The place of a build column in the payload.
    fn payload_index(&self, column: usize) -> Option<usize> {
        self.payload.iter().position(|stored| *stored == column)
    }

    fn payload_columns(&self) -> Vec<Column> {
        self.payload.iter().map(|&column| self.build.columns[column].clone()).collect()
    }

    /// The condition over the chunk's columns and, behind them, the payload.
    fn condition(&self, condition: &Expr, stream: &Stream<'_>, keys: &[usize]) -> Result<Compute> {
        let mut columns = stream.chunk.clone();
        columns.extend(self.payload_columns());
        let mut base = stream.base.clone();
        base.extend((0..self.build.columns.len()).map(|column| match self.aliases.get(&column) {
            Some(&key) => keys.get(key).copied(),
            None => self.payload_index(column).map(|index| stream.chunk.len() + index),
        }));
        let mut lowering = Lowering::new(&columns, &base, &[]);
        lowering.filter(condition, 0)?;
        let finished = lowering.finish(&[], &[])?;
        Ok(Compute { code: finished.code, inputs: finished.inputs, kept: vec![] })
    }

    /// The chunk behind the probe: which chunk columns are kept and which of the payload come after them.
    fn advance(&self, stream: &mut Stream<'_>, keys: &[usize]) -> (Vec<usize>, Vec<usize>) {
        let mut kept: Vec<usize> = vec![];
        let mut base = vec![None; self.node.columns.len()];
        let mut keep = |position: usize| {
            kept.iter().position(|old| *old == position).unwrap_or_else(|| {
                kept.push(position);
                kept.len() - 1
            })
        };
        for &column in &self.probe_needed {
            base[column] = stream.base[column].map(&mut keep);
        }
        let shown = if self.kind.keeps_probe_columns() { self.probe.columns.len() } else { 0 };
        for &column in &self.build_needed {
            if let Some(&key) = self.aliases.get(&column) {
                base[shown + column] = keys.get(key).copied().map(&mut keep);
            }
        }
        let mut chunk: Vec<Column> = kept.iter().map(|&old| stream.chunk[old].clone()).collect();
        if matches!(self.kind, JoinKind::BuildOuter | JoinKind::FullOuter) {
            chunk.iter_mut().for_each(|column| *column = column.clone().or_null());
        }
        let mut payload = vec![];
        for &column in &self.build_needed {
            if let Some(index) = self.payload_index(column) {
                base[shown + column] = Some(chunk.len());
                chunk.push(self.node.columns[shown + column].clone());
                payload.push(index);
            }
        }
        if self.mark {
            base[self.node.columns.len() - 1] = Some(chunk.len());
            chunk.extend(self.node.columns.last().cloned());
        }
        (stream.chunk, stream.base) = (chunk, base);
        (kept, payload)
    }

    /// The build rows after the last probe.
    fn build_rows(&self, state: StateId) -> Stream<'a> {
        let outer = self.kind.keeps_probe_columns();
        let probe: Vec<usize> = if outer { self.probe_needed.iter().copied().collect() } else { vec![] };
        let probe_types = probe.iter().map(|&column| self.node.columns[column].ty.clone()).collect();
        let source = Source::BuildRows { operator: self.node.operator.id, state, probe_types };
        let mut stream = Stream::new(source, self.node, probe);
        let shown = if outer { self.probe.columns.len() } else { 0 };
        for &column in &self.payload {
            if self.build_needed.contains(&column) {
                stream.base[shown + column] = Some(stream.chunk.len());
            }
            stream.chunk.push(self.build.columns[column].clone());
        }
        if self.mark {
            stream.base[self.node.columns.len() - 1] = Some(stream.chunk.len());
            stream.chunk.extend(self.node.columns.last().cloned());
        }
        stream
    }
}

impl Builder {
    pub(super) fn hash_join<'a>(
        &mut self,
        node: &'a Node<'a>,
        join: &HashJoin,
        needed: &Columns,
        consume: Consume<'_, 'a>,
    ) -> Result<()> {
        let key_types = key_types(node, join)?;
        let shape = Shape::new(node, join.kind, needed, join.residual.as_ref(), &join.keys, &key_types)?;
        let spec = StateSpec::Join(JoinSpec {
            kind: join.kind,
            key_types: key_types.clone(),
            payload_types: shape.payload_columns().into_iter().map(|column| column.ty).collect(),
            null_equals_null: join.null_equals_null,
            null_aware: join.null_aware,
            runtime_filters: join.runtime_filters.clone(),
        });
        let state = self.add_state(node.operator.id, spec);
        self.build_side(&shape, join, &key_types, state)?;
        let mut read = shape.probe_read.clone();
        read.extend(columns_of(join.keys.iter().map(|(probe, _)| probe)));
        self.produce(shape.probe, &read, &mut |builder, mut stream| {
            let keys = join.keys.iter().zip(&key_types);
            let targets = keys.map(|((probe, _), ty)| Target::new(probe, ty.data_type.clone())).collect();
            let keys = stream.settle(shape.probe, node.operator.id, &shape.probe_read, targets)?;
            let residual = join.residual.as_ref();
            let residual = residual.map(|residual| shape.condition(residual, &stream, &keys)).transpose()?;
            let (kept, payload) = shape.advance(&mut stream, &keys);
            let operator = node.operator.id;
            let step = Probe { operator, state, kind: join.kind, keys, residual, kept, payload };
            stream.steps.push(Step::Probe(step));
            builder.after_probe(&shape, stream, consume)
        })?;
        self.emit_build_rows(&shape, state, consume)
    }

    fn build_side(
        &mut self,
        shape: &Shape<'_>,
        join: &HashJoin,
        key_types: &[Type],
        state: StateId,
    ) -> Result<()> {
        let payload: Columns = shape.payload.iter().copied().collect();
        let mut read = payload.clone();
        read.extend(columns_of(join.keys.iter().map(|(_, build)| build)));
        let operator = shape.node.operator.id;
        self.produce(shape.build, &read, &mut |builder, mut stream| {
            let keys = join.keys.iter().zip(key_types);
            let targets = keys.map(|((_, build), ty)| Target::new(build, ty.data_type.clone())).collect();
            let keys = stream.settle(shape.build, operator, &payload, targets)?;
            let payload = shape.payload.iter().filter_map(|&column| stream.base[column]).collect();
            builder.add_pipeline(stream, Sink::Build { operator, state, keys, payload });
            Ok(())
        })
    }

    pub(super) fn nested_loop<'a>(
        &mut self,
        node: &'a Node<'a>,
        kind: JoinKind,
        condition: Option<&Expr>,
        needed: &Columns,
        consume: Consume<'_, 'a>,
    ) -> Result<()> {
        let shape = Shape::new(node, kind, needed, condition, &[], &[])?;
        let operator = node.operator.id;
        let mut layout = Layout::new(shape.build, &Columns::new());
        for &column in &shape.payload {
            layout.place(shape.build, &super::stream::column_expr(shape.build, column), None)?;
        }
        let state = self.add_state(operator, StateSpec::Collect { types: layout.types() });
        self.produce(shape.build, &layout.needed(), &mut |builder, stream| {
            layout.keep(builder, node, state, stream)
        })?;
        self.produce(shape.probe, &shape.probe_read, &mut |builder, mut stream| {
            stream.settle(shape.probe, operator, &shape.probe_read, vec![])?;
            let condition = condition.map(|expr| shape.condition(expr, &stream, &[])).transpose()?;
            let (kept, payload) = shape.advance(&mut stream, &[]);
            stream.steps.push(Step::NestedLoop(NestedLoop {
                operator,
                state,
                kind,
                condition,
                kept,
                payload,
            }));
            builder.after_probe(&shape, stream, consume)
        })?;
        self.emit_build_rows(&shape, state, consume)
    }

    /// Kinds that show only build rows let none through here: that pipeline ends in a state nobody reads.
    fn after_probe<'a>(
        &mut self,
        shape: &Shape<'a>,
        stream: Stream<'a>,
        consume: Consume<'_, 'a>,
    ) -> Result<()> {
        if shape.kind.keeps_probe_columns() {
            return consume(self, stream);
        }
        let operator = shape.node.operator.id;
        let state = self.add_state(operator, StateSpec::Collect { types: vec![] });
        self.add_pipeline(stream, Sink::Keep { operator, state, input: 0, columns: vec![] });
        Ok(())
    }

    fn emit_build_rows<'a>(
        &mut self,
        shape: &Shape<'a>,
        state: StateId,
        consume: Consume<'_, 'a>,
    ) -> Result<()> {
        if shape.kind.emits_build_rows() { consume(self, shape.build_rows(state)) } else { Ok(()) }
    }
}

/// The types in which both sides' keys are compared.
fn key_types(node: &Node<'_>, join: &HashJoin) -> Result<Vec<Type>> {
    let (probe, build) = (node.input(0)?, node.input(1)?);
    join.keys
        .iter()
        .map(|(left, right)| {
            let logical: DataType = left.data_type();
            let (left, right) = (infer(left, &probe.columns)?, infer(right, &build.columns)?);
            Ok(left.unify(&right, &logical).ty)
        })
        .collect()
}
