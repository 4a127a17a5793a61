//! What operators give: rows of their input with more columns, rows like those of their input, rows of their own.

use nyala_guest_abi as abi;

use crate::any::AnyBuilder;
use crate::builder::{Builder, Fixed};
use crate::operator::Input;
use crate::record::{Columns, Record};
use crate::value::Cell;

/// Collects rows until the host takes them.
pub trait Output: Default {
    /// Gets ready for rows of inputs like these.
    ///
    /// # Errors
    /// When it cannot hold them.
    fn open(&mut self, inputs: &[Input]) -> Result<(), String>;

    /// Forgets the rows, keeps the memory.
    fn clear(&mut self);

    /// How many rows there are.
    fn len(&self) -> usize;

    /// Whether there are none.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Adds where `rows` values of each column are, from row `from`.
    fn describe(&mut self, from: usize, rows: usize, out: &mut Vec<abi::Column>);
}

/// `RETURNS INPUT AND (…)`: rows of the first input, each with the columns `R`.
pub struct Extending<R: Record> {
    sources: Fixed<u32>,
    columns: R::Columns,
}

impl<R: Record> Default for Extending<R> {
    fn default() -> Self {
        Self { sources: Fixed::default(), columns: R::Columns::default() }
    }
}

impl<R: Record> Extending<R> {
    /// Adds a row: the row of the first input with that [number](crate::InputRows::number), and these columns.
    ///
    /// # Errors
    /// When one of the values is an error.
    #[inline]
    pub fn push<T: Record<Columns = R::Columns>>(&mut self, number: u32, row: T) -> Result<(), String> {
        self.sources.push(number);
        row.put(&mut self.columns)
    }
}

impl<R: Record> Output for Extending<R> {
    fn open(&mut self, _: &[Input]) -> Result<(), String> {
        Ok(())
    }

    fn clear(&mut self) {
        self.sources.clear();
        self.columns.clear();
    }

    fn len(&self) -> usize {
        self.sources.rows()
    }

    fn describe(&mut self, from: usize, rows: usize, out: &mut Vec<abi::Column>) {
        out.push(self.sources.describe(from, rows));
        self.columns.describe(from, rows, out);
    }
}

/// `RETURNS TABLE (…)`: rows of its own, with the columns `R`.
pub struct Own<R: Record> {
    rows: usize,
    columns: R::Columns,
}

impl<R: Record> Default for Own<R> {
    fn default() -> Self {
        Self { rows: 0, columns: R::Columns::default() }
    }
}

impl<R: Record> Own<R> {
    /// Adds a row.
    ///
    /// # Errors
    /// When one of the values is an error.
    #[inline]
    pub fn push<T: Record<Columns = R::Columns>>(&mut self, row: T) -> Result<(), String> {
        self.rows += 1;
        row.put(&mut self.columns)
    }
}

impl<R: Record> Output for Own<R> {
    fn open(&mut self, _: &[Input]) -> Result<(), String> {
        Ok(())
    }

    fn clear(&mut self) {
        self.rows = 0;
        self.columns.clear();
    }

    fn len(&self) -> usize {
        self.rows
    }

    fn describe(&mut self, from: usize, rows: usize, out: &mut Vec<abi::Column>) {
        self.columns.describe(from, rows, out);
    }
}

/// `RETURNS LIKE INPUT`, or `LIKE INPUT AND (…)`: rows with the columns of the first input, and then `R`.
pub struct LikeInput<R: Record = ()> {
    rows: usize,
    like: Vec<AnyBuilder>,
    own: R::Columns,
}

impl<R: Record> Default for LikeInput<R> {
    fn default() -> Self {
        Self { rows: 0, like: Vec::new(), own: R::Columns::default() }
    }
}

impl<R: Record> LikeInput<R> {
    /// Adds a row: a value for each column of the input, and the columns of its own.
    ///
    /// # Errors
    /// When there are more or fewer values than columns, or one is of another type than its column.
    pub fn push<T: Record<Columns = R::Columns>>(&mut self, like: &[Cell<'_>], own: T) -> Result<(), String> {
        if like.len() != self.like.len() {
            return Err(format!("{} values for {} columns", like.len(), self.like.len()));
        }
        self.rows += 1;
        for (column, cell) in self.like.iter_mut().zip(like) {
            column.push(cell)?;
        }
        own.put(&mut self.own)
    }
}

impl<R: Record> Output for LikeInput<R> {
    fn open(&mut self, inputs: &[Input]) -> Result<(), String> {
        let first = inputs.first().ok_or("there is no input to be like")?;
        let kinds = (0..first.columns).map(|column| first.kind(column));
        self.like = kinds.map(AnyBuilder::of).collect::<Result<_, _>>()?;
        self.clear();
        Ok(())
    }

    fn clear(&mut self) {
        self.rows = 0;
        self.like.iter_mut().for_each(AnyBuilder::clear);
        self.own.clear();
    }

    fn len(&self) -> usize {
        self.rows
    }

    fn describe(&mut self, from: usize, rows: usize, out: &mut Vec<abi::Column>) {
        out.extend(self.like.iter_mut().map(|column| column.describe(from, rows)));
        self.own.describe(from, rows, out);
    }
}
