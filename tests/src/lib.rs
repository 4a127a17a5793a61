//! The harness: an embedded engine for tests, test data, and answers as text.

mod answers;
mod data;
mod database;
pub mod load;
mod nodes;
mod oracle;

pub use answers::{Rows, compare, compare_unordered};
pub use data::{program, project_root, tpch_folder};
pub use database::Database;
pub use nodes::Nodes;
pub use oracle::Oracle;
