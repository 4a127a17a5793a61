//! Lists to rows.

use arrow::array::{Array, ArrayRef, AsArray, UInt32Array};
use arrow::datatypes::DataType;
use nyala_schema::operator::UnnestColumn;
use nyala_schema::{Error, Result};

use crate::column::chunk::take;
use crate::column::{Chunk, Column, Indices};
use crate::step::StepWorker;

/// Input rows that are unnested at once: lists may be long.
const ROWS_AT_ONCE: usize = 1024;

pub(crate) struct UnnestStep {
    columns: Vec<UnnestColumn>,
    preserve_nulls: bool,
    chunk: Option<Chunk>,
    next: usize,
}

impl UnnestStep {
    pub(crate) fn new(columns: &[UnnestColumn], preserve_nulls: bool) -> Self {
        Self { columns: columns.to_vec(), preserve_nulls, chunk: None, next: 0 }
    }

    /// The innermost lists last: in each round those that are deep enough lose one level.
    fn unnest(&self, mut chunk: Chunk) -> Result<Chunk> {
        let depth = self.columns.iter().map(|column| column.depth).max().unwrap_or(1).max(1);
        for level in (1..=depth).rev() {
            let columns: Vec<usize> =
                self.columns.iter().filter(|column| column.depth.max(1) >= level).map(|c| c.index).collect();
            chunk = unnest_level(chunk, &columns, self.preserve_nulls)?;
        }
        Ok(chunk)
    }
}

impl StepWorker for UnnestStep {
    fn push(&mut self, chunk: Chunk) -> Result<()> {
        self.chunk = Some(chunk);
        self.next = 0;
        Ok(())
    }

    fn next(&mut self) -> Result<Option<Chunk>> {
        let Some(chunk) = &self.chunk else { return Ok(None) };
        if self.next >= chunk.rows {
            self.chunk = None;
            return Ok(None);
        }
        let rows = ROWS_AT_ONCE.min(chunk.rows - self.next);
        let part = chunk.slice(self.next, rows);
        self.next += rows;
        self.unnest(part).map(Some)
    }
}

/// A column of lists: all elements, and where each row's begin and how many they are.
struct Lists {
    elements: ArrayRef,
    begins: Vec<usize>,
    /// `None` for a NULL list.
    lengths: Vec<Option<usize>>,
}

impl Lists {
    fn of(array: &ArrayRef) -> Result<Self> {
        let length = |row: usize, length: usize| array.is_valid(row).then_some(length);
        let (elements, begins, lengths): (ArrayRef, Vec<usize>, Vec<Option<usize>>) = match array.data_type()
        {
            DataType::List(_) => {
                let list = array.as_list::<i32>();
                let offsets = list.value_offsets();
                let lengths = offsets.windows(2).enumerate().map(|(i, w)| length(i, (w[1] - w[0]) as usize));
                let begins = offsets[..list.len()].iter().map(|&offset| offset as usize).collect();
                (list.values().clone(), begins, lengths.collect())
            }
            DataType::LargeList(_) => {
                let list = array.as_list::<i64>();
                let offsets = list.value_offsets();
                let lengths = offsets.windows(2).enumerate().map(|(i, w)| length(i, (w[1] - w[0]) as usize));
                let begins = offsets[..list.len()].iter().map(|&offset| offset as usize).collect();
                (list.values().clone(), begins, lengths.collect())
            }
            DataType::FixedSizeList(..) => {
                let list = array.as_fixed_size_list();
                let size = list.value_length() as usize;
                let begins = (0..list.len()).map(|row| row * size).collect();
                (list.values().clone(), begins, (0..list.len()).map(|row| length(row, size)).collect())
            }
            other => return Err(Error::unsupported(format!("values of type {other} cannot be unnested"))),
        };
        Ok(Self { elements, begins, lengths })
    }
}

/// Each row becomes as many as its longest list has elements; shorter lists are filled with NULLs. A row whose lists
/// are all NULL gives one row when NULLs are preserved.
fn unnest_level(mut chunk: Chunk, columns: &[usize], preserve_nulls: bool) -> Result<Chunk> {
    let lists = chunk.materialise_all(columns)?.iter().map(Lists::of).collect::<Result<Vec<_>>>()?;
    let counts: Vec<usize> = (0..chunk.rows)
        .map(|row| {
            let longest = lists.iter().filter_map(|list| list.lengths[row]).max();
            longest.unwrap_or(usize::from(preserve_nulls))
        })
        .collect();
    let total: usize = counts.iter().sum();
    let mut sources = Vec::with_capacity(total);
    for (row, &count) in counts.iter().enumerate() {
        sources.resize(sources.len() + count, row as u32);
    }
    let mut result = chunk.select(&Indices::any_order(sources))?;
    for (list, &column) in lists.iter().zip(columns) {
        let mut elements: Vec<Option<u32>> = Vec::with_capacity(total);
        for (row, &count) in counts.iter().enumerate() {
            let length = list.lengths[row].unwrap_or(0);
            let begin = list.begins[row];
            elements.extend((0..count).map(|index| (index < length).then(|| (begin + index) as u32)));
        }
        let indices = Indices::from_array(UInt32Array::from(elements));
        result.columns[column] = Column::new(take(&list.elements, &indices)?);
    }
    Ok(result)
}
