//! A pipeline in the making: where the columns of the operator reached so far are.

use std::collections::{BTreeMap, BTreeSet};

use arrow::datatypes::DataType;
use nyala_schema::id::OperatorId;
use nyala_schema::{Expr, Result};

use super::{Columns, Node};
use crate::column::Column;
use crate::lower::{Layer, LayerKind, Lowering, Operand, is_volatile, needed_below};
use crate::pipeline::{Compute, Source, Step};
use crate::program::ValueId;

pub(super) struct Stream<'a> {
    pub source: Source,
    pub steps: Vec<Step>,
    /// Whether rows come in an order that means something.
    pub ordered: bool,
    pub chunk: Vec<Column>,
    /// Where the columns below `layers` are in the chunk.
    pub base: Vec<Option<usize>>,
    /// Filters and projects that are still to be done, bottom first.
    pub layers: Vec<Layer<'a>>,
}

/// An expression over the stream's columns that is wanted as a chunk column of this type.
pub(super) struct Target<'e> {
    pub expr: &'e Expr,
    pub data_type: DataType,
    /// Not shared with another column.
    pub alone: bool,
}

impl<'e> Target<'e> {
    pub fn new(expr: &'e Expr, data_type: DataType) -> Self {
        Self { expr, data_type, alone: false }
    }
}

/// Where the columns asked for are in the new chunk.
pub(super) struct Placed {
    /// By their place in the old chunk.
    pub kept: BTreeMap<usize, usize>,
    pub targets: Vec<usize>,
}

/// The program of a step, what is known of its outputs, and which output each target is, unless it is plain.
struct Lowered {
    compute: Compute,
    columns: Vec<Column>,
    places: Vec<usize>,
}

impl<'a> Stream<'a> {
    /// A stream whose chunk holds just these of the operator's columns, in this order.
    pub fn new(source: Source, node: &Node<'_>, columns: impl IntoIterator<Item = usize>) -> Self {
        let (steps, chunk, base, layers) = (vec![], vec![], vec![], vec![]);
        let mut stream = Self { source, steps, ordered: false, chunk, base, layers };
        stream.reset(node, columns);
        stream
    }

    /// After a step that gives just these of the operator's columns, in this order.
    pub fn reset(&mut self, node: &Node<'_>, columns: impl IntoIterator<Item = usize>) {
        self.base = vec![None; node.columns.len()];
        self.chunk.clear();
        for column in columns {
            self.base[column] = Some(self.chunk.len());
            self.chunk.push(node.columns[column].clone());
        }
    }

    /// The chunk column that holds this column as it is, if one does.
    pub fn plain(&self, column: usize) -> Option<usize> {
        let mut column = column;
        let mut wanted = None;
        for layer in self.layers.iter().rev() {
            match &layer.kind {
                LayerKind::Filter(_) => {}
                LayerKind::Project(expressions) => match expressions.get(column)? {
                    Expr::Column { index, .. } => column = *index,
                    _ => return None,
                },
                LayerKind::Retype(columns) => {
                    wanted = wanted.or(Some(columns.get(column)?.data_type().clone()));
                }
            }
        }
        let position = (*self.base.get(column)?)?;
        let same = wanted.is_none_or(|wanted| *self.chunk[position].data_type() == wanted);
        same.then_some(position)
    }

    fn plain_target(&self, target: &Target<'_>) -> Option<usize> {
        let Expr::Column { index, .. } = target.expr else { return None };
        let position = self.plain(*index)?;
        (!target.alone && *self.chunk[position].data_type() == target.data_type).then_some(position)
    }

    pub fn has_filter(&self) -> bool {
        self.layers.iter().any(|layer| matches!(layer.kind, LayerKind::Filter(_)))
    }

    pub fn has_volatile(&self) -> bool {
        self.layers.iter().any(|layer| match &layer.kind {
            LayerKind::Filter(predicate) => is_volatile(predicate),
            LayerKind::Project(expressions) => expressions.iter().any(is_volatile),
            LayerKind::Retype(_) => false,
        })
    }

    /// The expression that a projected column is, when the top layer is a project.
    pub fn definition(&self, column: usize) -> Option<&'a Expr> {
        match self.layers.last()?.kind {
            LayerKind::Project(expressions) => expressions.get(column),
            LayerKind::Filter(_) | LayerKind::Retype(_) => None,
        }
    }

    /// The chunk columns from which the given columns can be computed later, when no filter is left.
    pub fn raw_columns(&self, columns: &Columns) -> BTreeSet<usize> {
        let mut needed = columns.clone();
        for layer in self.layers.iter().rev() {
            needed = needed_below(&layer.kind, &needed, false);
        }
        needed.iter().filter_map(|&column| self.base.get(column).copied().flatten()).collect()
    }

    /// Runs all filters and computes the targets: in a step, unless there is nothing to do. Only the chunk columns
    /// `kept` and the targets remain in the chunk, `base` and `layers` are left to the caller.
    pub fn compute(
        &mut self,
        operator: OperatorId,
        kept: &BTreeSet<usize>,
        targets: &[Target<'_>],
    ) -> Result<Placed> {
        let plain: Vec<Option<usize>> = targets.iter().map(|target| self.plain_target(target)).collect();
        if !self.has_filter() && !self.has_volatile() && plain.iter().all(Option::is_some) {
            let kept = kept.iter().map(|&column| (column, column)).collect();
            return Ok(Placed { kept, targets: plain.into_iter().flatten().collect() });
        }
        let mut kept_list: Vec<usize> = kept.iter().copied().collect();
        for column in plain.iter().flatten() {
            if !kept_list.contains(column) {
                kept_list.push(*column);
            }
        }
        let lowered = self.lower_targets(kept_list, targets, &plain)?;
        let compute = lowered.compute;
        let positions: BTreeMap<usize, usize> =
            compute.kept.iter().enumerate().map(|(new, &old)| (old, new)).collect();
        let outputs = compute.kept.len();
        let targets = plain.iter().zip(lowered.places).map(|(plain, place)| match plain {
            Some(old) => positions[old],
            None => outputs + place,
        });
        let targets = targets.collect();
        let mut chunk: Vec<Column> = compute.kept.iter().map(|&old| self.chunk[old].clone()).collect();
        chunk.extend(lowered.columns);
        self.chunk = chunk;
        let operator = self.layers.last().map_or(operator, |layer| layer.operator);
        self.steps.push(Step::Compute { operator, compute });
        let kept = kept.iter().map(|old| (*old, positions[old])).collect();
        Ok(Placed { kept, targets })
    }

    fn lower_targets(
        &self,
        kept: Vec<usize>,
        targets: &[Target<'_>],
        plain: &[Option<usize>],
    ) -> Result<Lowered> {
        let mut lowering = Lowering::new(&self.chunk, &self.base, &self.layers);
        lowering.run_layers(&super::columns_of(targets.iter().map(|target| target.expr)))?;
        let mut outputs = vec![];
        let mut places = vec![];
        for (target, plain) in targets.iter().zip(plain) {
            if plain.is_some() {
                places.push(0);
                continue;
            }
            let id = lowering.lower_as(target.expr, &target.data_type)?;
            let shared = |(output, alone): &(ValueId, bool)| *output == id && !alone && !target.alone;
            let known = outputs.iter().position(shared);
            places.push(known.unwrap_or(outputs.len()));
            if known.is_none() {
                outputs.push((id, target.alone));
            }
        }
        let outputs: Vec<ValueId> = outputs.into_iter().map(|(id, _)| id).collect();
        let columns = outputs.iter().map(|id| lowering.column_of(&Operand::Computed(*id))).collect();
        let finished = lowering.finish(&outputs, &[])?;
        let compute = Compute { code: finished.code, inputs: finished.inputs, kept };
        Ok(Lowered { compute, columns, places })
    }

    /// Runs all layers: then the operator's needed columns, in the types that the node says, and the extra targets
    /// are in the chunk. Returns where the extra ones are.
    pub fn settle(
        &mut self,
        node: &Node<'_>,
        operator: OperatorId,
        needed: &Columns,
        extra: Vec<Target<'_>>,
    ) -> Result<Vec<usize>> {
        let references: Vec<(usize, Expr)> =
            needed.iter().map(|&column| (column, column_expr(node, column))).collect();
        let mut targets: Vec<Target<'_>> = references
            .iter()
            .map(|(column, expr)| Target::new(expr, node.columns[*column].data_type().clone()))
            .collect();
        targets.extend(extra);
        let placed = self.compute(operator, &BTreeSet::new(), &targets)?;
        let mut base = vec![None; node.columns.len()];
        for ((column, _), position) in references.iter().zip(&placed.targets) {
            base[*column] = Some(*position);
        }
        self.base = base;
        self.layers.clear();
        Ok(placed.targets[references.len()..].to_vec())
    }
}

/// A reference to an operator's column.
pub(super) fn column_expr(node: &Node<'_>, column: usize) -> Expr {
    Expr::column(column, node.operator.schema.field(column))
}
