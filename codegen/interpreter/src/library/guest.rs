//! Users' aggregates, which run in the sandbox.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, BooleanArray, UInt32Array};
use arrow::buffer::NullBuffer;
use arrow::compute::filter;
use arrow::datatypes::{DataType, UInt32Type};
use nyala_pipeline::library::GroupAccumulator;
use nyala_pipeline::state::{LibraryAggregate, physical_type};
use nyala_pipeline::{Guests, exact_type};
use nyala_schema::guest::GuestFunction;
use nyala_schema::{Error, Result};

use super::aggregate::options;
use super::kept_rows::{KeptRows, Shape};
use crate::function::find_guests;
use crate::kernel::cast::cast_array;
use crate::kernel::select::truth;

/// # Errors
/// Unsupported without a sandbox; those of finding the function.
pub(super) fn accumulator(
    guests: Option<&Arc<dyn Guests>>,
    function: &Arc<GuestFunction>,
    aggregate: &LibraryAggregate,
) -> Result<Box<dyn GroupAccumulator>> {
    let call = &aggregate.call;
    let inner = GuestAccumulator::new(guests, function, call.ignore_nulls, physical_type(&call.data_type))?;
    if !call.distinct && call.order_by.is_empty() {
        return Ok(Box::new(inner));
    }
    let shape = Shape {
        arguments: aggregate.argument_types.iter().map(|ty| ty.data_type.clone()).collect(),
        order: aggregate.order_types.iter().map(|ty| ty.data_type.clone()).collect(),
        options: call.order_by.iter().map(options).collect(),
        distinct: call.distinct && !aggregate.argument_types.is_empty(),
    };
    Ok(Box::new(KeptRows::new(shape, Box::new(inner))))
}

/// Gives the guest only the rows that it shall see: FILTER and strictness are decided here.
pub(super) struct GuestAccumulator {
    inner: Box<dyn GroupAccumulator>,
    function: Arc<GuestFunction>,
    skips_nulls: bool,
    result: DataType,
    /// As many as the guest has been told of.
    group_count: usize,
}

impl GuestAccumulator {
    /// # Errors
    /// Unsupported without a sandbox; those of finding the function.
    pub fn new(
        guests: Option<&Arc<dyn Guests>>,
        function: &Arc<GuestFunction>,
        ignore_nulls: bool,
        result: DataType,
    ) -> Result<Self> {
        let inner = find_guests(guests, &function.code)?.aggregate(function)?;
        let skips_nulls = function.strict || ignore_nulls;
        Ok(Self { inner, function: function.clone(), skips_nulls, result, group_count: 0 })
    }

    fn exact(&self, arguments: &[ArrayRef]) -> Result<Vec<ArrayRef>> {
        let types = self.function.arguments.iter().map(exact_type);
        arguments.iter().zip(types).map(|(argument, ty)| cast_array(argument, &ty, false)).collect()
    }

    /// The rows to be given; `None` means all.
    fn wanted(&self, arguments: &[ArrayRef], mask: Option<&BooleanArray>) -> Option<BooleanArray> {
        let mask = mask.map(|mask| NullBuffer::new(truth(mask).values().clone()));
        let valid = arguments.iter().filter(|_| self.skips_nulls).fold(mask, |valid, argument| {
            NullBuffer::union(valid.as_ref(), argument.logical_nulls().as_ref())
        });
        let valid = valid.filter(|valid| valid.null_count() > 0)?;
        Some(BooleanArray::new(valid.into_inner(), None))
    }
}

impl GroupAccumulator for GuestAccumulator {
    fn update(
        &mut self,
        arguments: &[ArrayRef],
        _order_by: &[ArrayRef],
        groups: &[u32],
        group_count: usize,
        mask: Option<&BooleanArray>,
    ) -> Result<()> {
        let arguments = self.exact(arguments)?;
        let Some(wanted) = self.wanted(&arguments, mask) else {
            // A guest is not called to be told nothing.
            if groups.is_empty() && group_count <= self.group_count {
                return Ok(());
            }
            self.group_count = self.group_count.max(group_count);
            return self.inner.update(&arguments, &[], groups, group_count, None);
        };
        let kept = arguments.iter().map(|argument| Ok(filter(argument.as_ref(), &wanted)?));
        let kept = kept.collect::<Result<Vec<ArrayRef>>>()?;
        let groups = filter(&UInt32Array::from(groups.to_vec()), &wanted)?;
        let groups = groups.as_primitive::<UInt32Type>().values();
        if groups.is_empty() && group_count <= self.group_count {
            return Ok(());
        }
        self.group_count = self.group_count.max(group_count);
        self.inner.update(&kept, &[], groups, group_count, None)
    }

    fn take_states(&mut self) -> Result<Vec<ArrayRef>> {
        let states = self.inner.take_states()?;
        let wrong = states.iter().find(|column| column.len() != self.group_count).map(|column| column.len());
        match wrong {
            Some(rows) => Err(self.wrong_count("states", rows)),
            None => {
                self.group_count = 0;
                Ok(states)
            }
        }
    }

    fn merge(&mut self, states: &[ArrayRef], groups: &[u32], group_count: usize) -> Result<()> {
        self.group_count = self.group_count.max(group_count);
        self.inner.merge(states, groups, group_count)
    }

    fn finish(&mut self) -> Result<ArrayRef> {
        let results = self.inner.finish()?;
        if results.len() != self.group_count {
            return Err(self.wrong_count("results", results.len()));
        }
        self.group_count = 0;
        cast_array(&results, &self.result, false)
    }

    fn size(&self) -> usize {
        self.inner.size()
    }
}

impl GuestAccumulator {
    fn wrong_count(&self, what: &str, given: usize) -> Error {
        Error::internal(format!("{} gave {given} {what} for {} groups", self.function, self.group_count))
    }
}
