//! Intervals of integers: with them the builder shows that arithmetic cannot overflow.
//!
//! Bounds are of the unscaled number of a decimal, the day of a date, and so on. Operations saturate at the ends of
//! `i128`; a saturated bound fits no type, so that nothing is concluded from it.

use arrow::datatypes::DataType;

/// All numbers from `min` to `max`; no number when `min` is above `max`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Interval {
    pub min: i128,
    pub max: i128,
}

impl Interval {
    /// Of what is always NULL.
    pub const EMPTY: Self = Self { min: i128::MAX, max: i128::MIN };

    pub fn new(min: i128, max: i128) -> Self {
        if min > max { Self::EMPTY } else { Self { min, max } }
    }

    pub fn point(value: i128) -> Self {
        Self { min: value, max: value }
    }

    /// All numbers of so many decimal digits.
    pub fn digits(digits: u8) -> Self {
        let max = power_of_ten(i16::from(digits)).saturating_sub(1);
        Self { min: -max, max }
    }

    /// Every value of a type; `None` for types that are not numbered.
    pub fn of_type(data_type: &DataType) -> Option<Self> {
        use DataType as D;
        let (min, max) = match data_type {
            D::Int8 => (i128::from(i8::MIN), i128::from(i8::MAX)),
            D::Int16 => (i128::from(i16::MIN), i128::from(i16::MAX)),
            D::Int32 | D::Date32 | D::Time32(_) => (i128::from(i32::MIN), i128::from(i32::MAX)),
            D::Int64 | D::Date64 | D::Time64(_) | D::Timestamp(..) => {
                (i128::from(i64::MIN), i128::from(i64::MAX))
            }
            D::UInt8 => (0, i128::from(u8::MAX)),
            D::UInt16 => (0, i128::from(u16::MAX)),
            D::UInt32 => (0, i128::from(u32::MAX)),
            D::UInt64 => (0, i128::from(u64::MAX)),
            D::Decimal32(p, _) | D::Decimal64(p, _) | D::Decimal128(p, _) => return Some(Self::digits(*p)),
            _ => return None,
        };
        Some(Self { min, max })
    }

    pub fn is_empty(self) -> bool {
        self.min > self.max
    }

    pub fn contains(self, other: Self) -> bool {
        other.is_empty() || (self.min <= other.min && other.max <= self.max)
    }

    pub fn contains_value(self, value: i128) -> bool {
        self.min <= value && value <= self.max
    }

    pub fn union(self, other: Self) -> Self {
        Self { min: self.min.min(other.min), max: self.max.max(other.max) }
    }

    pub fn intersect(self, other: Self) -> Self {
        Self::new(self.min.max(other.min), self.max.min(other.max))
    }

    pub fn sum(self, other: Self) -> Self {
        self.combine(other, |a, b| Self::new(a.min.saturating_add(b.min), a.max.saturating_add(b.max)))
    }

    pub fn difference(self, other: Self) -> Self {
        self.sum(other.negated())
    }

    pub fn product(self, other: Self) -> Self {
        self.combine(other, |a, b| {
            let corners = [(a.min, b.min), (a.min, b.max), (a.max, b.min), (a.max, b.max)];
            let products = corners.map(|(x, y)| x.saturating_mul(y));
            let (mut min, mut max) = (products[0], products[0]);
            for product in products {
                min = min.min(product);
                max = max.max(product);
            }
            Self::new(min, max)
        })
    }

    /// Of the quotient cut to an integer: no greater in magnitude than the dividend.
    pub fn quotient(self, other: Self) -> Self {
        self.combine(other, |a, b| {
            let bound = a.magnitude();
            let min = if a.min >= 0 && b.min >= 0 { 0 } else { bound.saturating_neg() };
            Self::new(min, bound)
        })
    }

    /// The remainder has the dividend's sign, and is smaller in magnitude than the divisor.
    pub fn remainder(self, other: Self) -> Self {
        self.combine(other, |a, b| {
            let bound = a.magnitude().min(b.magnitude());
            Self::new(if a.min >= 0 { 0 } else { -bound }, if a.max <= 0 { 0 } else { bound })
        })
    }

    pub fn negated(self) -> Self {
        if self.is_empty() {
            return self;
        }
        Self::new(self.max.saturating_neg(), self.min.saturating_neg())
    }

    /// Times a power of ten; to a negative power with one unit to spare, whichever way is rounded.
    pub fn scaled(self, power: i16) -> Self {
        if power >= 0 || self.is_empty() {
            return self.product(Self::point(power_of_ten(power)));
        }
        let divisor = power_of_ten(-power);
        Self::new((self.min / divisor).saturating_sub(1), (self.max / divisor).saturating_add(1))
    }

    fn magnitude(self) -> i128 {
        self.min.saturating_abs().max(self.max.saturating_abs())
    }

    fn combine(self, other: Self, operation: impl Fn(Self, Self) -> Self) -> Self {
        if self.is_empty() || other.is_empty() { Self::EMPTY } else { operation(self, other) }
    }
}

/// Saturates; negative powers give 1.
fn power_of_ten(power: i16) -> i128 {
    10i128.saturating_pow(u32::try_from(power.max(0)).unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_result_of_small_numbers_lies_in_the_interval() {
        let numbers = [-7i128, -3, -1, 0, 1, 2, 9];
        for (a, b) in numbers.iter().flat_map(|a| numbers.iter().map(move |b| (*a, *b))) {
            for (c, d) in numbers.iter().flat_map(|c| numbers.iter().map(move |d| (*c, *d))) {
                let (left, right) = (Interval::new(a.min(b), a.max(b)), Interval::new(c.min(d), c.max(d)));
                for (x, y) in [(a, c), (a, d), (b, c), (b, d)] {
                    assert!(left.sum(right).contains_value(x + y));
                    assert!(left.difference(right).contains_value(x - y));
                    assert!(left.product(right).contains_value(x * y));
                    if y != 0 {
                        assert!(
                            left.quotient(right).contains_value(x / y),
                            "{left:?} / {right:?}: {x} / {y}"
                        );
                        assert!(
                            left.remainder(right).contains_value(x % y),
                            "{left:?} % {right:?}: {x} % {y}"
                        );
                    }
                }
            }
        }
    }

    #[test]
    fn a_saturated_bound_fits_no_type() {
        let huge = Interval::digits(38).product(Interval::digits(38));
        assert!(!Interval::digits(38).contains(huge));
        assert!(!Interval::digits(38).contains(Interval::digits(38).scaled(1)));
    }

    #[test]
    fn nothing_comes_of_nothing() {
        assert!(Interval::EMPTY.sum(Interval::point(1)).is_empty());
        assert!(Interval::EMPTY.scaled(-2).is_empty());
        assert_eq!(Interval::EMPTY.union(Interval::point(4)), Interval::point(4));
        assert!(Interval::digits(1).contains(Interval::EMPTY));
    }
}
