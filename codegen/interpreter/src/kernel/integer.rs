//! The arithmetic that all integer widths share.

use arrow::array::ArrowNativeTypeOp;

/// Integers of any width, with overflow reported beside the wrapped result so that loops stay free of branches.
pub(crate) trait Integer: ArrowNativeTypeOp {
    fn add(self, other: Self) -> (Self, bool);
    fn subtract(self, other: Self) -> (Self, bool);
    fn multiply(self, other: Self) -> (Self, bool);
    /// Truncated; 0 and a failure when `other` is 0.
    fn divide(self, other: Self) -> (Self, bool);
    /// With the sign of `self`; 0 and a failure when `other` is 0.
    fn remainder(self, other: Self) -> (Self, bool);
    fn negate(self) -> (Self, bool);
    fn and(self, other: Self) -> Self;
    fn or(self, other: Self) -> Self;
    fn xor(self, other: Self) -> Self;
    /// By `other` modulo the width.
    fn shift_left(self, other: Self) -> Self;
    fn shift_right(self, other: Self) -> Self;
}

macro_rules! integer {
    ($($type:ty),*) => {$(
        impl Integer for $type {
            fn add(self, other: Self) -> (Self, bool) {
                self.overflowing_add(other)
            }
            fn subtract(self, other: Self) -> (Self, bool) {
                self.overflowing_sub(other)
            }
            fn multiply(self, other: Self) -> (Self, bool) {
                self.overflowing_mul(other)
            }
            fn divide(self, other: Self) -> (Self, bool) {
                self.checked_div(other).map_or((0, true), |value| (value, false))
            }
            fn remainder(self, other: Self) -> (Self, bool) {
                if other == 0 { (0, true) } else { (self.wrapping_rem(other), false) }
            }
            fn negate(self) -> (Self, bool) {
                self.overflowing_neg()
            }
            fn and(self, other: Self) -> Self {
                self & other
            }
            fn or(self, other: Self) -> Self {
                self | other
            }
            fn xor(self, other: Self) -> Self {
                self ^ other
            }
            fn shift_left(self, other: Self) -> Self {
                self.wrapping_shl(other as u32)
            }
            fn shift_right(self, other: Self) -> Self {
                self.wrapping_shr(other as u32)
            }
        }
    )*};
}

integer!(i8, i16, i32, i64, i128, u8, u16, u32, u64);
