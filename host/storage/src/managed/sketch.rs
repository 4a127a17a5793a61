//! How many distinct values a column has, about.

use arrow::array::downcast_dictionary_array;
use arrow::array::{
    Array, ArrayRef, ArrowPrimitiveType, AsArray, BinaryViewArray, GenericByteArray, PrimitiveArray,
};
use arrow::compute::take;
use arrow::datatypes::{self as types, ByteArrayType, DataType, TimeUnit};
use bytes::Bytes;
use datasketches::hll::{Coupon, HllSketch, HllType, HllUnion};
use nyala_schema::{Error, ErrorCode, Result};

/// Logarithm of the registers: 4,096, an error of 1.6% (one standard deviation).
const LOG_REGISTERS: u8 = 12;
/// Values that were seen last, by which most of those that come again are passed over.
const RECENT_VALUES: usize = 2048;

/// A HyperLogLog sketch (Flajolet and others, 2007) of the Apache DataSketches library, of the values that are not NULL.
/// Numbers are hashed as 64 bits whatever their width, so that all physical forms of a column give one sketch.
pub struct ColumnSketcher {
    sketch: HllSketch,
    recent: Box<[u64; RECENT_VALUES]>,
    dictionary: Option<SeenDictionary>,
}

/// The dictionary that came last, and which of its values were hashed.
struct SeenDictionary {
    values: ArrayRef,
    seen: Vec<bool>,
}

impl Default for ColumnSketcher {
    fn default() -> Self {
        Self::new()
    }
}

impl ColumnSketcher {
    pub fn new() -> Self {
        Self { sketch: empty(), recent: Box::new([0; RECENT_VALUES]), dictionary: None }
    }

    /// Adds the values of a column in any physical form; values of nested types are passed over.
    ///
    /// # Errors
    /// Internal for a dictionary whose codes are none.
    pub fn add(&mut self, array: &ArrayRef) -> Result<()> {
        use types as t;
        match array.data_type() {
            DataType::Null => {}
            DataType::Boolean => {
                let values = array.as_boolean();
                (0..values.len())
                    .filter(|row| values.is_valid(*row))
                    .for_each(|row| self.number(values.value(row).into()));
            }
            DataType::Int8 => self.numbers(array.as_primitive::<t::Int8Type>(), |it| it as u64),
            DataType::Int16 => self.numbers(array.as_primitive::<t::Int16Type>(), |it| it as u64),
            DataType::Int32 => self.numbers(array.as_primitive::<t::Int32Type>(), |it| it as u64),
            DataType::Int64 => self.numbers(array.as_primitive::<t::Int64Type>(), |it| it as u64),
            DataType::UInt8 => self.numbers(array.as_primitive::<t::UInt8Type>(), u64::from),
            DataType::UInt16 => self.numbers(array.as_primitive::<t::UInt16Type>(), u64::from),
            DataType::UInt32 => self.numbers(array.as_primitive::<t::UInt32Type>(), u64::from),
            DataType::UInt64 => self.numbers(array.as_primitive::<t::UInt64Type>(), |it| it),
            DataType::Float32 => {
                self.numbers(array.as_primitive::<t::Float32Type>(), |it| float_bits(f64::from(it)))
            }
            DataType::Float64 => self.numbers(array.as_primitive::<t::Float64Type>(), float_bits),
            DataType::Date32 => self.numbers(array.as_primitive::<t::Date32Type>(), |it| it as u64),
            DataType::Date64 => self.numbers(array.as_primitive::<t::Date64Type>(), |it| it as u64),
            DataType::Time32(TimeUnit::Second) => {
                self.numbers(array.as_primitive::<t::Time32SecondType>(), |it| it as u64)
            }
            DataType::Time32(_) => {
                self.numbers(array.as_primitive::<t::Time32MillisecondType>(), |it| it as u64)
            }
            DataType::Time64(TimeUnit::Nanosecond) => {
                self.numbers(array.as_primitive::<t::Time64NanosecondType>(), |it| it as u64)
            }
            DataType::Time64(_) => {
                self.numbers(array.as_primitive::<t::Time64MicrosecondType>(), |it| it as u64)
            }
            DataType::Timestamp(unit, _) => match unit {
                TimeUnit::Second => {
                    self.numbers(array.as_primitive::<t::TimestampSecondType>(), |it| it as u64)
                }
                TimeUnit::Millisecond => {
                    self.numbers(array.as_primitive::<t::TimestampMillisecondType>(), |it| it as u64)
                }
                TimeUnit::Microsecond => {
                    self.numbers(array.as_primitive::<t::TimestampMicrosecondType>(), |it| it as u64)
                }
                TimeUnit::Nanosecond => {
                    self.numbers(array.as_primitive::<t::TimestampNanosecondType>(), |it| it as u64)
                }
            },
            DataType::Decimal32(..) => self.numbers(array.as_primitive::<t::Decimal32Type>(), |it| it as u64),
            DataType::Decimal64(..) => self.numbers(array.as_primitive::<t::Decimal64Type>(), |it| it as u64),
            DataType::Decimal128(..) => self.numbers(array.as_primitive::<t::Decimal128Type>(), folded),
            DataType::Utf8 => self.texts(array.as_string::<i32>()),
            DataType::LargeUtf8 => self.texts(array.as_string::<i64>()),
            DataType::Binary => self.texts(array.as_binary::<i32>()),
            DataType::LargeBinary => self.texts(array.as_binary::<i64>()),
            DataType::Utf8View => self.views(&array.as_string_view().clone().to_binary_view()),
            DataType::BinaryView => self.views(array.as_binary_view()),
            DataType::Dictionary(..) => self.dictionary(array)?,
            _ => {}
        }
        Ok(())
    }

    fn numbers<T: ArrowPrimitiveType>(&mut self, array: &PrimitiveArray<T>, bits: impl Fn(T::Native) -> u64) {
        match array.nulls().filter(|nulls| nulls.null_count() > 0) {
            None => array.values().iter().for_each(|value| self.number(bits(*value))),
            Some(nulls) => nulls.valid_indices().for_each(|row| self.number(bits(array.values()[row]))),
        }
    }

    /// A number that is not NULL, as 64 bits.
    #[inline(always)]
    pub fn number(&mut self, bits: u64) {
        if self.is_new(bits) {
            self.sketch.update_with_coupon(Coupon::from_value(bits));
        }
    }

    /// Whether a value has not been seen lately. One more than the value is kept, so that an empty place is none of them
    /// but the greatest, which is hashed every time.
    #[inline(always)]
    fn is_new(&mut self, bits: u64) -> bool {
        let place = (bits.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> (64 - RECENT_VALUES.ilog2())) as usize;
        let recent = &mut self.recent[place % RECENT_VALUES];
        let mark = bits.wrapping_add(1);
        let is_new = *recent != mark || mark == 0;
        *recent = mark;
        is_new
    }

    /// A text that is not NULL.
    pub fn text(&mut self, text: &[u8]) {
        self.sketch.update_with_coupon(Coupon::from_value(text));
    }

    fn texts<T: ByteArrayType>(&mut self, array: &GenericByteArray<T>)
    where
        T::Native: AsRef<[u8]>,
    {
        (0..array.len())
            .filter(|row| array.is_valid(*row))
            .for_each(|row| self.text(array.value(row).as_ref()));
    }

    /// Short texts are in their views: equal texts of the last kind are passed over without being hashed.
    fn views(&mut self, array: &BinaryViewArray) {
        const INLINE_BYTES_MAX: u32 = 12;
        let mut last = None;
        for (row, view) in array.views().iter().enumerate() {
            let same = last == Some(*view);
            if same || array.is_null(row) {
                continue;
            }
            last = Some(*view);
            let short = *view as u32 <= INLINE_BYTES_MAX;
            if !short || self.is_new(folded(*view as i128)) {
                self.text(array.value(row));
            }
        }
    }

    /// Only values that a row has are counted, each once.
    fn dictionary(&mut self, array: &ArrayRef) -> Result<()> {
        let dictionary = array.as_any_dictionary();
        let values = dictionary.values();
        let known = self.dictionary.take().filter(|known| known.values.to_data().ptr_eq(&values.to_data()));
        let mut known = known
            .unwrap_or_else(|| SeenDictionary { values: values.clone(), seen: vec![false; values.len()] });
        let mut fresh: Vec<u64> = Vec::new();
        let mut see = |code: usize| match known.seen.get_mut(code) {
            Some(seen) if !*seen => {
                *seen = true;
                fresh.push(code as u64);
            }
            _ => {}
        };
        downcast_dictionary_array!(
            array => array.keys().iter().flatten().for_each(|code| see(code as usize)),
            _ => return Err(Error::internal("a dictionary has codes of no known type"))
        );
        if !fresh.is_empty() {
            self.add(&take(values, &arrow::array::UInt64Array::from(fresh), None)?)?;
        }
        self.dictionary = Some(known);
        Ok(())
    }

    /// In the form of DataSketches.
    pub fn finish(self) -> Bytes {
        self.sketch.serialize().into()
    }
}

fn empty() -> HllSketch {
    HllSketch::new(LOG_REGISTERS, HllType::Hll8).expect("the number of registers is allowed")
}

/// Zeros of both signs are one value, and so are all that are no number.
pub fn float_bits(value: f64) -> u64 {
    if value.is_nan() { f64::NAN.to_bits() } else { (value + 0.0).to_bits() }
}

fn folded(value: i128) -> u64 {
    match i64::try_from(value) {
        Ok(small) => small as u64,
        Err(_) => (value as u64) ^ ((value >> 64) as u64).wrapping_mul(0xff51_afd7_ed55_8ccd),
    }
}

/// The number of distinct values that a sketch saw, about.
///
/// # Errors
/// CorruptFile when the bytes are no sketch.
pub fn distinct_of(sketch: &Bytes) -> Result<f64> {
    read(sketch).map(|sketch| sketch.estimate())
}

/// The sketch of all that several sketches saw.
///
/// # Errors
/// CorruptFile when one is no sketch.
pub fn merge_sketches<'a>(sketches: impl IntoIterator<Item = &'a Bytes>) -> Result<Bytes> {
    let mut union = HllUnion::new(LOG_REGISTERS).map_err(|error| Error::internal(error.to_string()))?;
    for sketch in sketches {
        union.update(&read(sketch)?);
    }
    // Half the bytes, for the log of the catalog.
    Ok(union.to_sketch(HllType::Hll4).serialize().into())
}

fn read(sketch: &Bytes) -> Result<HllSketch> {
    HllSketch::deserialize(sketch).map_err(|error| {
        Error::new(ErrorCode::CorruptFile, format!("the sketch of a column is damaged: {error}"))
            .with_hint("ANALYZE makes it anew")
    })
}
