//! Columns and batches that the host wrote into the memory of the module.

use std::marker::PhantomData;

use nyala_guest_abi as abi;

use crate::argument::Argument;
use crate::memory::pointer;

/// Values of one column, valid for one call.
#[derive(Debug, Clone, Copy)]
pub struct Column<'a> {
    kind: u32,
    rows: usize,
    /// Null when there is no NULL.
    pub(crate) validity: *const u8,
    pub(crate) values: *const u8,
    pub(crate) offsets: *const i32,
    children: *const abi::Column,
    lives: PhantomData<&'a [u8]>,
}

impl<'a> Column<'a> {
    /// # Safety
    /// The column must be laid out as the ABI says, and live as long as `'a`.
    pub unsafe fn read(raw: &abi::Column) -> Self {
        Self {
            kind: raw.kind,
            rows: raw.rows as usize,
            validity: pointer(raw.validity),
            values: pointer(raw.values),
            offsets: pointer(raw.offsets),
            children: pointer(raw.children),
            lives: PhantomData,
        }
    }

    /// What the values are; `None` for a kind of a later ABI.
    pub fn kind(&self) -> Option<abi::Kind> {
        abi::Kind::from_u32(self.kind)
    }

    /// How many there are.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// The elements of a LIST.
    pub(crate) fn elements(&self) -> Option<Column<'a>> {
        if self.children.is_null() {
            return None;
        }
        // SAFETY: `read` was promised that the column is as the ABI says: a LIST has one child.
        Some(unsafe { Column::read(&*self.children) })
    }

    /// # Errors
    /// When the host gives values of another kind than the code was written for: the module's declaration lies.
    pub(crate) fn expect(&self, kind: abi::Kind) -> Result<(), String> {
        if self.kind == kind as u32 {
            return Ok(());
        }
        let found = self.kind().map_or(format!("kind {}", self.kind), |kind| format!("{:?}", kind));
        Err(format!("a column of {:?} was declared otherwise: {} was given", kind, found))
    }
}

/// Bit `row` of a bitmap.
///
/// # Safety
/// The bitmap must have more than `row` bits.
#[inline(always)]
pub(crate) unsafe fn bit(bitmap: *const u8, row: usize) -> bool {
    // SAFETY: promised by the caller.
    unsafe { *bitmap.add(row / 8) >> (row % 8) & 1 == 1 }
}

/// Columns of equal length, valid for one call.
#[derive(Debug, Clone, Copy)]
pub struct Batch<'a> {
    columns: *const abi::Column,
    column_count: usize,
    rows: usize,
    lives: PhantomData<&'a [u8]>,
}

impl<'a> Batch<'a> {
    /// # Safety
    /// `address` must be that of a batch laid out as the ABI says, which lives as long as `'a`.
    pub unsafe fn at(address: u32) -> Self {
        // SAFETY: promised by the caller.
        let raw = unsafe { &*pointer::<abi::Batch>(address) };
        Self {
            columns: pointer(raw.columns),
            column_count: raw.column_count as usize,
            rows: raw.rows as usize,
            lives: PhantomData,
        }
    }

    /// How many rows there are.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// How many columns there are.
    pub fn column_count(&self) -> usize {
        self.column_count
    }

    /// One column; `None` past the last.
    pub fn column(&self, index: usize) -> Option<Column<'a>> {
        if index >= self.column_count {
            return None;
        }
        // SAFETY: `at` was promised that there are `column_count` columns one after the other.
        let column = unsafe { Column::read(&*self.columns.add(index)) };
        debug_assert_eq!(column.rows, self.rows);
        Some(column)
    }

    /// A column as values of a Rust type.
    ///
    /// # Errors
    /// When there is no such column, or it has other values.
    pub fn values<T: Argument<'a>>(&self, index: usize) -> Result<Values<'a, T>, String> {
        let reader =
            T::open(self.column(index)).map_err(|message| format!("column {}: {}", index, message))?;
        Ok(Values { reader, rows: self.rows })
    }
}

/// A column as values of a Rust type.
pub struct Values<'a, T: Argument<'a>> {
    reader: T::Reader,
    rows: usize,
}

impl<'a, T: Argument<'a>> Values<'a, T> {
    /// Whether there may be rows for which the function is not to be called.
    pub fn may_miss(&self) -> bool {
        T::may_miss(&self.reader)
    }

    /// Whether the function is not to be called for this row.
    ///
    /// # Safety
    /// `row` must be below the number of rows.
    #[inline(always)]
    pub unsafe fn is_missing_unchecked(&self, row: usize) -> bool {
        // SAFETY: promised by the caller.
        unsafe { T::is_missing(&self.reader, row) }
    }

    /// # Safety
    /// `row` must be below the number of rows.
    #[inline(always)]
    pub unsafe fn get_unchecked(&self, row: usize) -> T {
        // SAFETY: promised by the caller.
        unsafe { T::read(&self.reader, row) }
    }

    /// The value of a row; of a type that is not an `Option`, anything where it is NULL.
    ///
    /// # Panics
    /// When there is no such row.
    #[inline]
    pub fn get(&self, row: usize) -> T {
        assert!(row < self.rows, "row {} of {}", row, self.rows);
        // SAFETY: checked above.
        unsafe { T::read(&self.reader, row) }
    }
}
