//! Groups by keys of any types, encoded as bytes.

use std::ops::Range;

use arrow::array::ArrayRef;
use arrow::datatypes::DataType;
use arrow_row::{RowConverter, Rows, SortField};
use foldhash::fast::FixedState;
use nyala_schema::Result;

use crate::aggregate::open::OpenIndex;
use crate::column::hash::{byte_hasher, hash_bytes};
use crate::column::normal::{normal_type, normalise_all};

pub(crate) struct RowKeys {
    converter: RowConverter,
    hasher: FixedState,
    /// The encoded keys of all groups, one after the other, and where each begins.
    bytes: Vec<u8>,
    begins: Vec<usize>,
    hashes: Vec<u64>,
    table: OpenIndex,
    /// The encoded keys of the last batch.
    batch: Rows,
}

impl RowKeys {
    pub(crate) fn new(types: &[DataType]) -> Result<Self> {
        let fields = types.iter().map(|data_type| SortField::new(normal_type(data_type))).collect();
        let converter = RowConverter::new(fields)?;
        Ok(Self {
            batch: converter.empty_rows(0, 0),
            converter,
            hasher: byte_hasher(),
            bytes: Vec::new(),
            begins: vec![0],
            hashes: Vec::new(),
            table: OpenIndex::default(),
        })
    }

    pub(crate) fn len(&self) -> usize {
        self.hashes.len()
    }

    pub(crate) fn size(&self) -> usize {
        self.bytes.capacity()
            + (self.begins.capacity() + self.hashes.capacity()) * 8
            + self.table.size()
            + self.batch.size()
    }

    pub(crate) fn find(&mut self, keys: &[ArrayRef], groups: &mut Vec<u32>) -> Result<()> {
        let mut batch = std::mem::replace(&mut self.batch, self.converter.empty_rows(0, 0));
        batch.clear();
        self.converter.append(&mut batch, &normalise_all(keys)?)?;
        groups.reserve(batch.num_rows());
        for row in batch.iter() {
            let key = row.data();
            let hash = hash_bytes(&self.hasher, key);
            groups.push(self.find_one(key, hash));
        }
        self.batch = batch;
        Ok(())
    }

    #[inline]
    fn find_one(&mut self, key: &[u8], hash: u64) -> u32 {
        let (bytes, begins, hashes) = (&self.bytes, &self.begins, &self.hashes);
        let new = hashes.len() as u32;
        let group = self.table.find(hash, new, |group| {
            let group = group as usize;
            hashes[group] == hash && bytes[begins[group]..begins[group + 1]] == *key
        });
        if group == new {
            self.bytes.extend_from_slice(key);
            self.begins.push(self.bytes.len());
            self.hashes.push(hash);
        }
        group
    }

    fn key(&self, group: u32) -> &[u8] {
        &self.bytes[self.begins[group as usize]..self.begins[group as usize + 1]]
    }

    /// Makes room for so many more keys.
    pub(crate) fn reserve(&mut self, keys: usize) {
        self.table.reserve(keys);
    }

    pub(crate) fn hashes(&self) -> Vec<u64> {
        self.hashes.clone()
    }

    pub(crate) fn merge(&mut self, from: &Self, groups: &[u32], mapped: &mut Vec<u32>) {
        mapped
            .extend(groups.iter().map(|&group| self.find_one(from.key(group), from.hashes[group as usize])));
    }

    pub(crate) fn columns(&self, range: Range<u32>, types: &[DataType]) -> Result<Vec<ArrayRef>> {
        let parser = self.converter.parser();
        let columns = self.converter.convert_rows(range.map(|group| parser.parse(self.key(group))))?;
        let as_type = |(column, data_type): (ArrayRef, &DataType)| match column.data_type() == data_type {
            true => Ok(column),
            false => Ok(arrow::compute::cast(&column, data_type)?),
        };
        columns.into_iter().zip(types).map(as_type).collect()
    }
}
