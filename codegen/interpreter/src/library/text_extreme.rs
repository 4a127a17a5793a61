//! `min` and `max` of text: the best one so far of each group, kept in memory of its own.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, BooleanArray, StringViewArray};
use arrow::datatypes::DataType;
use nyala_pipeline::library::GroupAccumulator;
use nyala_schema::{Error, Result};

use crate::kernel::cast::cast_array;

pub(super) struct TextExtreme {
    greatest: bool,
    groups: Vec<Option<String>>,
    bytes: usize,
}

impl TextExtreme {
    pub fn new(greatest: bool) -> Self {
        Self { greatest, groups: Vec::new(), bytes: 0 }
    }

    fn add(
        &mut self,
        texts: &ArrayRef,
        groups: &[u32],
        group_count: usize,
        mask: Option<&BooleanArray>,
    ) -> Result<()> {
        if self.groups.len() < group_count {
            self.groups.resize(group_count, None);
        }
        let texts = cast_array(texts, &DataType::Utf8View, false)?;
        let texts: &StringViewArray = texts.as_string_view();
        for (row, &group) in groups.iter().enumerate() {
            if texts.is_null(row) || mask.is_some_and(|mask| mask.is_null(row) || !mask.value(row)) {
                continue;
            }
            let text = texts.value(row);
            match &mut self.groups[group as usize] {
                Some(best) => {
                    let better = if self.greatest { text > best.as_str() } else { text < best.as_str() };
                    if better {
                        let before = best.capacity();
                        best.clear();
                        best.push_str(text);
                        self.bytes += best.capacity() - before;
                    }
                }
                empty => {
                    *empty = Some(text.to_owned());
                    self.bytes += text.len();
                }
            }
        }
        Ok(())
    }
}

impl GroupAccumulator for TextExtreme {
    fn update(
        &mut self,
        arguments: &[ArrayRef],
        _order_by: &[ArrayRef],
        groups: &[u32],
        group_count: usize,
        filter: Option<&BooleanArray>,
    ) -> Result<()> {
        match arguments {
            [texts] => self.add(texts, groups, group_count, filter),
            _ => Err(Error::internal("the extreme of text has one argument")),
        }
    }

    fn take_states(&mut self) -> Result<Vec<ArrayRef>> {
        Ok(vec![self.finish()?])
    }

    fn merge(&mut self, states: &[ArrayRef], groups: &[u32], group_count: usize) -> Result<()> {
        self.update(states, &[], groups, group_count, None)
    }

    fn finish(&mut self) -> Result<ArrayRef> {
        self.bytes = 0;
        Ok(Arc::new(StringViewArray::from_iter(std::mem::take(&mut self.groups))))
    }

    fn size(&self) -> usize {
        self.bytes + self.groups.capacity() * size_of::<Option<String>>()
    }
}
