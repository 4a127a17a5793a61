//! One node: configuration and the wiring of all parts, embedded in a program or in a cluster.
//!
//! Reading order: [`engine`] is what a process has once, [`session`] what each user has, and `work` what that is in the middle
//! of, such as a `transaction`; a statement goes to `query`, `definition`, `write`, `function`, `history`, `backup`, `copy`,
//! `explain` or `show`, and comes back as an [`answer`]. `check` and `dump` are for who looks after a system. `tables` are what a statement sees: `search_path` finds names,
//! `information` makes tables of the catalog itself. `snapshots` and `writing` say which files are still needed;
//! `statements` are those that run. [`parts`] make an engine one of a cluster, and [`node`] gives them a transport and threads: `network` ties it to the others, `handler` and
//! [`serve`] answer them and clients, [`mod@config`] is what it is told, `metrics` what it tells.

pub mod answer;
mod backup;
mod check;
mod commit;
pub mod config;
mod config_file;
mod copy;
mod definition;
mod dump;
pub mod engine;
mod explain;
mod faults;
mod folding;
mod function;
mod handler;
mod history;
mod information;
mod machine;
mod memory;
mod metrics;
mod modules;
mod network;
pub mod node;
pub mod parts;
mod qualify;
mod query;
mod running;
mod search_path;
pub mod serve;
pub mod session;
mod settings;
mod shared_warehouse;
mod show;
mod snapshots;
mod statements;
mod table_sql;
mod tables;
mod transaction;
mod watched;
mod work;
mod write;
mod writing;

pub use answer::{Answer, FragmentProgress, Progress, RowSource, RowStream, Summary};
pub use check::{CheckReport, check_folder};
pub use config::{NodeConfig, PoolConfig, TlsFiles};
pub use config_file::{LISTEN, default_listen, roles as parse_roles};
pub use engine::{Config, Engine, default_options};
pub use handler::NodeHandler;
pub use metrics::{Metric, MetricKind};
pub use node::Node;
pub use nyala_catalog::Outcome;
pub use nyala_cluster::{UpgradeCheck, UpgradeStep};
pub use nyala_frontend::render as render_error;
pub use nyala_sandbox::compile_child;
pub use nyala_schema::{Error, ErrorCode, Result};
pub use nyala_storage as storage;
pub use session::{CancelHandle, Session};
pub use work::TransactionState;
