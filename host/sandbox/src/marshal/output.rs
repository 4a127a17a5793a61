//! Guest to Arrow: nothing that a guest says is believed before it has been checked.

use std::sync::Arc;

use arrow::array::{
    ArrayData, ArrayRef, BooleanArray, GenericByteArray, ListArray, PrimitiveArray, StructArray, make_array,
};
use arrow::buffer::{BooleanBuffer, Buffer, NullBuffer, OffsetBuffer, ScalarBuffer};
use arrow::datatypes::{
    BinaryType, BinaryViewType, ByteArrayType, DataType, Decimal32Type, Decimal128Type, Field, Fields,
    StringViewType, Utf8Type,
};
use nyala_guest_abi::{BATCH_BYTES, Batch, COLUMN_BYTES, Column, Kind};

use super::{kind, state_type, text};
use crate::guest::ROWS_MAX;

/// What is wrong with a result, for the error that names the function.
pub(crate) type Nonsense = String;

const MICROSECONDS_A_DAY: i64 = 86_400_000_000;

/// Reads from a guest's memory, up to a number of bytes.
pub(crate) struct Reader<'a> {
    memory: &'a [u8],
    /// What may still be copied.
    budget: u64,
    budget_whole: u64,
}

impl<'a> Reader<'a> {
    pub(crate) fn new(memory: &'a [u8], output_bytes_max: u64) -> Self {
        Self { memory, budget: output_bytes_max, budget_whole: output_bytes_max }
    }

    /// Whether the reason of a failure is the size of the output.
    pub(crate) fn is_spent(&self) -> bool {
        self.budget == 0
    }

    fn bytes(&mut self, what: &str, pointer: u32, length: usize) -> Result<&'a [u8], Nonsense> {
        let start = pointer as usize;
        let bytes =
            start.checked_add(length).and_then(|end| self.memory.get(start..end)).ok_or_else(|| {
                format!(
                    "{what}: {length} bytes at {pointer} are not within the memory of {} bytes",
                    self.memory.len()
                )
            })?;
        self.charge(length as u64)?;
        Ok(bytes)
    }

    fn charge(&mut self, bytes: u64) -> Result<(), Nonsense> {
        match self.budget.checked_sub(bytes) {
            Some(left) => self.budget = left,
            None => {
                self.budget = 0;
                return Err(format!("the result has more than {} bytes", self.budget_whole));
            }
        }
        Ok(())
    }

    fn words<const N: usize>(&mut self, what: &str, pointer: u32) -> Result<[u32; N], Nonsense> {
        let bytes = self.bytes(what, pointer, 4 * N)?;
        let mut words = [0; N];
        for (word, bytes) in words.iter_mut().zip(bytes.chunks_exact(4)) {
            *word = u32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]);
        }
        Ok(words)
    }

    /// The batch at `pointer`; its columns are still to be read.
    pub(crate) fn batch(&mut self, pointer: u32) -> Result<Batch, Nonsense> {
        const _: () = assert!(BATCH_BYTES == 12);
        let [columns, column_count, rows] = self.words("batch", pointer)?;
        Ok(Batch { columns, column_count, rows })
    }

    /// Columns of the types given.
    pub(crate) fn columns(&mut self, batch: &Batch, types: &[DataType]) -> Result<Vec<ArrayRef>, Nonsense> {
        if batch.column_count as usize != types.len() {
            return Err(format!("the result has {} columns instead of {}", batch.column_count, types.len()));
        }
        let rows = batch.rows as usize;
        if rows > ROWS_MAX {
            return Err(format!("the result has {rows} rows; {ROWS_MAX} are allowed at once"));
        }
        (0..)
            .zip(types)
            .map(|(index, data_type)| self.column(nth(batch.columns, index)?, data_type, rows))
            .collect()
    }

    /// Columns of whatever kinds they say that they are.
    pub(crate) fn states(&mut self, batch: &Batch) -> Result<Vec<ArrayRef>, Nonsense> {
        const STATE_COLUMNS_MAX: u32 = 1024;
        if batch.column_count > STATE_COLUMNS_MAX {
            return Err(format!(
                "the state has {} columns; {STATE_COLUMNS_MAX} are allowed",
                batch.column_count
            ));
        }
        let rows = batch.rows as usize;
        (0..batch.column_count)
            .map(|index| {
                let pointer = nth(batch.columns, index)?;
                let [found] = self.words("column", pointer)?;
                let data_type = Kind::from_u32(found).and_then(state_type).ok_or_else(|| {
                    format!("a state has a column of kind {found}, which is none for states")
                })?;
                self.column(pointer, &data_type, rows)
            })
            .collect()
    }

    /// The column whose 32 bytes are at `pointer`.
    pub(crate) fn column(
        &mut self,
        pointer: u32,
        data_type: &DataType,
        rows: usize,
    ) -> Result<ArrayRef, Nonsense> {
        const _: () = assert!(COLUMN_BYTES == 32);
        let [found, rows_found, validity, values, offsets, values_len, children, child_count] =
            self.words("column", pointer)?;
        let column = Column {
            kind: found,
            rows: rows_found,
            validity,
            values,
            offsets,
            values_len,
            children,
            child_count,
        };
        let wanted = kind(data_type).map_err(|error| error.message().to_owned())?;
        if found != wanted as u32 {
            let found = Kind::from_u32(found).map_or_else(|| found.to_string(), |kind| format!("{kind:?}"));
            return Err(format!("the result has kind {found} instead of {wanted:?}, as {data_type} needs"));
        }
        if column.rows as usize != rows {
            return Err(format!("the result has {} rows instead of {rows}", column.rows));
        }
        let nulls = match column.validity {
            0 => None,
            pointer => {
                let bits = self.bitmap("validity", pointer, rows)?;
                Some(NullBuffer::new(bits)).filter(|nulls| nulls.null_count() > 0)
            }
        };
        match wanted {
            Kind::Boolean => {
                let bits = self.bitmap("values", column.values, rows)?;
                Ok(Arc::new(BooleanArray::new(bits, nulls)))
            }
            Kind::Text | Kind::Binary => self.text(&column, data_type, nulls),
            Kind::List => self.list(&column, data_type, nulls),
            Kind::Struct => self.structure(&column, data_type, nulls),
            Kind::Int8
            | Kind::Int16
            | Kind::Int32
            | Kind::Int64
            | Kind::UInt32
            | Kind::Float32
            | Kind::Float64
            | Kind::Int128
            | Kind::Interval => self.values(&column, data_type, wanted.width(), nulls),
        }
    }

    fn bitmap(&mut self, what: &str, pointer: u32, rows: usize) -> Result<BooleanBuffer, Nonsense> {
        let bytes = self.bytes(what, pointer, rows.div_ceil(8))?;
        Ok(BooleanBuffer::new(Buffer::from(bytes), 0, rows))
    }

    fn values(
        &mut self,
        column: &Column,
        data_type: &DataType,
        width: usize,
        nulls: Option<NullBuffer>,
    ) -> Result<ArrayRef, Nonsense> {
        let rows = column.rows as usize;
        let bytes = Buffer::from(self.bytes("values", column.values, rows * width)?);
        let int64 = || ScalarBuffer::<i64>::new(bytes.clone(), 0, rows);
        match data_type {
            DataType::Decimal32(digits, _) => {
                within(&int64(), nulls.as_ref(), 10_i64.pow(u32::from(*digits)), data_type)?;
                let narrow: ScalarBuffer<i32> = int64().iter().map(|value| *value as i32).collect();
                let array = PrimitiveArray::<Decimal32Type>::new(narrow, nulls);
                return Ok(Arc::new(array.with_data_type(data_type.clone())));
            }
            DataType::Decimal64(digits, _) => {
                within(&int64(), nulls.as_ref(), 10_i64.pow(u32::from(*digits)), data_type)?;
            }
            DataType::Decimal128(digits, _) if width == 8 => {
                within(&int64(), nulls.as_ref(), 10_i64.pow(u32::from(*digits)), data_type)?;
                let wide: ScalarBuffer<i128> = int64().iter().map(|value| i128::from(*value)).collect();
                let array = PrimitiveArray::<Decimal128Type>::new(wide, nulls);
                return Ok(Arc::new(array.with_data_type(data_type.clone())));
            }
            DataType::Decimal128(digits, _) => {
                let values = ScalarBuffer::<i128>::new(bytes.clone(), 0, rows);
                within(&values, nulls.as_ref(), 10_i128.pow(u32::from(*digits)), data_type)?;
            }
            DataType::Time64(_) => {
                let values = int64();
                let is_time = |value: &i64| (0..MICROSECONDS_A_DAY).contains(value);
                if !all_valid(&values, nulls.as_ref(), is_time) {
                    return Err("the result has a TIME that is not within a day".to_owned());
                }
            }
            _ => {}
        }
        let builder = ArrayData::builder(data_type.clone()).len(rows).add_buffer(bytes).nulls(nulls);
        builder.build().map(make_array).map_err(|error| error.to_string())
    }

    fn offsets(&mut self, column: &Column) -> Result<ScalarBuffer<i32>, Nonsense> {
        let count = column.rows as usize + 1;
        let bytes = self.bytes("offsets", column.offsets, count * 4)?;
        let offsets = ScalarBuffer::<i32>::new(Buffer::from(bytes), 0, count);
        if offsets[0] != 0 {
            return Err(format!("the offsets of the result begin with {} instead of 0", offsets[0]));
        }
        // Without a way out early, so that it is vectorised; the row is looked for only when there is one.
        let ascends = offsets.windows(2).fold(true, |ascends, pair| ascends & (pair[0] <= pair[1]));
        if !ascends {
            let row = offsets.windows(2).position(|pair| pair[0] > pair[1]).unwrap_or_default();
            return Err(format!(
                "the offsets of the result do not ascend: {} after {} at row {row}",
                offsets[row + 1],
                offsets[row]
            ));
        }
        Ok(offsets)
    }

    fn text(
        &mut self,
        column: &Column,
        data_type: &DataType,
        nulls: Option<NullBuffer>,
    ) -> Result<ArrayRef, Nonsense> {
        let offsets = self.offsets(column)?;
        let length = offsets[offsets.len() - 1] as u32;
        if length > column.values_len {
            return Err(format!(
                "the offsets of the result end at {length}, but it has {} bytes",
                column.values_len
            ));
        }
        let values = self.bytes("values", column.values, length as usize)?;
        let is_text = matches!(data_type, DataType::Utf8 | DataType::Utf8View);
        if is_text && !text::is_text(&offsets, values) {
            return Err("the result is not UTF-8".to_owned());
        }
        let beyond = &self.memory[column.values as usize..];
        Ok(match data_type {
            DataType::Utf8View => Arc::new(text::views::<StringViewType>(&offsets, beyond, nulls)),
            DataType::BinaryView => Arc::new(text::views::<BinaryViewType>(&offsets, beyond, nulls)),
            DataType::Utf8 => Arc::new(plain::<Utf8Type>(offsets, values, nulls)?),
            _ => Arc::new(plain::<BinaryType>(offsets, values, nulls)?),
        })
    }

    fn list(
        &mut self,
        column: &Column,
        data_type: &DataType,
        nulls: Option<NullBuffer>,
    ) -> Result<ArrayRef, Nonsense> {
        let DataType::List(element) = data_type else { return Err(not_nested(data_type)) };
        let offsets = self.offsets(column)?;
        if column.child_count != 1 {
            return Err(format!("a list has {} columns of elements instead of 1", column.child_count));
        }
        let elements = offsets[offsets.len() - 1] as usize;
        let values = self.child(column.children, element, elements)?;
        let offsets = OffsetBuffer::new(offsets);
        let list = ListArray::try_new(element.clone(), offsets, values, nulls);
        list.map(|list| Arc::new(list) as ArrayRef).map_err(|error| error.to_string())
    }

    fn structure(
        &mut self,
        column: &Column,
        data_type: &DataType,
        nulls: Option<NullBuffer>,
    ) -> Result<ArrayRef, Nonsense> {
        let DataType::Struct(fields) = data_type else { return Err(not_nested(data_type)) };
        if column.child_count as usize != fields.len() {
            return Err(format!("a struct has {} fields instead of {}", column.child_count, fields.len()));
        }
        let rows = column.rows as usize;
        let children = (0..)
            .zip(fields)
            .map(|(index, field)| self.child(nth(column.children, index)?, field, rows))
            .collect::<Result<Vec<_>, _>>()?;
        let array = StructArray::try_new_with_length(Fields::clone(fields), children, nulls, rows);
        array.map(|array| Arc::new(array) as ArrayRef).map_err(|error| error.to_string())
    }

    fn child(&mut self, pointer: u32, field: &Field, rows: usize) -> Result<ArrayRef, Nonsense> {
        self.column(pointer, field.data_type(), rows).map_err(|error| format!("{}: {error}", field.name()))
    }
}

fn not_nested(data_type: &DataType) -> Nonsense {
    format!("{data_type} has no columns in it")
}

fn nth(first: u32, index: u32) -> Result<u32, Nonsense> {
    index
        .checked_mul(COLUMN_BYTES)
        .and_then(|offset| first.checked_add(offset))
        .ok_or_else(|| format!("the columns at {first} reach beyond the end of the memory"))
}

fn plain<T: ByteArrayType<Offset = i32>>(
    offsets: ScalarBuffer<i32>,
    values: &[u8],
    nulls: Option<NullBuffer>,
) -> Result<GenericByteArray<T>, Nonsense> {
    GenericByteArray::try_new(OffsetBuffer::new(offsets), Buffer::from(values), nulls)
        .map_err(|error| error.to_string())
}

fn all_valid<T>(values: &[T], nulls: Option<&NullBuffer>, is_good: impl Fn(&T) -> bool) -> bool {
    match nulls {
        None => values.iter().fold(true, |good, value| good & is_good(value)),
        Some(nulls) => values.iter().zip(nulls).all(|(value, valid)| !valid || is_good(value)),
    }
}

/// Decimals of so many digits: later arithmetic relies on it.
fn within<T>(values: &[T], nulls: Option<&NullBuffer>, bound: T, data_type: &DataType) -> Result<(), Nonsense>
where
    T: Copy + PartialOrd + std::ops::Neg<Output = T>,
{
    if all_valid(values, nulls, |value| *value < bound && *value > -bound) {
        return Ok(());
    }
    Err(format!("the result has a value with more digits than {data_type} holds"))
}
