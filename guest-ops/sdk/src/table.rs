//! Table functions: any number of rows for each row of arguments.

use std::cell::RefCell;
use std::thread::LocalKey;

use nyala_guest_abi as abi;

use crate::builder::{Builder, Fixed};
use crate::column::Batch;
use crate::host::{end_rows, fail, report_panics, Failure};
use crate::memory::address;
use crate::record::{Columns, Record};

/// Rows that the host takes at a time.
pub const CHUNK_ROWS: usize = 8192;

/// The rows that a table function gives.
pub struct Rows<C> {
    columns: C,
    sources: Fixed<u32>,
    source: u32,
    failure: Option<String>,
}

impl<C: Columns> Default for Rows<C> {
    fn default() -> Self {
        Self { columns: C::default(), sources: Fixed::default(), source: 0, failure: None }
    }
}

impl<C: Columns> Rows<C> {
    /// Adds a row.
    #[inline]
    pub fn push<R: Record<Columns = C>>(&mut self, row: R) {
        if let Err(reason) = row.put(&mut self.columns) {
            self.fail(reason);
        } else {
            self.sources.push(self.source);
        }
    }

    /// The query fails, for this reason.
    pub fn fail(&mut self, reason: impl std::fmt::Display) {
        self.failure.get_or_insert_with(|| reason.to_string());
    }

    /// How many rows there are.
    pub fn len(&self) -> usize {
        self.sources.rows()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The columns, for tests.
    pub fn columns(&self) -> &C {
        &self.columns
    }

    /// The rows that come are of this row of arguments.
    pub fn begin(&mut self, source: usize) {
        self.source = source as u32;
    }

    /// Why [`fail`](Self::fail) was called.
    pub fn failure(&mut self) -> Option<String> {
        self.failure.take()
    }

    fn clear(&mut self) {
        self.columns.clear();
        self.sources.clear();
    }
}

/// What an instance keeps between `push` and the last `pull`.
pub struct Pending<C> {
    batch: u32,
    next_row: usize,
    rows: Rows<C>,
    given: usize,
    described: Described,
}

impl<C: Columns> Default for Pending<C> {
    fn default() -> Self {
        Self { batch: 0, next_row: 0, rows: Rows::default(), given: 0, described: Described::default() }
    }
}

/// A batch as the host reads it.
#[derive(Debug, Default)]
pub struct Described {
    columns: Vec<abi::Column>,
    batch: Box<abi::Batch>,
}

impl Described {
    /// Describes these many rows of the columns that `add` adds; gives the address.
    pub fn describe(&mut self, rows: usize, add: impl FnOnce(&mut Vec<abi::Column>)) -> u32 {
        self.columns.clear();
        add(&mut self.columns);
        *self.batch = abi::Batch {
            columns: address(self.columns.as_ptr()),
            column_count: self.columns.len() as u32,
            rows: rows as u32,
        };
        let batch: *const abi::Batch = &*self.batch;
        address(batch)
    }
}

/// The export `push`.
pub fn push<C: Columns>(pending: &'static LocalKey<RefCell<Pending<C>>>, batch: u32) -> u32 {
    report_panics();
    pending.with(|pending| {
        let mut pending = pending.borrow_mut();
        pending.rows.clear();
        pending.batch = batch;
        pending.next_row = 0;
        pending.given = 0;
    });
    0
}

/// The export `pull`. `evaluate` adds the rows of arguments' rows from one row on until there are enough, and gives the row to
/// go on from.
///
/// # Safety
/// The batch that was pushed must still be there.
pub unsafe fn pull<C: Columns>(
    pending: &'static LocalKey<RefCell<Pending<C>>>,
    evaluate: impl FnOnce(Batch<'_>, usize, &mut Rows<C>) -> Result<usize, Failure>,
) -> u32 {
    // SAFETY: promised by the caller.
    let done = pending.with(|pending| unsafe { pending.borrow_mut().pull(evaluate) });
    end_rows();
    done.unwrap_or_else(|failure| {
        fail(&failure);
        0
    })
}

impl<C: Columns> Pending<C> {
    unsafe fn pull(
        &mut self,
        evaluate: impl FnOnce(Batch<'_>, usize, &mut Rows<C>) -> Result<usize, Failure>,
    ) -> Result<u32, Failure> {
        if self.given == self.rows.len() && self.batch != 0 {
            // SAFETY: promised by the caller.
            let batch = unsafe { Batch::at(self.batch) };
            self.rows.clear();
            self.given = 0;
            self.next_row = evaluate(batch, self.next_row, &mut self.rows)?;
            if self.next_row >= batch.rows() {
                self.batch = 0;
            }
        }
        let (from, rows) = (self.given, CHUNK_ROWS.min(self.rows.len() - self.given));
        if rows == 0 {
            return Ok(0);
        }
        self.given += rows;
        let made = &mut self.rows;
        Ok(self.described.describe(rows, |columns| {
            columns.push(made.sources.describe(from, rows));
            made.columns.describe(from, rows, columns);
        }))
    }
}

/// A table function: any number of rows for each row of arguments.
///
/// ```
/// nyala_sdk::table_function! {
///     /// The words of a line, counted from 1.
///     (ROWS 8)
///     fn words(line: &str; rows) -> (position: i64, word: String) {
///         for (index, word) in line.split_whitespace().enumerate() {
///             rows.push((index as i64 + 1, word));
///         }
///     }
/// }
/// # fn main() {}
/// ```
///
/// `rows` is a [`Rows`]: what is pushed are tuples of the declared types; text may be pushed borrowed, an `Option` is NULL
/// if None. [`Rows::fail`] fails the query. Options, NULLs and arguments are as those of [`scalar!`](crate::scalar!): a row
/// with a NULL argument gives no row unless an argument is an `Option`. `ROWS number` says how many rows come of one.
#[macro_export]
macro_rules! table_function {
    ($(#[$meta:meta])* ($($option:tt)*) $vis:vis fn $name:ident ($($arg:ident : $type:ty),* ; $rows:ident)
        -> ($($column:ident : $column_type:ty),+ $(,)?) $body:block) => {
        $(#[$meta])*
        $vis fn $name($($arg: $type,)* $rows: &mut $crate::Rows<<($($column_type,)+) as $crate::record::Record>::Columns>) $body

        const _: () = {
            type Columns = <($($column_type,)+) as $crate::record::Record>::Columns;
            ::std::thread_local! {
                static PENDING: ::std::cell::RefCell<$crate::table::Pending<Columns>> =
                    ::std::cell::RefCell::new(::std::default::Default::default());
            }

            #[export_name = concat!("nyala_table_", stringify!($name), "_push")]
            extern "C" fn push(batch: u32) -> u32 {
                $crate::table::push(&PENDING, batch)
            }

            #[export_name = concat!("nyala_table_", stringify!($name), "_pull")]
            #[allow(unused_assignments, unused_mut, unused_variables)]
            unsafe extern "C" fn pull() -> u32 {
                let evaluate = |batch: $crate::column::Batch<'_>, from: usize, rows: &mut $crate::Rows<Columns>| {
                    let mut place = 0;
                    $(
                        let $arg = batch.values::<$type>(place)?;
                        place += 1;
                    )*
                    for row in from..batch.rows() {
                        // SAFETY: the loop ends at the last row.
                        if false $(|| unsafe { $arg.is_missing_unchecked(row) })* {
                            continue;
                        }
                        $crate::host::begin_row(row);
                        rows.begin(row);
                        // SAFETY: the loop ends at the last row.
                        self::$name($(unsafe { $arg.get_unchecked(row) },)* rows);
                        if let Some(reason) = rows.failure() {
                            return Err($crate::host::Failure::at(row, reason));
                        }
                        if rows.len() >= $crate::table::CHUNK_ROWS {
                            return Ok(row + 1);
                        }
                    }
                    Ok(batch.rows())
                };
                // SAFETY: the host keeps the batch until it pushes another.
                unsafe { $crate::table::pull(&PENDING, evaluate) }
            }

            $crate::manifest! {
                $crate::manifest::Statement::new().table_function(
                    stringify!($name),
                    &$crate::declared!($($arg : $type),*),
                    &[$($crate::manifest::Declared {
                        name: stringify!($column),
                        sql_type: <$column_type as $crate::returned::Returned>::TYPE,
                        nullable: true,
                        extra: false,
                    }),+],
                    stringify!($($option)*),
                )
            }
        };
    };
    ($(#[$meta:meta])* $vis:vis fn $($rest:tt)*) => {
        $crate::table_function! { $(#[$meta])* () $vis fn $($rest)* }
    };
}
