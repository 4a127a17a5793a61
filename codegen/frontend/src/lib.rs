//! SQL text in, optimised logical plan out.
//!
//! `script` cuts text into statements, `shape` and `expansion` refuse what is too large, `dialect` and `parse` turn it into a
//! [`Statement`], and `normalize` and `names` put its queries into the words that the planner knows. [`Frontend`] plans
//! queries: `registry` knows the functions, `context` resolves names, `table`, `view` and `series` are what scans read,
//! `relation` handles what stands in FROM, and `optimize` runs DataFusion's rules. `syntax`, `diagnose` and `message` make
//! of every failure an error with position and hint; [`render()`] shows it.

mod balance;
mod context;
mod definition;
mod diagnose;
mod dialect;
mod exists;
mod expansion;
mod locate;
mod message;
mod multiset;
mod names;
mod normalize;
mod optimize;
mod parse;
mod plan;
mod registry;
mod relation;
mod render;
mod script;
mod series;
mod shape;
mod statement;
mod suggest;
mod syntax;
mod table;
mod types;
mod view;

pub use datafusion_expr::LogicalPlan;
pub use definition::{CodeSource, Declaration, FunctionChange, Language, LimitChanges, NewVersion};
pub use parse::{parse, parse_manifest};
pub use plan::{Frontend, logical_text};
pub use registry::{FunctionInfo, FunctionKind};
pub use render::render;
pub use script::{is_complete, split};
pub use series::SeriesHandle;
pub use statement::{
    ColumnDefinition, CopySource, DescribeTarget, ExplainFormat, PartitionColumn, ShowTarget, Statement,
};
pub use table::TableHandle;
