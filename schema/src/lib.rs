//! The nouns that the compiler and the runtime share, and their wire form.
//!
//! Reading order: [`id`], [`value`], [`expr`], [`scan`], [`operator`], [`fragment`] describe a plan;
//! [`cluster`] is where it runs, [`deploy`] what is said about that between nodes, and [`client`] what clients say and hear;
//! [`guest`] is uploaded code in plans; [`table`], [`managed`], [`function`], [`command`], [`statistics`], [`lookup`] describe what exists; [`error`], [`option`]
//! and [`type_name`] are used by all; [`wire`] is the only place that knows Cap'n Proto.

pub mod bound;
pub mod client;
pub mod cluster;
pub mod command;
pub mod deploy;
pub mod error;
pub mod expr;
pub mod fragment;
pub mod function;
pub mod guest;
pub mod id;
pub mod lookup;
pub mod managed;
pub mod operator;
pub mod option;
mod packed;
mod partial;
pub mod scan;
pub mod statistics;
pub mod table;
pub mod type_name;
pub mod value;
pub mod wire;

pub use bound::Bound;
pub use error::{Error, ErrorCode, Result};
pub use expr::Expr;
pub use fragment::Fragment;
pub use guest::Callee;
pub use operator::{Operator, OperatorKind};
pub use value::Value;
