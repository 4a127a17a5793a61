//! The harness: an embedded engine for tests, test data, and answers as text.

mod answers;
mod data;
mod database;
pub mod load;
mod local_cluster;
mod nodes;
mod oracle;
pub mod steady_load;
pub mod thread_per_connection;

pub use answers::{Rows, compare, compare_unordered};
pub use data::{program, project_root, tpch_folder};
pub use database::Database;
pub use local_cluster::{LocalCluster, rows};
pub use nodes::Nodes;
pub use oracle::Oracle;
