//! What a statement gives.

use crate::rows::RowStream;

pub enum Answer {
    Rows(Box<RowStream>),
    /// A command tag such as `CREATE TABLE` or `INSERT 42`.
    Done(String),
}
