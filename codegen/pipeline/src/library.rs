//! What operators ask of the function library beside row code: accumulators and window functions.

use arrow::array::{ArrayRef, BooleanArray};
use nyala_schema::Result;

use crate::state::{LibraryAggregate, WindowSpec};

/// Implemented by the interpreter crate over DataFusion's functions; handed to the executor as a value.
pub trait Library: Send + Sync {
    /// # Errors
    /// UndefinedFunction, DatatypeMismatch.
    fn accumulator(&self, aggregate: &LibraryAggregate) -> Result<Box<dyn GroupAccumulator>>;

    /// Results of all calls over the rows of **one** partition, which are in the spec's order; one array per call,
    /// each `rows` long.
    ///
    /// # Errors
    /// Those of the functions.
    fn window(&self, spec: &WindowSpec, columns: &[ArrayRef], rows: usize) -> Result<Vec<ArrayRef>>;
}

/// The state of one aggregate for many groups.
pub trait GroupAccumulator: Send {
    /// Adds rows. `groups[i]` is row i's group, below `group_count`, which never shrinks. Rows that `filter` does
    /// not hold true are left out.
    ///
    /// # Errors
    /// Those of the function.
    fn update(
        &mut self,
        arguments: &[ArrayRef],
        order_by: &[ArrayRef],
        groups: &[u32],
        group_count: usize,
        filter: Option<&BooleanArray>,
    ) -> Result<()>;

    /// Gives up the state of all groups as columns, a row each; leaves the accumulator empty.
    ///
    /// # Errors
    /// Those of the function.
    fn take_states(&mut self) -> Result<Vec<ArrayRef>>;

    /// Adds states that another accumulator gave; row i belongs to group `groups[i]`.
    ///
    /// # Errors
    /// Those of the function.
    fn merge(&mut self, states: &[ArrayRef], groups: &[u32], group_count: usize) -> Result<()>;

    /// The results of all groups; leaves the accumulator empty.
    ///
    /// # Errors
    /// Those of the function.
    fn finish(&mut self) -> Result<ArrayRef>;

    /// Bytes held.
    fn size(&self) -> usize;
}
