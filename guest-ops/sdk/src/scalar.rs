//! Scalar functions.

use std::any::Any;
use std::cell::RefCell;
use std::thread::LocalKey;

use nyala_guest_abi as abi;

use crate::builder::{Builder, Bytes, TextWriter};
use crate::column::Batch;
use crate::host::{begin_row, end_rows, fail, report_panics, Failure};
use crate::memory::address;
use crate::returned::{Outcome, Returned};

/// Where a function keeps its last [`Results`]: of which type they are follows from what it returns.
pub type Kept = LocalKey<RefCell<Option<Box<dyn Any>>>>;

/// The last results of a function, which the host reads until it calls again.
#[derive(Debug, Default)]
pub struct Results<B> {
    builder: B,
    column: abi::Column,
}

impl<B: Builder> Results<B> {
    /// Fills the column anew; gives its address.
    pub fn fill(
        &mut self,
        rows: usize,
        fill: impl FnOnce(&mut B) -> Result<(), Failure>,
    ) -> Result<u32, Failure> {
        self.builder.clear();
        self.builder.reserve(rows);
        fill(&mut self.builder)?;
        self.column = self.builder.describe(0, self.builder.rows());
        Ok(address(&self.column as *const abi::Column))
    }
}

/// Evaluates a batch: the export of a scalar function.
///
/// # Safety
/// `batch` must be the address of a batch as the ABI describes it.
pub unsafe fn call<B: Builder>(
    batch: u32,
    kept: &'static Kept,
    evaluate: impl FnOnce(Batch<'_>, &mut B) -> Result<(), Failure>,
) -> u32 {
    report_panics();
    // SAFETY: promised by the caller; the host keeps it until the call ends.
    let batch = unsafe { Batch::at(batch) };
    let done = kept.with(|kept| {
        let mut kept = kept.borrow_mut();
        let results = kept.get_or_insert_with(|| Box::new(Results::<B>::default()));
        let results = results.downcast_mut::<Results<B>>().ok_or("results of another type")?;
        results.fill(batch.rows(), |out| evaluate(batch, out))
    });
    end_rows();
    done.unwrap_or_else(|failure| {
        fail(&failure);
        0
    })
}

/// Adds the result of each row, or NULL where `is_missing`, which is asked only if one may be.
#[inline(always)]
pub fn each_row<R: Returned>(
    rows: usize,
    out: &mut R::Builder,
    may_miss: bool,
    is_missing: impl Fn(usize) -> bool,
    mut evaluate: impl FnMut(usize) -> R,
) -> Result<(), Failure> {
    if !may_miss {
        return R::give_all(rows, out, |row| {
            begin_row(row);
            evaluate(row)
        });
    }
    for row in 0..rows {
        if is_missing(row) {
            out.push_null();
        } else {
            begin_row(row);
            evaluate(row).give(out).map_err(|reason| Failure::at(row, reason))?;
        }
    }
    Ok(())
}

/// As [`each_row`], for functions that write their text.
#[inline(always)]
pub fn each_written<O: Outcome>(
    rows: usize,
    out: &mut Bytes<true>,
    is_missing: impl Fn(usize) -> bool,
    mut evaluate: impl FnMut(usize, &mut TextWriter) -> O,
) -> Result<(), Failure> {
    for row in 0..rows {
        if is_missing(row) {
            out.push_null();
            continue;
        }
        begin_row(row);
        let outcome = evaluate(row, out.writer()).outcome();
        if outcome.map_err(|reason| Failure::at(row, reason))? {
            out.end_written();
        } else {
            out.push_null();
        }
    }
    Ok(())
}

/// A scalar function: one value for each row.
///
/// ```
/// nyala_sdk::scalar! {
///     /// Gross price.
///     (COST 5)
///     fn add_tax(net: f64, percent: Option<f64>) -> f64 {
///         net * (1.0 + percent.unwrap_or(19.0) / 100.0)
///     }
/// }
///
/// nyala_sdk::scalar! {
///     /// Text is written straight into the result's column: nothing is allocated per row.
///     fn shout(text: &str; out: &mut TextWriter) {
///         text.chars().for_each(|character| out.push(character.to_ascii_uppercase()));
///         out.push('!');
///     }
/// }
/// # fn main() {}
/// ```
///
/// What stands in parentheses is added to the `CREATE FUNCTION` statement: `STABLE` or `VOLATILE` (else the function is
/// `IMMUTABLE`), `COST number`. A NULL argument makes the result NULL without a call, unless an argument is an `Option`:
/// then the function is called for NULL in those. Arguments of type [`Extra`](crate::Extra) may be left out of a call.
/// The result is a value, an `Option`, or a `Result` of either, whose error fails the query.
///
/// A function whose arguments and result all are `bool`, `i8` to `i64`, `f32`, `f64`, `Date`, `Timestamp` or `Decimal` of up to 18
/// digits, written so, is exported for the row tier too. The host uses that where the code asks nothing of the host, not even to
/// say why it panics: code that cannot panic.
///
/// A function that writes its text may return nothing, `Option<()>` (NULL if None), or a `Result` of either.
#[macro_export]
macro_rules! scalar {
    // Types of one word, or with two numbers: maybe they are all numbers.
    ($(#[$meta:meta])* ($($option:tt)*) $vis:vis fn $name:ident (
        $($arg:ident : $type:tt $(<$digits:tt, $scale:tt>)?),* $(,)?
    ) -> $returned:tt $(<$result_digits:tt, $result_scale:tt>)? $body:block) => {
        $crate::row! {
            @if [$({$type $(<$digits, $scale>)?})* {$returned $(<$result_digits, $result_scale>)?}]
            $name ($($arg : {$type $(<$digits, $scale>)?})*) {$returned $(<$result_digits, $result_scale>)?}
        }
        $crate::scalar! {
            @batch $(#[$meta])* ($($option)*) $vis fn $name ($($arg : $type $(<$digits, $scale>)?),*)
                -> $returned $(<$result_digits, $result_scale>)? $body
        }
    };
    ($(#[$meta:meta])* ($($option:tt)*) $vis:vis fn $name:ident ($($arg:ident : $type:ty),* $(,)?)
        -> $returned:ty $body:block) => {
        $crate::scalar! {
            @batch $(#[$meta])* ($($option)*) $vis fn $name ($($arg : $type),*) -> $returned $body
        }
    };
    (@batch $(#[$meta:meta])* ($($option:tt)*) $vis:vis fn $name:ident ($($arg:ident : $type:ty),*)
        -> $returned:ty $body:block) => {
        $(#[$meta])* $vis fn $name($($arg: $type),*) -> $returned $body
        $crate::scalar! { @export ($($option)*) $name ($($arg : $type),*) $returned, |batch, out| {
            $crate::scalar::each_row(
                batch.rows(),
                out,
                false $(|| $arg.may_miss())*,
                // SAFETY (here and below): the loop ends at the last row.
                |row| false $(|| unsafe { $arg.is_missing_unchecked(row) })*,
                |row| self::$name($(unsafe { $arg.get_unchecked(row) }),*),
            )
        } }
    };
    ($(#[$meta:meta])* ($($option:tt)*) $vis:vis fn $name:ident ($($arg:ident : $type:ty),* ; $out:ident : &mut TextWriter)
        $(-> $outcome:ty)? $body:block) => {
        $(#[$meta])* $vis fn $name($($arg: $type,)* $out: &mut $crate::TextWriter) $(-> $outcome)? $body
        $crate::scalar! { @export ($($option)*) $name ($($arg : $type),*) &str, |batch, out| {
            $crate::scalar::each_written(
                batch.rows(),
                out,
                // SAFETY (here and below): the loop ends at the last row.
                |row| false $(|| unsafe { $arg.is_missing_unchecked(row) })*,
                |row, writer| self::$name($(unsafe { $arg.get_unchecked(row) },)* writer),
            )
        } }
    };
    (@export ($($option:tt)*) $name:ident ($($arg:ident : $type:ty),*) $returned:ty, |$batch:ident, $out:ident| $evaluate:block) => {
        const _: () = {
            ::std::thread_local! {
                static KEPT: ::std::cell::RefCell<::std::option::Option<::std::boxed::Box<dyn ::std::any::Any>>> =
                    const { ::std::cell::RefCell::new(::std::option::Option::None) };
            }

            #[export_name = concat!("nyala_scalar_", stringify!($name))]
            #[allow(unused_assignments, unused_mut, unused_variables, unused_unsafe)]
            unsafe extern "C" fn call(batch: u32) -> u32 {
                let evaluate = |$batch: $crate::column::Batch<'_>, $out: &mut _| {
                    let mut place = 0;
                    $(
                        let $arg = $batch.values::<$type>(place)?;
                        place += 1;
                    )*
                    $evaluate
                };
                // SAFETY: the host promises it.
                unsafe { $crate::scalar::call(batch, &KEPT, evaluate) }
            }

            $crate::manifest! {
                $crate::manifest::Statement::new().function(
                    "FUNCTION",
                    stringify!($name),
                    &$crate::declared!($($arg : $type),*),
                    <$returned as $crate::returned::Returned>::TYPE,
                    stringify!($($option)*),
                )
            }
        };
    };
    ($(#[$meta:meta])* $vis:vis fn $($rest:tt)*) => {
        $crate::scalar! { $(#[$meta])* () $vis fn $($rest)* }
    };
}

/// Arguments as a manifest declares them.
#[doc(hidden)]
#[macro_export]
macro_rules! declared {
    ($($arg:ident : $type:ty),*) => {
        [$($crate::manifest::Declared {
            name: stringify!($arg),
            sql_type: <$type as $crate::argument::Argument<'static>>::TYPE,
            nullable: <$type as $crate::argument::Argument<'static>>::NULLABLE,
            extra: <$type as $crate::argument::Argument<'static>>::EXTRA,
        }),*]
    };
}
