//! How uploaded code is run: implemented by the sandbox, handed to interpreter and executor as values.

use std::cell::RefCell;
use std::sync::Arc;
use std::time::Duration;

use arrow::array::ArrayRef;
use arrow::datatypes::{DataType, SchemaRef};
use nyala_schema::Result;
use nyala_schema::guest::{GuestCode, GuestFunction, Tier};
use nyala_schema::operator::GuestCall;
use nyala_schema::scan::physical_type;

use crate::library::GroupAccumulator;

/// Makes uploaded code runnable. Shared by all queries of a process.
///
/// Columns go in and come out in the exact types of the pipeline ([`exact_type`](crate::exact_type)): text is
/// `Utf8View`, nothing is dictionary-encoded. Scalar functions are given as [`as_called`] makes them.
pub trait Guests: Send + Sync {
    /// # Errors
    /// `InvalidModule` when the code is not there or is not what the function says; `Quarantined`.
    fn scalar(&self, function: &Arc<GuestFunction>) -> Result<Arc<dyn ScalarGuest>>;

    /// # Errors
    /// As `scalar`.
    fn aggregate(&self, function: &Arc<GuestFunction>) -> Result<Box<dyn GroupAccumulator>>;

    /// # Errors
    /// As `scalar`.
    fn table(&self, function: &Arc<GuestFunction>) -> Result<Box<dyn TableGuest>>;

    /// An instance for one partition after the other. `inputs` are the columns of each input.
    ///
    /// # Errors
    /// As `scalar`, and what the operator says of its parameters and inputs.
    fn operator(&self, call: &GuestCall, inputs: &[SchemaRef]) -> Result<Box<dyn OperatorGuest>>;
}

/// The function in the types in which programs call it: the row tier passes decimals of up to 18 digits as 64-bit numbers.
#[must_use]
pub fn as_called(function: &GuestFunction) -> GuestFunction {
    let held = |data_type: &DataType| match data_type {
        DataType::Decimal128(..) => physical_type(data_type),
        other => other.clone(),
    };
    let mut called = function.clone();
    match function.tier {
        Tier::Batch => {}
        Tier::Row => {
            called.arguments = function.arguments.iter().map(held).collect();
            called.returns = held(&function.returns);
        }
    }
    called
}

/// A scalar function, to be called from any thread.
pub trait ScalarGuest: Send + Sync {
    /// One value for each of `rows` rows.
    ///
    /// # Errors
    /// `GuestFailed`, `GuestLimit`, `Quarantined`, `Cancelled`, `OutOfMemory`.
    fn call(&self, arguments: &[ArrayRef], rows: usize) -> Result<ArrayRef>;
}

/// Rows that uploaded code made.
#[derive(Debug, Clone)]
pub struct GuestRows {
    pub rows: usize,
    /// The input row that each came of, counted from the first row of the batch (table functions) or of the partition
    /// (operators that extend their input); `None` for rows of their own.
    pub sources: Option<Vec<u32>>,
    pub columns: Vec<ArrayRef>,
}

/// One instance of a table function.
pub trait TableGuest: Send {
    /// Takes a batch of argument rows; only after [`pull`](Self::pull) has given `None` for the one before.
    ///
    /// # Errors
    /// As [`ScalarGuest::call`].
    fn push(&mut self, arguments: &[ArrayRef], rows: usize) -> Result<()>;

    /// The next rows that come of the batch.
    ///
    /// # Errors
    /// As [`ScalarGuest::call`].
    fn pull(&mut self) -> Result<Option<GuestRows>>;
}

/// One instance of an operator.
pub trait OperatorGuest: Send {
    /// Takes rows of an input, in their order. Columns: the order keys, the partition keys, then all columns of the
    /// input if the operator reads them.
    ///
    /// # Errors
    /// As [`ScalarGuest::call`].
    fn push(&mut self, input: usize, columns: &[ArrayRef], rows: usize) -> Result<()>;

    /// There are no more rows of this input in this partition.
    ///
    /// # Errors
    /// As [`ScalarGuest::call`].
    fn finish(&mut self, input: usize) -> Result<()>;

    /// The next rows; `None` when more input is wanted, or all are given.
    ///
    /// # Errors
    /// As [`ScalarGuest::call`].
    fn pull(&mut self) -> Result<Option<GuestRows>>;

    /// Forgets everything: the next partition begins.
    ///
    /// # Errors
    /// As [`ScalarGuest::call`].
    fn reset(&mut self) -> Result<()>;
}

/// What a call of uploaded code took.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct GuestUsage {
    pub calls: u64,
    pub rows: u64,
    pub time: Duration,
    pub traps: u64,
    /// The most that an instance held, in bytes.
    pub memory_bytes: u64,
}

/// What running uploaded code asks of the query that it runs for, and tells it.
pub trait Supervisor: Send + Sync {
    fn is_cancelled(&self) -> bool;

    /// Accounts memory of an instance to the query.
    ///
    /// # Errors
    /// OutOfMemory; nothing is accounted then.
    fn grow(&self, bytes: u64) -> Result<()>;

    fn shrink(&self, bytes: u64);

    fn record(&self, code: &GuestCode, usage: &GuestUsage);

    /// Whether a failure is one more on the way to quarantine: not when the call was only a try.
    fn blames(&self) -> bool {
        true
    }
}

thread_local! {
    static CURRENT: RefCell<Vec<Arc<dyn Supervisor>>> = const { RefCell::new(Vec::new()) };
}

/// While this lives, uploaded code on this thread runs for its query.
#[must_use]
pub struct Supervised(());

impl Supervised {
    pub fn enter(supervisor: Arc<dyn Supervisor>) -> Self {
        CURRENT.with(|current| current.borrow_mut().push(supervisor));
        Self(())
    }

    /// The innermost supervisor of this thread; none while a query is planned.
    pub fn current() -> Option<Arc<dyn Supervisor>> {
        CURRENT.with(|current| current.borrow().last().cloned())
    }
}

impl Drop for Supervised {
    fn drop(&mut self) {
        CURRENT.with(|current| current.borrow_mut().pop());
    }
}
