//! Tables whose files Nyala owns: immutable files, and a catalog that says which of them are the table.
//!
//! Reading order: [`shape`] is what a table looks like, [`data_file`] what it is made of, [`file_list`] all of them;
//! [`table`] holds everything that the catalog knows of a table, with its [`version`]s and [`summary`]; [`change`] is
//! how it changes, [`alteration`] how its shape does; [`property`] is what its owner chooses.

pub mod alteration;
pub mod change;
pub mod data_file;
pub mod file_list;
pub mod file_statistics;
pub mod property;
pub mod shape;
pub mod summary;
pub mod table;
pub mod version;

pub use alteration::{NewColumn, TableAlteration};
pub use change::{Requirement, TableChange};
pub use data_file::{DataFile, Deletions, DeletionsPlace, FileContent, InlineRows};
pub use file_list::FileList;
pub use file_statistics::{FileColumn, FileStatistics};
pub use property::TableProperties;
pub use shape::{CheckConstraint, PartitionField, SortField, TableColumn, TableShape, Transform};
pub use summary::{ColumnSketch, ColumnSummary, Histogram, TableSummary};
pub use table::ManagedTable;
pub use version::{TableOperation, TableVersion};
