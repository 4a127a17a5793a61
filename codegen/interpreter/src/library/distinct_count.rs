//! `count(DISTINCT …)` of fixed-width values and text: one hash set of (group, value) for all groups.

use std::hash::Hash;
use std::sync::Arc;

use ahash::{AHashMap, AHashSet};
use arrow::array::{
    Array, ArrayRef, ArrowPrimitiveType, AsArray, BooleanArray, Int64Array, ListArray, PrimitiveArray,
    StringViewArray,
};
use arrow::buffer::OffsetBuffer;
use arrow::datatypes::{DataType, Field};
use nyala_pipeline::library::GroupAccumulator;
use nyala_schema::{Error, Result};

use crate::kernel::cast::cast_array;
use crate::kernel::primitive::with_ordinal;

/// `None` for types without an accumulator of our own.
pub(super) fn accumulator(data_type: &DataType) -> Option<Box<dyn GroupAccumulator>> {
    if data_type == &DataType::Utf8View {
        return Some(Box::new(DistinctCount::new(data_type, Texts::default())));
    }
    with_ordinal!(data_type, T => Some(Box::new(DistinctCount::new(data_type, Numbers::<T>::default()))), _ => None)
}

/// The values seen with each group.
trait Seen: Send {
    /// Calls `new` with the group of every row whose value that group has not had.
    fn add(
        &mut self,
        values: &ArrayRef,
        groups: &[u32],
        wanted: &dyn Fn(usize) -> bool,
        new: &mut dyn FnMut(u32),
    );
    /// All values, ordered by group; leaves nothing.
    fn take(&mut self, data_type: &DataType) -> ArrayRef;
    fn size(&self) -> usize;
}

struct DistinctCount<S> {
    data_type: DataType,
    seen: S,
    counts: Vec<i64>,
}

impl<S: Seen> DistinctCount<S> {
    fn new(data_type: &DataType, seen: S) -> Self {
        Self { data_type: data_type.clone(), seen, counts: Vec::new() }
    }

    fn add(
        &mut self,
        values: &ArrayRef,
        groups: &[u32],
        group_count: usize,
        mask: Option<&BooleanArray>,
    ) -> Result<()> {
        if self.counts.len() < group_count {
            self.counts.resize(group_count, 0);
        }
        let values = cast_array(values, &self.data_type, false)?;
        let nulls = values.logical_nulls();
        let wanted = |row: usize| {
            nulls.as_ref().is_none_or(|nulls| nulls.is_valid(row))
                && mask.is_none_or(|mask| mask.is_valid(row) && mask.value(row))
        };
        let counts = &mut self.counts;
        self.seen.add(&values, groups, &wanted, &mut |group| counts[group as usize] += 1);
        Ok(())
    }
}

impl<S: Seen> GroupAccumulator for DistinctCount<S> {
    fn update(
        &mut self,
        arguments: &[ArrayRef],
        _order_by: &[ArrayRef],
        groups: &[u32],
        group_count: usize,
        filter: Option<&BooleanArray>,
    ) -> Result<()> {
        match arguments {
            [values] => self.add(values, groups, group_count, filter),
            _ => Err(Error::internal("a count of distinct values has one argument")),
        }
    }

    /// A list of each group's values.
    fn take_states(&mut self) -> Result<Vec<ArrayRef>> {
        let lengths = std::mem::take(&mut self.counts).into_iter().map(|count| count as usize);
        let offsets = OffsetBuffer::<i32>::from_lengths(lengths);
        let field = Arc::new(Field::new_list_field(self.data_type.clone(), true));
        let values = self.seen.take(&self.data_type);
        Ok(vec![Arc::new(ListArray::try_new(field, offsets, values, None)?)])
    }

    fn merge(&mut self, states: &[ArrayRef], groups: &[u32], group_count: usize) -> Result<()> {
        let lists = states
            .first()
            .and_then(|state| state.as_list_opt::<i32>())
            .ok_or_else(|| Error::internal("the state of a count of distinct values is no list"))?;
        let (first, last) = (lists.value_offsets()[0], lists.value_offsets()[lists.len()]);
        let values = lists.values().slice(first as usize, (last - first) as usize);
        let spread: Vec<u32> = groups
            .iter()
            .enumerate()
            .flat_map(|(row, &group)| std::iter::repeat_n(group, lists.value_length(row) as usize))
            .collect();
        self.add(&values, &spread, group_count, None)
    }

    fn finish(&mut self) -> Result<ArrayRef> {
        self.seen.take(&self.data_type);
        Ok(Arc::new(Int64Array::from(std::mem::take(&mut self.counts))))
    }

    fn size(&self) -> usize {
        self.seen.size() + self.counts.capacity() * size_of::<i64>()
    }
}

struct Numbers<T: ArrowPrimitiveType>(AHashSet<(u32, T::Native)>);

impl<T: ArrowPrimitiveType> Default for Numbers<T> {
    fn default() -> Self {
        Self(AHashSet::new())
    }
}

impl<T: ArrowPrimitiveType> Seen for Numbers<T>
where
    T::Native: Hash + Eq,
{
    fn add(
        &mut self,
        values: &ArrayRef,
        groups: &[u32],
        wanted: &dyn Fn(usize) -> bool,
        new: &mut dyn FnMut(u32),
    ) {
        let values = values.as_primitive::<T>().values();
        for (row, (&group, &value)) in groups.iter().zip(values).enumerate() {
            if wanted(row) && self.0.insert((group, value)) {
                new(group);
            }
        }
    }

    fn take(&mut self, data_type: &DataType) -> ArrayRef {
        let mut pairs: Vec<(u32, T::Native)> = std::mem::take(&mut self.0).into_iter().collect();
        pairs.sort_unstable_by_key(|(group, _)| *group);
        let values = PrimitiveArray::<T>::from_iter_values(pairs.into_iter().map(|(_, value)| value));
        Arc::new(values.with_data_type(data_type.clone()))
    }

    fn size(&self) -> usize {
        self.0.capacity() * (size_of::<(u32, T::Native)>() + 1)
    }
}

/// Every text is kept once, under a number.
#[derive(Default)]
struct Texts {
    numbers: AHashMap<Arc<str>, u32>,
    texts: Vec<Arc<str>>,
    seen: AHashSet<(u32, u32)>,
    bytes: usize,
}

impl Seen for Texts {
    fn add(
        &mut self,
        values: &ArrayRef,
        groups: &[u32],
        wanted: &dyn Fn(usize) -> bool,
        new: &mut dyn FnMut(u32),
    ) {
        let texts = values.as_string_view();
        for (row, &group) in groups.iter().enumerate() {
            if !wanted(row) {
                continue;
            }
            let text = texts.value(row);
            let number = match self.numbers.get(text) {
                Some(&number) => number,
                None => {
                    let number = self.texts.len() as u32;
                    let text: Arc<str> = Arc::from(text);
                    self.bytes += text.len() + 2 * size_of::<usize>();
                    self.texts.push(text.clone());
                    self.numbers.insert(text, number);
                    number
                }
            };
            if self.seen.insert((group, number)) {
                new(group);
            }
        }
    }

    fn take(&mut self, _data_type: &DataType) -> ArrayRef {
        let all = std::mem::take(self);
        let mut pairs: Vec<(u32, u32)> = all.seen.into_iter().collect();
        pairs.sort_unstable();
        Arc::new(StringViewArray::from_iter_values(
            pairs.iter().map(|(_, number)| &*all.texts[*number as usize]),
        ))
    }

    fn size(&self) -> usize {
        self.bytes
            + self.seen.capacity() * (size_of::<(u32, u32)>() + 1)
            + self.numbers.capacity() * (size_of::<(Arc<str>, u32)>() + 1)
            + self.texts.capacity() * size_of::<Arc<str>>()
    }
}
