//! Columns by number: each has one identity from where it is made to the result.

use arrow::datatypes::DataType;
use nyala_schema::scan::physical_type;

use crate::estimate::ColumnEstimate;

/// Index into [`Columns`]. Until operators are emitted, `Expr::Column::index` holds one of these.
pub type ColumnId = usize;

#[derive(Debug, Clone)]
pub struct ColumnInfo {
    /// For people.
    pub name: String,
    pub data_type: DataType,
    /// Where the column is made; outer joins above may add NULLs.
    pub nullable: bool,
    pub estimate: ColumnEstimate,
}

/// All columns of one query.
#[derive(Debug, Clone, Default)]
pub struct Columns(Vec<ColumnInfo>);

impl Columns {
    pub fn add(&mut self, info: ColumnInfo) -> ColumnId {
        self.0.push(info);
        self.0.len() - 1
    }

    /// A column of which nothing is known yet but its type.
    pub fn add_new(&mut self, name: impl Into<String>, data_type: DataType, nullable: bool) -> ColumnId {
        let estimate = ColumnEstimate::unknown(&data_type);
        self.add(ColumnInfo { name: name.into(), data_type, nullable, estimate })
    }

    pub fn get(&self, id: ColumnId) -> &ColumnInfo {
        &self.0[id]
    }

    pub fn estimate(&self, id: ColumnId) -> &ColumnEstimate {
        &self.0[id].estimate
    }

    pub fn estimate_mut(&mut self, id: ColumnId) -> &mut ColumnEstimate {
        &mut self.0[id].estimate
    }
}

/// A set of columns.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ColumnSet(Vec<u64>);

const WORD_BITS: usize = 64;

impl ColumnSet {
    pub fn insert(&mut self, id: ColumnId) {
        let word = id / WORD_BITS;
        if word >= self.0.len() {
            self.0.resize(word + 1, 0);
        }
        self.0[word] |= 1 << (id % WORD_BITS);
    }

    pub fn remove(&mut self, id: ColumnId) {
        if let Some(word) = self.0.get_mut(id / WORD_BITS) {
            *word &= !(1 << (id % WORD_BITS));
        }
    }

    pub fn contains(&self, id: ColumnId) -> bool {
        self.0.get(id / WORD_BITS).is_some_and(|word| word >> (id % WORD_BITS) & 1 == 1)
    }

    pub fn iter(&self) -> impl Iterator<Item = ColumnId> + '_ {
        self.0.iter().enumerate().flat_map(|(index, &word)| {
            (0..WORD_BITS).filter(move |bit| word >> bit & 1 == 1).map(move |bit| index * WORD_BITS + bit)
        })
    }

    /// Adds the columns that `expr` reads.
    pub fn insert_used(&mut self, expr: &nyala_schema::Expr) {
        expr.for_each_column(&mut |id| self.insert(id));
    }
}

impl FromIterator<ColumnId> for ColumnSet {
    fn from_iter<I: IntoIterator<Item = ColumnId>>(ids: I) -> Self {
        let mut set = Self::default();
        ids.into_iter().for_each(|id| set.insert(id));
        set
    }
}

impl Extend<ColumnId> for ColumnSet {
    fn extend<I: IntoIterator<Item = ColumnId>>(&mut self, ids: I) {
        ids.into_iter().for_each(|id| self.insert(id));
    }
}

/// The type in which plans hold values of `data_type`: text and binary as views, dictionaries as their values.
/// Decimals stay `Decimal128`: narrowing them is the pipelines' business.
pub fn plan_type(data_type: &DataType) -> DataType {
    match data_type {
        DataType::Dictionary(_, value) => plan_type(value),
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Binary | DataType::LargeBinary => {
            physical_type(data_type)
        }
        other => other.clone(),
    }
}
