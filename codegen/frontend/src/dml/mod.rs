//! Queries that find what a statement writes: made of its parts as they were parsed, so that errors in them have their
//! places, and of the shape of the table.
//!
//! The target is read with two columns more than it has, [`FILE_COLUMN`] and [`ROW_COLUMN`], which say where a row is; other
//! uses of the table in the same statement do not see them. New values are cast to their column's type, defaults are
//! put in, and for each CHECK a column `$check_i` is true where the new row violates it.

mod alter;
mod insert;
mod literal;
mod merge;
mod target;
mod tree;
mod update;

pub(crate) use literal::check as check_literal;

pub use alter::{check_query, not_null_query};
pub use insert::insert_query;
pub use merge::merge_query;
pub use update::{delete_query, update_query};

/// Where a row is: the id of its file, `Int64`. NULL for rows that MERGE inserts.
pub const FILE_COLUMN: &str = "$file";
/// Where a row is: its position in the file, from 0, `Int64`. NULL for rows that MERGE inserts.
pub const ROW_COLUMN: &str = "$row";
/// What MERGE does with a row, `Int32`: [`ACTION_UPDATE`], [`ACTION_DELETE`] or [`ACTION_INSERT`].
pub const ACTION_COLUMN: &str = "$action";
pub const ACTION_UPDATE: i32 = 1;
pub const ACTION_DELETE: i32 = 2;
pub const ACTION_INSERT: i32 = 3;

/// What stands between a query that is inserted, or merged, and what is made of its columns.
pub(crate) const SOURCE: &str = "$source";

/// The column that is true where a row violates the check of this number.
pub fn check_column(index: usize) -> String {
    format!("$check_{index}")
}
