//! Operators: tables in, a table out, one partition after the other.

use std::cell::RefCell;
use std::thread::LocalKey;

use nyala_guest_abi as abi;

use crate::argument::Argument;
use crate::column::{Batch, Column, Values};
use crate::host::{fail, report_panics, Failure};
use crate::memory::pointer;
use crate::output::Output;
use crate::table::{Described, CHUNK_ROWS};
use crate::value::Cell;

/// A whole operator.
///
/// One value works on one partition after the other: rows are pushed, each input is finished once, then
/// [`reset`](Self::reset) begins the next. With several inputs all rows of the first come before those of the second only if
/// the host wants it so: rely on [`finish`](Self::finish).
pub trait Operator: Sized + 'static {
    /// [`Extending`](crate::Extending), [`LikeInput`](crate::LikeInput) or [`Own`](crate::Own), as is declared.
    type Output: Output;

    /// Before the first partition.
    ///
    /// # Errors
    /// What is wrong with the parameters or inputs.
    fn open(parameters: Parameters<'_>, inputs: &[Input]) -> Result<Self, Failure>;

    /// Takes rows of an input, in their order.
    ///
    /// # Errors
    /// Why the query fails.
    fn push(&mut self, rows: InputRows<'_>, out: &mut Self::Output) -> Result<(), Failure>;

    /// There are no more rows of this input in this partition.
    ///
    /// # Errors
    /// Why the query fails.
    fn finish(&mut self, _input: usize, _out: &mut Self::Output) -> Result<(), Failure> {
        Ok(())
    }

    /// All rows that were given so far are taken: gives more, or none. For operators that give so many rows that they should not
    /// all lie in memory.
    ///
    /// # Errors
    /// Why the query fails.
    fn pull(&mut self, _out: &mut Self::Output) -> Result<(), Failure> {
        Ok(())
    }

    /// Forgets the partition.
    fn reset(&mut self);
}

/// The constants that a call names.
#[derive(Debug, Clone, Copy)]
pub struct Parameters<'a> {
    batch: Batch<'a>,
}

impl<'a> Parameters<'a> {
    /// The parameter at a place of the declaration, from 0; as an `Option` it may be NULL.
    ///
    /// # Errors
    /// When it is NULL, or of another type.
    pub fn get<T: Argument<'a>>(&self, index: usize) -> Result<T, String> {
        let values = self.batch.values::<T>(index)?;
        // SAFETY: the host gives parameters as a batch of one row.
        unsafe {
            if values.is_missing_unchecked(0) {
                return Err(format!("parameter {} is NULL", index + 1));
            }
            Ok(values.get_unchecked(0))
        }
    }
}

/// The columns of an input: order keys, partition keys, and all columns of the table if the operator `READS ALL`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Input {
    /// How many expressions it is ordered by.
    pub order_keys: usize,
    /// How many expressions it is partitioned by.
    pub partition_keys: usize,
    /// How many columns the table has, if they are read.
    pub columns: usize,
    kinds: Vec<Option<abi::Kind>>,
    /// Which of the table's columns is the first order key, if it is one.
    pub key_column: Option<usize>,
    /// Which of the table's columns each partition key is, if it is one.
    pub partition_columns: Vec<Option<usize>>,
}

impl Input {
    /// # Safety
    /// `raw` must be as the ABI describes it.
    unsafe fn read(raw: &abi::OperatorInput) -> Self {
        let [order_keys, partition_keys, columns] =
            [raw.order_keys, raw.partition_keys, raw.columns].map(|count| count as usize);
        let kinds = pointer::<u32>(raw.kinds);
        let places = pointer::<i32>(raw.partition_columns);
        // SAFETY: promised by the caller: there is a kind for each column, a place for each partition key.
        unsafe {
            Self {
                order_keys,
                partition_keys,
                columns,
                kinds: (0..order_keys + partition_keys + columns)
                    .map(|column| abi::Kind::from_u32(*kinds.add(column)))
                    .collect(),
                key_column: usize::try_from(raw.key_column).ok(),
                partition_columns: (0..partition_keys)
                    .map(|key| usize::try_from(*places.add(key)).ok())
                    .collect(),
            }
        }
    }

    /// What the values of an order key are; `None` when there is no such key.
    pub fn order_kind(&self, key: usize) -> Option<abi::Kind> {
        self.kinds[..self.order_keys].get(key).copied().flatten()
    }

    /// What the values of a column of the table are; `None` when there is no such column.
    pub fn kind(&self, column: usize) -> Option<abi::Kind> {
        self.kinds.get(self.order_keys + self.partition_keys + column).copied().flatten()
    }
}

/// Some rows of one input.
#[derive(Debug, Clone, Copy)]
pub struct InputRows<'a> {
    input: usize,
    layout: &'a Input,
    batch: Batch<'a>,
    first: usize,
}

impl<'a> InputRows<'a> {
    /// Of which input these are.
    pub fn input(&self) -> usize {
        self.input
    }

    /// The columns of that input.
    pub fn layout(&self) -> &'a Input {
        self.layout
    }

    /// How many rows there are.
    pub fn len(&self) -> usize {
        self.batch.rows()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The number of a row in its partition, by which [`Extending`](crate::Extending) names it.
    pub fn number(&self, row: usize) -> u32 {
        (self.first + row) as u32
    }

    /// What the input is ordered by. As an `Option` it may be NULL.
    ///
    /// # Errors
    /// When there is no such key, or it is of another type.
    pub fn order_key<T: Argument<'a>>(&self, key: usize) -> Result<Values<'a, T>, String> {
        self.batch.values(if key < self.layout.order_keys { key } else { usize::MAX })
    }

    /// What the input is partitioned by: the same value in all rows of a partition.
    ///
    /// # Errors
    /// When there is no such key, or it is of another type.
    pub fn partition_key<T: Argument<'a>>(&self, key: usize) -> Result<Values<'a, T>, String> {
        let place = self.layout.order_keys + key;
        self.batch.values(if key < self.layout.partition_keys { place } else { usize::MAX })
    }

    /// A column of the table, if the operator `READS ALL`.
    pub fn column(&self, column: usize) -> Option<Column<'a>> {
        self.batch.column(self.layout.order_keys + self.layout.partition_keys + column)
    }

    /// All columns of a row, if the operator `READS ALL`.
    ///
    /// # Errors
    /// When one is a LIST or STRUCT.
    pub fn row(&self, row: usize) -> Result<Vec<Cell<'a>>, String> {
        let columns = (0..self.layout.columns).filter_map(|column| self.column(column));
        columns.map(|column| column.cell(row)).collect()
    }
}

/// What an instance keeps: the operator and the rows that the host has not taken yet.
pub struct Running<O: Operator> {
    operator: Option<O>,
    inputs: Vec<Input>,
    /// Rows of each input in this partition so far.
    seen: Vec<usize>,
    out: O::Output,
    given: usize,
    described: Described,
}

impl<O: Operator> Default for Running<O> {
    fn default() -> Self {
        Self {
            operator: None,
            inputs: Vec::new(),
            seen: Vec::new(),
            out: O::Output::default(),
            given: 0,
            described: Described::default(),
        }
    }
}

impl<O: Operator> Running<O> {
    fn operator(&mut self) -> Result<&mut O, Failure> {
        self.operator.as_mut().ok_or_else(|| "the operator was not opened".into())
    }

    /// # Safety
    /// The addresses must be those of what the ABI describes.
    unsafe fn open(&mut self, parameters: u32, inputs: u32, count: u32) -> Result<(), Failure> {
        let inputs = pointer::<abi::OperatorInput>(inputs);
        // SAFETY: promised by the caller.
        let parameters = unsafe { Batch::at(parameters) };
        // SAFETY: promised by the caller: there are so many inputs one after the other.
        self.inputs = (0..count as usize).map(|input| unsafe { Input::read(&*inputs.add(input)) }).collect();
        self.seen = vec![0; self.inputs.len()];
        self.given = 0;
        self.out.open(&self.inputs)?;
        self.operator = Some(O::open(Parameters { batch: parameters }, &self.inputs)?);
        Ok(())
    }

    fn push(&mut self, input: u32, batch: Batch<'_>) -> Result<(), Failure> {
        let input = input as usize;
        let layout = self.inputs.get(input).ok_or("there is no such input")?;
        let operator = self.operator.as_mut().ok_or("the operator was not opened")?;
        let rows = InputRows { input, layout, batch, first: self.seen[input] };
        operator.push(rows, &mut self.out)?;
        self.seen[input] += batch.rows();
        Ok(())
    }

    fn finish(&mut self, input: u32) -> Result<(), Failure> {
        let operator = self.operator.as_mut().ok_or("the operator was not opened")?;
        operator.finish(input as usize, &mut self.out)
    }

    fn pull(&mut self) -> Result<u32, Failure> {
        if self.given == self.out.len() {
            self.out.clear();
            self.given = 0;
            let operator = self.operator.as_mut().ok_or("the operator was not opened")?;
            operator.pull(&mut self.out)?;
        }
        let (from, rows) = (self.given, CHUNK_ROWS.min(self.out.len() - self.given));
        if rows == 0 {
            return Ok(0);
        }
        self.given += rows;
        let out = &mut self.out;
        Ok(self.described.describe(rows, |columns| out.describe(from, rows, columns)))
    }

    fn reset(&mut self) -> Result<(), Failure> {
        self.seen.iter_mut().for_each(|seen| *seen = 0);
        self.out.clear();
        self.given = 0;
        self.operator()?.reset();
        Ok(())
    }
}

/// Where an instance keeps its operator.
pub type Kept<O> = LocalKey<RefCell<Running<O>>>;

fn done(result: Result<(), Failure>) -> u32 {
    match result {
        Ok(()) => 0,
        Err(failure) => {
            fail(&failure);
            1
        }
    }
}

/// The export `open`.
///
/// # Safety
/// The addresses must be those of what the ABI describes.
pub unsafe fn open<O: Operator>(kept: &'static Kept<O>, parameters: u32, inputs: u32, count: u32) -> u32 {
    report_panics();
    // SAFETY: promised by the caller.
    done(kept.with(|kept| unsafe { kept.borrow_mut().open(parameters, inputs, count) }))
}

/// The export `push`.
///
/// # Safety
/// `batch` must be the address of a batch as the ABI describes it.
pub unsafe fn push<O: Operator>(kept: &'static Kept<O>, input: u32, batch: u32) -> u32 {
    // SAFETY: promised by the caller; the host keeps it until the call ends.
    let batch = unsafe { Batch::at(batch) };
    done(kept.with(|kept| kept.borrow_mut().push(input, batch)))
}

/// The export `finish`.
pub fn finish<O: Operator>(kept: &'static Kept<O>, input: u32) -> u32 {
    done(kept.with(|kept| kept.borrow_mut().finish(input)))
}

/// The export `pull`.
pub fn pull<O: Operator>(kept: &'static Kept<O>) -> u32 {
    kept.with(|kept| kept.borrow_mut().pull()).unwrap_or_else(|failure| {
        fail(&failure);
        0
    })
}

/// The export `reset`.
pub fn reset<O: Operator>(kept: &'static Kept<O>) -> u32 {
    done(kept.with(|kept| kept.borrow_mut().reset()))
}

/// An operator, with its declaration in SQL: what follows `=>` is the `CREATE OPERATOR` statement of the manifest.
///
/// ```
/// use nyala_sdk::{Extending, Failure, Input, InputRows, Operator, Parameters};
///
/// /// Numbers the rows of each partition.
/// struct Numbered {
///     from: i64,
/// }
///
/// impl Operator for Numbered {
///     type Output = Extending<(i64,)>;
///
///     fn open(parameters: Parameters<'_>, _: &[Input]) -> Result<Self, Failure> {
///         Ok(Self { from: parameters.get(0)? })
///     }
///
///     fn push(&mut self, rows: InputRows<'_>, out: &mut Self::Output) -> Result<(), Failure> {
///         for row in 0..rows.len() {
///             let number = rows.number(row);
///             out.push(number, (self.from + i64::from(number),))?;
///         }
///         Ok(())
///     }
///
///     fn reset(&mut self) {}
/// }
///
/// nyala_sdk::operator! {
///     Numbered => CREATE OPERATOR numbered (TABLE input PARTITION BY ORDER BY, from_number BIGINT)
///         RETURNS INPUT AND (number BIGINT) ROWS 1 KEEPS ORDER
/// }
/// ```
#[macro_export]
macro_rules! operator {
    ($operator:ty => CREATE OPERATOR $name:ident $($declaration:tt)*) => {
        const _: () = {
            ::std::thread_local! {
                static RUNNING: ::std::cell::RefCell<$crate::operator::Running<$operator>> =
                    ::std::cell::RefCell::new(::std::default::Default::default());
            }

            #[export_name = concat!("nyala_operator_", stringify!($name), "_open")]
            unsafe extern "C" fn open(parameters: u32, inputs: u32, input_count: u32) -> u32 {
                // SAFETY: the host promises it.
                unsafe { $crate::operator::open(&RUNNING, parameters, inputs, input_count) }
            }

            #[export_name = concat!("nyala_operator_", stringify!($name), "_push")]
            unsafe extern "C" fn push(input: u32, batch: u32) -> u32 {
                // SAFETY: the host promises it.
                unsafe { $crate::operator::push(&RUNNING, input, batch) }
            }

            #[export_name = concat!("nyala_operator_", stringify!($name), "_finish")]
            extern "C" fn finish(input: u32) -> u32 {
                $crate::operator::finish(&RUNNING, input)
            }

            #[export_name = concat!("nyala_operator_", stringify!($name), "_pull")]
            extern "C" fn pull() -> u32 {
                $crate::operator::pull(&RUNNING)
            }

            #[export_name = concat!("nyala_operator_", stringify!($name), "_reset")]
            extern "C" fn reset() -> u32 {
                $crate::operator::reset(&RUNNING)
            }

            $crate::manifest! {
                $crate::manifest::Statement::new().operator(stringify!($name), stringify!($($declaration)*))
            }
        };
    };
}
