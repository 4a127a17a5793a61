//! DataFusion's accumulators behind our trait.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, BooleanArray, Int64Array, UInt32Array, new_empty_array};
use arrow::compute::{filter, take_arrays};
use arrow::datatypes::DataType;
use datafusion_common::ScalarValue;
use datafusion_expr::{Accumulator, EmitTo, GroupsAccumulator};
use datafusion_physical_expr::aggregate::AggregateFunctionExpr;
use nyala_pipeline::library::GroupAccumulator;
use nyala_schema::Result;

use super::aggregate::Built;
use crate::failure::from_datafusion;
use crate::kernel::cast::cast_array;

/// One aggregate for many groups.
pub(super) struct Grouped {
    kind: Kind,
    types: Vec<DataType>,
    counts_rows: bool,
    result: DataType,
    /// Group numbers in the width that DataFusion takes; kept for its memory.
    groups: Vec<usize>,
}

enum Kind {
    Together(Box<dyn GroupsAccumulator>),
    /// Where the function knows only how to do a single group.
    Apart(PerGroup),
}

impl Grouped {
    pub fn new(built: Built, result: DataType) -> Result<Self> {
        let kind = if built.expression.groups_accumulator_supported() {
            Kind::Together(built.expression.create_groups_accumulator().map_err(from_datafusion)?)
        } else {
            Kind::Apart(PerGroup { expression: built.expression, groups: Vec::new(), bytes: 0 })
        };
        let mut grouped =
            Self { kind, types: built.types, counts_rows: built.counts_rows, result, groups: Vec::new() };
        grouped.forget()?;
        Ok(grouped)
    }

    /// Accumulators believe that every group below the count has had a row as long as they have seen neither a NULL
    /// nor a filter. That does not hold for groups that come from elsewhere, so an empty filter is shown to them.
    fn forget(&mut self) -> Result<()> {
        if let Kind::Together(accumulator) = &mut self.kind {
            let nothing: Vec<ArrayRef> = self.types.iter().map(new_empty_array).collect();
            let filter = BooleanArray::new_null(0);
            accumulator.update_batch(&nothing, &[], Some(&filter), 0).map_err(from_datafusion)?;
        }
        Ok(())
    }

    /// The columns in the function's types.
    fn coerced(&self, columns: &[&[ArrayRef]], rows: usize) -> Result<Vec<ArrayRef>> {
        if self.counts_rows {
            return Ok(vec![Arc::new(Int64Array::from(vec![1; rows]))]);
        }
        columns
            .iter()
            .copied()
            .flatten()
            .zip(&self.types)
            .map(|(column, ty)| cast_array(column, ty, false))
            .collect()
    }

    fn widen(&mut self, groups: &[u32]) {
        self.groups.clear();
        self.groups.extend(groups.iter().map(|&group| group as usize));
    }
}

impl GroupAccumulator for Grouped {
    fn update(
        &mut self,
        arguments: &[ArrayRef],
        order_by: &[ArrayRef],
        groups: &[u32],
        group_count: usize,
        filter: Option<&BooleanArray>,
    ) -> Result<()> {
        let values = self.coerced(&[arguments, order_by], groups.len())?;
        self.widen(groups);
        match &mut self.kind {
            Kind::Together(accumulator) => {
                accumulator.update_batch(&values, &self.groups, filter, group_count).map_err(from_datafusion)
            }
            Kind::Apart(accumulators) => {
                accumulators.feed(&values, groups, group_count, filter, |accumulator, values| {
                    accumulator.update_batch(values).map_err(from_datafusion)
                })
            }
        }
    }

    fn take_states(&mut self) -> Result<Vec<ArrayRef>> {
        let states = match &mut self.kind {
            Kind::Together(accumulator) => accumulator.state(EmitTo::All).map_err(from_datafusion)?,
            Kind::Apart(accumulators) => accumulators.take_states()?,
        };
        self.forget()?;
        Ok(states)
    }

    fn merge(&mut self, states: &[ArrayRef], groups: &[u32], group_count: usize) -> Result<()> {
        self.widen(groups);
        match &mut self.kind {
            Kind::Together(accumulator) => {
                accumulator.merge_batch(states, &self.groups, group_count).map_err(from_datafusion)
            }
            Kind::Apart(accumulators) => {
                accumulators.feed(states, groups, group_count, None, |accumulator, states| {
                    accumulator.merge_batch(states).map_err(from_datafusion)
                })
            }
        }
    }

    fn finish(&mut self) -> Result<ArrayRef> {
        let results = match &mut self.kind {
            Kind::Together(accumulator) => accumulator.evaluate(EmitTo::All).map_err(from_datafusion)?,
            Kind::Apart(accumulators) => accumulators.finish()?,
        };
        self.forget()?;
        cast_array(&results, &self.result, false)
    }

    fn size(&self) -> usize {
        match &self.kind {
            Kind::Together(accumulator) => accumulator.size(),
            Kind::Apart(accumulators) => accumulators.bytes,
        }
    }
}

/// An accumulator for each group.
struct PerGroup {
    expression: Arc<AggregateFunctionExpr>,
    groups: Vec<Box<dyn Accumulator>>,
    bytes: usize,
}

impl PerGroup {
    /// Brings each group's rows together and gives them to its accumulator, in their order.
    fn feed(
        &mut self,
        values: &[ArrayRef],
        groups: &[u32],
        group_count: usize,
        mask: Option<&BooleanArray>,
        add: impl Fn(&mut dyn Accumulator, &[ArrayRef]) -> Result<()>,
    ) -> Result<()> {
        self.grow(group_count)?;
        let wanted = |row: usize| mask.is_none_or(|mask| mask.is_valid(row) && mask.value(row));
        if groups.windows(2).all(|pair| pair[0] == pair[1]) {
            let Some(&group) = groups.first() else {
                return Ok(());
            };
            return match mask {
                None => self.add(group, values, &add),
                Some(mask) => {
                    let kept: Result<Vec<ArrayRef>> =
                        values.iter().map(|value| Ok(filter(value.as_ref(), mask)?)).collect();
                    self.add(group, &kept?, &add)
                }
            };
        }
        let mut order: Vec<u32> = (0..groups.len() as u32).filter(|&row| wanted(row as usize)).collect();
        order.sort_by_key(|&row| groups[row as usize]);
        let sorted: Vec<u32> = order.iter().map(|&row| groups[row as usize]).collect();
        let values = take_arrays(values, &UInt32Array::from(order), None)?;
        let mut start = 0;
        for run in sorted.chunk_by(|a, b| a == b) {
            let slice: Vec<ArrayRef> = values.iter().map(|value| value.slice(start, run.len())).collect();
            self.add(run[0], &slice, &add)?;
            start += run.len();
        }
        Ok(())
    }

    fn add(
        &mut self,
        group: u32,
        values: &[ArrayRef],
        add: impl Fn(&mut dyn Accumulator, &[ArrayRef]) -> Result<()>,
    ) -> Result<()> {
        let accumulator = self.groups[group as usize].as_mut();
        let before = accumulator.size();
        add(accumulator, values)?;
        self.bytes = (self.bytes + accumulator.size()).saturating_sub(before);
        Ok(())
    }

    fn grow(&mut self, group_count: usize) -> Result<()> {
        while self.groups.len() < group_count {
            let accumulator = self.expression.create_accumulator().map_err(from_datafusion)?;
            self.bytes += accumulator.size();
            self.groups.push(accumulator);
        }
        Ok(())
    }

    fn take(&mut self) -> Vec<Box<dyn Accumulator>> {
        self.bytes = 0;
        std::mem::take(&mut self.groups)
    }

    fn take_states(&mut self) -> Result<Vec<ArrayRef>> {
        let fields = self.expression.state_fields().map_err(from_datafusion)?;
        let mut columns: Vec<Vec<ScalarValue>> = vec![Vec::new(); fields.len()];
        for mut accumulator in self.take() {
            let state = accumulator.state().map_err(from_datafusion)?;
            columns.iter_mut().zip(state).for_each(|(column, value)| column.push(value));
        }
        columns.into_iter().zip(&fields).map(|(column, field)| column_of(column, field.data_type())).collect()
    }

    fn finish(&mut self) -> Result<ArrayRef> {
        let data_type = self.expression.field().data_type().clone();
        let results: Vec<ScalarValue> = self
            .take()
            .iter_mut()
            .map(|accumulator| accumulator.evaluate().map_err(from_datafusion))
            .collect::<Result<_>>()?;
        column_of(results, &data_type)
    }
}

fn column_of(values: Vec<ScalarValue>, data_type: &DataType) -> Result<ArrayRef> {
    if values.is_empty() {
        return Ok(new_empty_array(data_type));
    }
    ScalarValue::iter_to_array(values).map_err(from_datafusion)
}
