//! Aggregates with ORDER BY or DISTINCT: all rows are kept, put in order and made distinct at the end, and only then
//! given to the function, which so need not know of either.

use std::sync::Arc;

use ahash::AHashSet;
use arrow::array::{Array, ArrayRef, AsArray, BooleanArray, ListArray, UInt32Array, new_empty_array};
use arrow::buffer::OffsetBuffer;
use arrow::compute::{SortOptions, concat, filter, take, take_arrays};
use arrow::datatypes::{DataType, Field};
use arrow_row::{OwnedRow, RowConverter, SortField};
use nyala_pipeline::library::GroupAccumulator;
use nyala_schema::{Error, Result};

use crate::function::library_type;
use crate::kernel::cast::cast_array;
use crate::kernel::select::truth;

/// Which columns are kept and what becomes of their rows.
pub(super) struct Shape {
    pub arguments: Vec<DataType>,
    pub order: Vec<DataType>,
    pub options: Vec<SortOptions>,
    pub distinct: bool,
}

pub(super) struct KeptRows {
    shape: Shape,
    /// Arguments, then order columns.
    types: Vec<DataType>,
    columns: Vec<Vec<ArrayRef>>,
    groups: Vec<u32>,
    group_count: usize,
    bytes: usize,
    inner: Box<dyn GroupAccumulator>,
}

impl KeptRows {
    pub fn new(shape: Shape, inner: Box<dyn GroupAccumulator>) -> Self {
        let types: Vec<DataType> = shape.arguments.iter().chain(&shape.order).map(library_type).collect();
        let columns = vec![Vec::new(); types.len()];
        Self { shape, types, columns, groups: Vec::new(), group_count: 0, bytes: 0, inner }
    }

    fn keep(&mut self, column: usize, array: &ArrayRef) -> Result<()> {
        let array = cast_array(array, &self.types[column], false)?;
        // A view would hold the buffers of the whole batch.
        let array: ArrayRef = match array.as_string_view_opt() {
            Some(views) => Arc::new(views.gc()),
            None => array,
        };
        self.bytes += array.get_array_memory_size();
        self.columns[column].push(array);
        Ok(())
    }

    /// Everything kept, as one array a column; leaves nothing.
    fn take_columns(&mut self) -> Result<(Vec<ArrayRef>, Vec<u32>)> {
        self.bytes = 0;
        let columns = self
            .columns
            .iter_mut()
            .zip(&self.types)
            .map(|(arrays, ty)| {
                let arrays = std::mem::take(arrays);
                let parts: Vec<&dyn Array> = arrays.iter().map(AsRef::as_ref).collect();
                if parts.is_empty() { Ok(new_empty_array(ty)) } else { Ok(concat(&parts)?) }
            })
            .collect::<Result<_>>()?;
        Ok((columns, std::mem::take(&mut self.groups)))
    }

    /// Row numbers in the order in which the function shall see them, without repetitions where it shall see none.
    fn arranged(&self, columns: &[ArrayRef], groups: &[u32]) -> Result<Vec<u32>> {
        let (arguments, order) = columns.split_at(self.shape.arguments.len());
        let mut rows: Vec<u32> = (0..groups.len() as u32).collect();
        if !order.is_empty() {
            let fields = self.types[arguments.len()..]
                .iter()
                .zip(&self.shape.options)
                .map(|(ty, options)| SortField::new_with_options(ty.clone(), *options))
                .collect();
            let keys = RowConverter::new(fields)?.convert_columns(order)?;
            rows.sort_by(|&a, &b| keys.row(a as usize).cmp(&keys.row(b as usize)));
        }
        if self.shape.distinct {
            let fields = self.types[..arguments.len()].iter().map(|ty| SortField::new(ty.clone())).collect();
            let values = RowConverter::new(fields)?.convert_columns(arguments)?;
            let mut seen: AHashSet<(u32, OwnedRow)> = AHashSet::with_capacity(rows.len());
            rows.retain(|&row| seen.insert((groups[row as usize], values.row(row as usize).owned())));
        }
        Ok(rows)
    }
}

impl GroupAccumulator for KeptRows {
    fn update(
        &mut self,
        arguments: &[ArrayRef],
        order_by: &[ArrayRef],
        groups: &[u32],
        group_count: usize,
        mask: Option<&BooleanArray>,
    ) -> Result<()> {
        self.group_count = self.group_count.max(group_count);
        if groups.is_empty() {
            return Ok(());
        }
        let mask = mask.map(truth);
        for (column, array) in arguments.iter().chain(order_by).take(self.types.len()).enumerate() {
            match &mask {
                Some(mask) => self.keep(column, &filter(array.as_ref(), mask)?)?,
                None => self.keep(column, array)?,
            }
        }
        match &mask {
            Some(mask) => self.groups.extend(mask.values().set_indices().map(|row| groups[row])),
            None => self.groups.extend_from_slice(groups),
        }
        Ok(())
    }

    /// A list of each group's rows for every column.
    fn take_states(&mut self) -> Result<Vec<ArrayRef>> {
        let (columns, groups) = self.take_columns()?;
        let count = std::mem::take(&mut self.group_count);
        let mut rows: Vec<u32> = (0..groups.len() as u32).collect();
        rows.sort_by_key(|&row| groups[row as usize]);
        let mut lengths = vec![0; count];
        groups.iter().for_each(|&group| lengths[group as usize] += 1);
        let offsets = OffsetBuffer::<i32>::from_lengths(lengths);
        let rows = UInt32Array::from(rows);
        columns
            .iter()
            .map(|column| {
                let field = Arc::new(Field::new_list_field(column.data_type().clone(), true));
                let list = ListArray::try_new(field, offsets.clone(), take(column, &rows, None)?, None)?;
                Ok(Arc::new(list) as ArrayRef)
            })
            .collect()
    }

    fn merge(&mut self, states: &[ArrayRef], groups: &[u32], group_count: usize) -> Result<()> {
        self.group_count = self.group_count.max(group_count);
        for (column, state) in states.iter().enumerate() {
            let lists = state
                .as_list_opt::<i32>()
                .ok_or_else(|| Error::internal("the state of an ordered aggregate is no list"))?;
            let (first, last) = (lists.value_offsets()[0], lists.value_offsets()[lists.len()]);
            self.keep(column, &lists.values().slice(first as usize, (last - first) as usize))?;
            if column == 0 {
                for (row, &group) in groups.iter().enumerate() {
                    let length = lists.value_length(row) as usize;
                    self.groups.extend(std::iter::repeat_n(group, length));
                }
            }
        }
        Ok(())
    }

    fn finish(&mut self) -> Result<ArrayRef> {
        let (columns, groups) = self.take_columns()?;
        let rows = self.arranged(&columns, &groups)?;
        let ordered: Vec<u32> = rows.iter().map(|&row| groups[row as usize]).collect();
        let arguments = &columns[..self.shape.arguments.len()];
        let arguments = take_arrays(arguments, &UInt32Array::from(rows), None)?;
        let count = std::mem::take(&mut self.group_count);
        self.inner.update(&arguments, &[], &ordered, count, None)?;
        self.inner.finish()
    }

    fn size(&self) -> usize {
        self.bytes + self.groups.capacity() * size_of::<u32>() + self.inner.size()
    }
}
