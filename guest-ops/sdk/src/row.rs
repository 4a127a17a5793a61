//! Functions over numbers alone, which the host compiles into its own loop over the rows.

use crate::time::{Date, Timestamp};
use crate::value::Decimal;

/// A type that is passed as one number of WebAssembly.
pub trait Number {
    /// As which.
    type Passed;

    /// As it was passed.
    fn received(passed: Self::Passed) -> Self;

    /// To pass it.
    fn passed(self) -> Self::Passed;
}

macro_rules! number {
    ($($type:ty as $passed:ty: |$received:ident| $get:expr, |$value:ident| $give:expr;)*) => {$(
        impl Number for $type {
            type Passed = $passed;

            #[inline(always)]
            fn received($received: $passed) -> Self {
                $get
            }

            #[inline(always)]
            fn passed(self) -> $passed {
                let $value = self;
                $give
            }
        }
    )*};
}

number! {
    bool as i32: |passed| passed != 0, |value| i32::from(value);
    i8 as i32: |passed| passed as i8, |value| i32::from(value);
    i16 as i32: |passed| passed as i16, |value| i32::from(value);
    i32 as i32: |passed| passed, |value| value;
    i64 as i64: |passed| passed, |value| value;
    f32 as f32: |passed| passed, |value| value;
    f64 as f64: |passed| passed, |value| value;
    Date as i32: |passed| Date(passed), |value| value.0;
    Timestamp as i64: |passed| Timestamp(passed), |value| value.0;
}

/// Of up to 18 digits. Others have such an export too, but the host does not call it.
impl<const P: u8, const S: u8> Number for Decimal<P, S> {
    type Passed = i64;

    #[inline(always)]
    fn received(passed: i64) -> Self {
        Decimal(i128::from(passed))
    }

    /// The nearest that there is: the host refuses what has more than P digits, as these bounds have.
    #[inline(always)]
    fn passed(self) -> i64 {
        self.0.clamp(i128::from(i64::MIN), i128::from(i64::MAX)) as i64
    }
}

/// Exports a function for the row tier, if all of its types are written as names of [`Number`]s.
#[doc(hidden)]
#[macro_export]
macro_rules! row {
    (@if [] $name:ident ($($arg:ident : {$($type:tt)*})*) {$($returned:tt)*}) => {
        const _: () = {
            #[export_name = concat!("nyala_row_", stringify!($name))]
            extern "C" fn call(
                $($arg: <$($type)* as $crate::row::Number>::Passed),*
            ) -> <$($returned)* as $crate::row::Number>::Passed {
                let result = self::$name($(<$($type)* as $crate::row::Number>::received($arg)),*);
                <$($returned)* as $crate::row::Number>::passed(result)
            }
        };
    };
    (@if [{bool} $($more:tt)*] $($call:tt)*) => { $crate::row! { @if [$($more)*] $($call)* } };
    (@if [{i8} $($more:tt)*] $($call:tt)*) => { $crate::row! { @if [$($more)*] $($call)* } };
    (@if [{i16} $($more:tt)*] $($call:tt)*) => { $crate::row! { @if [$($more)*] $($call)* } };
    (@if [{i32} $($more:tt)*] $($call:tt)*) => { $crate::row! { @if [$($more)*] $($call)* } };
    (@if [{i64} $($more:tt)*] $($call:tt)*) => { $crate::row! { @if [$($more)*] $($call)* } };
    (@if [{f32} $($more:tt)*] $($call:tt)*) => { $crate::row! { @if [$($more)*] $($call)* } };
    (@if [{f64} $($more:tt)*] $($call:tt)*) => { $crate::row! { @if [$($more)*] $($call)* } };
    (@if [{Date} $($more:tt)*] $($call:tt)*) => { $crate::row! { @if [$($more)*] $($call)* } };
    (@if [{Timestamp} $($more:tt)*] $($call:tt)*) => { $crate::row! { @if [$($more)*] $($call)* } };
    (@if [{Decimal<$p:tt, $s:tt>} $($more:tt)*] $($call:tt)*) => { $crate::row! { @if [$($more)*] $($call)* } };
    (@if $($other:tt)*) => {};
}
