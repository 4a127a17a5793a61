//! SQL text in, optimised logical plan out.
//!
//! `script` cuts text into statements, `shape` and `expansion` refuse what is too large, `dialect` and `parse` turn it into a
//! [`Statement`], and `normalize` and `names` put its queries into the words that the planner knows. [`Frontend`] plans
//! queries: `registry` knows the functions, `session_function` has those that tell of the session, `context` resolves names,
//! `table`, `view` and `series` are what scans read, `relation` handles what stands in FROM, and `optimize` runs DataFusion's
//! rules. `syntax`, `diagnose` and `message` make of every failure an error with position and hint; [`render()`] shows it.

mod assignment;
mod balance;
mod call;
mod constant;
mod context;
mod definition;
mod diagnose;
mod dialect;
pub mod dml;
mod exists;
mod expansion;
mod guest_function;
mod guest_node;
mod inline;
mod lateral;
mod locate;
mod message;
mod multiset;
mod names;
mod normalize;
mod optimize;
mod overload;
mod parse;
mod plan;
mod point_in_time;
mod push_down;
mod registry;
mod relation;
mod render;
mod resolve;
mod same_name;
mod script;
mod series;
mod session_function;
mod shape;
mod statement;
mod suggest;
mod syntax;
mod table;
mod table_argument;
mod table_check;
mod table_read;
mod table_sql;
mod types;
mod view;

pub use datafusion_expr::LogicalPlan;
pub use definition::{CodeSource, Declaration, FunctionChange, Language, LimitChanges, NewVersion};
pub use diagnose::located;
pub use guest_function::{GuestUdaf, GuestUdf};
pub use guest_node::{GuestNodeInput, GuestOperatorNode, GuestOrder, TableFunctionNode};
pub use parse::{parse, parse_manifest};
pub use plan::{Frontend, PlannedQuery, logical_text};
pub use registry::{FunctionInfo, FunctionKind};
pub use render::render;
pub use script::{is_complete, split};
pub use series::SeriesHandle;
pub use statement::{
    CheckDefinition, ColumnDefinition, CopySource, Delete, DescribeTarget, ExplainFormat, Insert,
    InsertSource, IsolationLevel, Merge, MergeAction, MergeClause, MergeWhen, PartitionColumn, PartitionTerm,
    PartitionValue, PointInTime, ShowTarget, SortTerm, Statement, TableAlter, TableClauses, Update,
};
pub use suggest::nearest;
pub use table::TableHandle;
pub use table_sql::create_table_sql;
