//! What is known of a column or value while a plan is built: its physical type and the range of its numbers.

use arrow::datatypes::DataType;
use nyala_schema::Value;
use nyala_schema::scan::{DECIMAL64_DIGITS, physical_type};
use nyala_schema::statistics::ColumnStatistics;

use crate::program::Type;
use crate::range::Interval;

#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Column {
    pub ty: Type,
    /// Every value that is not NULL lies in it; `None` for types that are not numbered.
    pub range: Option<Interval>,
}

impl Column {
    /// Nothing known but the type.
    pub fn of_type(data_type: DataType, nullable: bool) -> Self {
        Self { range: Interval::of_type(&data_type), ty: Type::new(data_type, nullable) }
    }

    pub fn with_range(data_type: DataType, nullable: bool, range: Interval) -> Self {
        let range = Interval::of_type(&data_type).map(|all| all.intersect(range));
        Self { ty: Type::new(data_type, nullable), range }
    }

    /// A scan's column: physical type, and the range that the statistics give.
    pub fn of_scan(field: &arrow::datatypes::Field, statistics: Option<&ColumnStatistics>) -> Self {
        let mut column = Self::of_type(physical_type(field.data_type()), field.is_nullable());
        let bounds = statistics.and_then(|known| {
            let min = bound(known.min.as_ref()?, field.data_type())?;
            let max = bound(known.max.as_ref()?, field.data_type())?;
            Some(Interval::new(min, max))
        });
        if let (Some(range), Some(bounds)) = (&mut column.range, bounds) {
            *range = range.intersect(bounds);
        }
        column
    }

    /// A column that is exactly of the logical type, as the function library gives it.
    pub fn exact(data_type: &DataType, nullable: bool) -> Self {
        Self::of_type(exact_type(data_type), nullable)
    }

    pub fn data_type(&self) -> &DataType {
        &self.ty.data_type
    }

    pub fn nullable(&self) -> bool {
        self.ty.nullable
    }

    #[must_use]
    pub fn or_null(mut self) -> Self {
        self.ty.nullable = true;
        self
    }

    /// The range; every number where nothing is known.
    pub fn interval(&self) -> Interval {
        self.range.unwrap_or(Interval { min: i128::MIN, max: i128::MAX })
    }

    /// A column that can hold the values of both. Both have one logical type, `logical`.
    #[must_use]
    pub fn unify(&self, other: &Self, logical: &DataType) -> Self {
        let nullable = self.nullable() || other.nullable();
        let range = match (self.range, other.range) {
            (Some(left), Some(right)) => Some(left.union(right)),
            (left, right) => left.or(right),
        };
        let data_type = unify_types(self.data_type(), other.data_type(), logical);
        let range = Interval::of_type(&data_type).map(|all| range.map_or(all, |range| all.intersect(range)));
        Self { ty: Type::new(data_type, nullable), range }
    }
}

fn unify_types(left: &DataType, right: &DataType, logical: &DataType) -> DataType {
    if left == right {
        return left.clone();
    }
    match (decimal_parts(left), decimal_parts(right)) {
        (Some((p1, s1)), Some((p2, s2))) if s1 == s2 => {
            if is_decimal64(left) && is_decimal64(right) {
                DataType::Decimal64(p1.max(p2), s1)
            } else {
                DataType::Decimal128(p1.max(p2), s1)
            }
        }
        _ => exact_type(logical),
    }
}

/// A statistics bound as a number, if it is of the column's type.
fn bound(value: &Value, logical: &DataType) -> Option<i128> {
    let same_scale = match (decimal_parts(value.data_type()), decimal_parts(logical)) {
        (Some((_, left)), Some((_, right))) => left == right,
        _ => value.data_type() == logical,
    };
    if same_scale { value.as_i128() } else { None }
}

/// The logical type with text and binary as views and without dictionaries: in which results leave a fragment and
/// arguments go to the function library.
pub fn exact_type(data_type: &DataType) -> DataType {
    match data_type {
        DataType::Utf8 | DataType::LargeUtf8 => DataType::Utf8View,
        DataType::Binary | DataType::LargeBinary => DataType::BinaryView,
        DataType::Dictionary(_, value) => exact_type(value),
        other => other.clone(),
    }
}

/// Precision and scale of a decimal that programs compute with.
pub(crate) fn decimal_parts(data_type: &DataType) -> Option<(u8, i8)> {
    match data_type {
        DataType::Decimal32(p, s) | DataType::Decimal64(p, s) | DataType::Decimal128(p, s) => Some((*p, *s)),
        _ => None,
    }
}

pub(crate) fn is_decimal64(data_type: &DataType) -> bool {
    matches!(data_type, DataType::Decimal64(..))
}

/// Whether a `Decimal64` of the scale holds the range. Arrow wants the precision to cover the scale.
pub(crate) fn fits_decimal64(scale: i8, range: Interval) -> bool {
    u8::try_from(scale).is_ok_and(|scale| scale <= DECIMAL64_DIGITS)
        && Interval::digits(DECIMAL64_DIGITS).contains(range)
}

/// The narrowest decimal type of a scale that holds the range, with no more than the logical precision.
pub(crate) fn decimal_type(precision: u8, scale: i8, range: Interval) -> DataType {
    if fits_decimal64(scale, range) {
        DataType::Decimal64(precision.min(DECIMAL64_DIGITS), scale)
    } else {
        DataType::Decimal128(precision, scale)
    }
}
