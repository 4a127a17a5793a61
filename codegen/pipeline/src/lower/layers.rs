//! The way down from an operator's columns to those of the chunk.

use std::collections::BTreeSet;

use arrow::datatypes::DataType;
use nyala_schema::{Error, Expr, Result};

use super::{LayerKind, Lowering, Operand, is_volatile, order};

impl Lowering<'_> {
    /// Lowers all filters, and the volatile projected columns among those that are needed: each once, after the
    /// filters below it and before those above.
    pub fn run_layers(&mut self, needed: &BTreeSet<usize>) -> Result<()> {
        let needed = needed_by_level(self.layers, needed);
        let layers = self.layers;
        for (index, layer) in layers.iter().enumerate() {
            match &layer.kind {
                LayerKind::Filter(predicate) => self.filter(predicate, index)?,
                LayerKind::Project(expressions) => {
                    for &column in &needed[index + 1] {
                        if expressions.get(column).is_some_and(is_volatile) {
                            self.layer_column(index + 1, column)?;
                        }
                    }
                }
                LayerKind::Retype(_) => {}
            }
        }
        Ok(())
    }

    /// Drops the rows for which the predicate, over columns of `level`, is not true. Cheap parts drop rows together,
    /// so that they run over whole columns.
    pub fn filter(&mut self, predicate: &Expr, level: usize) -> Result<()> {
        let mut together = None;
        for conjunct in order::ordered_conjuncts(predicate) {
            self.enter();
            let operand = self.lower(conjunct, level)?;
            let scope = self.leave()?;
            let cheap = self.is_harmless(&scope);
            if !cheap && let Some(condition) = together.take() {
                self.push_filter(condition);
            }
            self.splice(scope);
            if let Operand::Constant(value) = &operand
                && value.as_bool() == Some(true)
            {
                continue;
            }
            let condition = self.value(&operand, &DataType::Boolean)?;
            match together {
                Some(before) if cheap => together = Some(self.emit_and(before, condition)),
                None if cheap => together = Some(condition),
                _ => self.push_filter(condition),
            }
        }
        if let Some(condition) = together {
            self.push_filter(condition);
        }
        Ok(())
    }

    /// Column `index` of `level`, computed where it is used for the first time.
    pub(super) fn layer_column(&mut self, level: usize, index: usize) -> Result<Operand> {
        if level == self.top()
            && let Some(&position) = self.ready.get(&index)
        {
            return self.input(position);
        }
        if level == 0 {
            let position = self.base.get(index).copied().flatten();
            return match position {
                Some(position) => self.input(position),
                None => Err(Error::internal(format!("column {index} is needed but was not kept"))),
            };
        }
        let key = (level, index);
        if let Some(operand) = self.scopes.iter().rev().find_map(|scope| scope.columns.get(&key)) {
            return Ok(operand.clone());
        }
        let layers = self.layers;
        let operand = match &layers[level - 1].kind {
            LayerKind::Filter(_) => self.layer_column(level - 1, index)?,
            LayerKind::Project(expressions) => {
                let expr = expressions
                    .get(index)
                    .ok_or_else(|| Error::internal(format!("column {index} of a project is missing")))?;
                self.lower(expr, level - 1)?
            }
            LayerKind::Retype(columns) => {
                let operand = self.layer_column(level - 1, index)?;
                let id = self.value(&operand, columns[index].data_type())?;
                Operand::Computed(id)
            }
        };
        let depth = self.scopes.len() - 1;
        self.scopes[depth].columns.insert(key, operand.clone());
        Ok(operand)
    }
}

/// What is read of every level, when `top` is wanted of the last one.
fn needed_by_level(layers: &[super::Layer<'_>], top: &BTreeSet<usize>) -> Vec<BTreeSet<usize>> {
    let mut levels = vec![top.clone()];
    for layer in layers.iter().rev() {
        let above = &levels[levels.len() - 1];
        levels.push(needed_below(&layer.kind, above, true));
    }
    levels.reverse();
    levels
}

/// The columns that a layer reads of the level below it; `with_filters`: to drop rows, too.
pub(crate) fn needed_below(
    kind: &LayerKind<'_>,
    above: &BTreeSet<usize>,
    with_filters: bool,
) -> BTreeSet<usize> {
    let mut below = BTreeSet::new();
    match kind {
        LayerKind::Filter(predicate) => {
            below.extend(above);
            if with_filters {
                predicate.for_each_column(&mut |column| {
                    below.insert(column);
                });
            }
        }
        LayerKind::Project(expressions) => {
            for expr in above.iter().filter_map(|&column| expressions.get(column)) {
                expr.for_each_column(&mut |column| {
                    below.insert(column);
                });
            }
        }
        LayerKind::Retype(_) => below.extend(above),
    }
    below
}
