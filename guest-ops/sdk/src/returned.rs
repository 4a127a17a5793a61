//! What functions may return: a value, maybe none, maybe a reason why there is none.

use std::fmt::Display;

use crate::builder::Builder;
use crate::host::Failure;
use crate::sql_type::SqlType;
use crate::value::Value;

/// A type that a function may return: `T`, `Option<T>` (None is NULL), `Result` of either (an error fails the query).
pub trait Returned {
    /// In SQL.
    const TYPE: SqlType;
    /// What collects the results.
    type Builder: Builder;

    /// Adds this to a column.
    ///
    /// # Errors
    /// The author's reason why there is no result.
    fn give(self, out: &mut Self::Builder) -> Result<(), String>;

    /// Adds what `next` gives for each row to an empty column.
    ///
    /// # Errors
    /// The author's reason why a row has no result, and that row.
    #[inline(always)]
    fn give_all(
        rows: usize,
        out: &mut Self::Builder,
        mut next: impl FnMut(usize) -> Self,
    ) -> Result<(), Failure>
    where
        Self: Sized,
    {
        (0..rows).try_for_each(|row| next(row).give(out).map_err(|reason| Failure::at(row, reason)))
    }
}

impl<T: Value> Returned for T {
    const TYPE: SqlType = T::TYPE;
    type Builder = T::Builder;

    #[inline(always)]
    fn give(self, out: &mut T::Builder) -> Result<(), String> {
        self.put(out);
        Ok(())
    }

    #[inline(always)]
    fn give_all(rows: usize, out: &mut T::Builder, next: impl FnMut(usize) -> T) -> Result<(), Failure> {
        T::put_all(rows, out, next);
        Ok(())
    }
}

impl<T: Value> Returned for Option<T> {
    const TYPE: SqlType = T::TYPE;
    type Builder = T::Builder;

    #[inline(always)]
    fn give(self, out: &mut T::Builder) -> Result<(), String> {
        match self {
            Some(value) => value.put(out),
            None => out.push_null(),
        }
        Ok(())
    }
}

impl<T: Returned, E: Display> Returned for Result<T, E> {
    const TYPE: SqlType = T::TYPE;
    type Builder = T::Builder;

    #[inline(always)]
    fn give(self, out: &mut T::Builder) -> Result<(), String> {
        match self {
            Ok(value) => value.give(out),
            Err(reason) => Err(reason.to_string()),
        }
    }
}

/// What a function that gives its result another way may return: nothing, whether there is a result, why not.
pub trait Outcome {
    /// Whether there is a result; if not it is NULL.
    ///
    /// # Errors
    /// The author's reason why there is no result.
    fn outcome(self) -> Result<bool, String>;
}

impl Outcome for () {
    #[inline(always)]
    fn outcome(self) -> Result<bool, String> {
        Ok(true)
    }
}

impl Outcome for Option<()> {
    #[inline(always)]
    fn outcome(self) -> Result<bool, String> {
        Ok(self.is_some())
    }
}

impl<T: Outcome, E: Display> Outcome for Result<T, E> {
    #[inline(always)]
    fn outcome(self) -> Result<bool, String> {
        self.map_err(|reason| reason.to_string())?.outcome()
    }
}
