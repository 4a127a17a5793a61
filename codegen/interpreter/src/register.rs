//! A computed value: a column, or one value that stands for every row.

use arrow::array::{Array, ArrayRef, BooleanArray, Datum, UInt32Array, new_null_array};
use arrow::buffer::NullBuffer;
use arrow::compute::take;
use arrow::datatypes::DataType;
use nyala_schema::{Error, Result};

#[derive(Clone, Debug)]
pub(crate) enum Register {
    /// As long as the frame has rows.
    Column(ArrayRef),
    /// One row.
    Constant(ArrayRef),
}

impl Register {
    /// The result of a kernel whose operands were all constant, or not.
    pub fn new(array: ArrayRef, constant: bool) -> Self {
        if constant { Self::Constant(array) } else { Self::Column(array) }
    }

    pub fn null(data_type: &DataType) -> Self {
        Self::Constant(new_null_array(data_type, 1))
    }

    pub fn array(&self) -> &ArrayRef {
        match self {
            Self::Column(array) | Self::Constant(array) => array,
        }
    }

    pub fn data_type(&self) -> &DataType {
        self.array().data_type()
    }

    pub fn is_constant(&self) -> bool {
        matches!(self, Self::Constant(_))
    }

    /// NULL for every row, known without looking at rows.
    pub fn is_null_constant(&self) -> bool {
        matches!(self, Self::Constant(array) if array.logical_null_count() == 1)
    }

    pub fn is_dictionary(&self) -> bool {
        matches!(self, Self::Column(array) if matches!(array.data_type(), DataType::Dictionary(..)))
    }

    /// Where values are missing; `None` also for a constant.
    pub fn nulls(&self) -> Option<NullBuffer> {
        match self {
            Self::Column(array) => array.logical_nulls().filter(|nulls| nulls.null_count() > 0),
            Self::Constant(_) => None,
        }
    }

    pub fn boolean(&self) -> Result<&BooleanArray> {
        self.array().as_any().downcast_ref().ok_or_else(|| {
            Error::internal(format!("a Boolean is needed, the value has type {}", self.data_type()))
        })
    }

    /// As a column of `rows` rows.
    pub fn into_column(self, rows: usize) -> Result<ArrayRef> {
        match self {
            Self::Column(array) => Ok(array),
            Self::Constant(array) if rows == 1 => Ok(array),
            Self::Constant(array) => Ok(take(&array, &UInt32Array::from(vec![0; rows]), None)?),
        }
    }

    /// Applies `change` to the array and keeps the kind.
    pub fn map(&self, change: impl FnOnce(&ArrayRef) -> Result<ArrayRef>) -> Result<Self> {
        Ok(Self::new(change(self.array())?, self.is_constant()))
    }
}

impl Datum for Register {
    fn get(&self) -> (&dyn Array, bool) {
        (self.array().as_ref(), self.is_constant())
    }
}
