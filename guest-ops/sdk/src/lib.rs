//! Functions and operators for Nyala, written in Rust.
//!
//! Write a plain function and put a macro around it. The macro exports it as Nyala calls it, a batch of rows at a time, and
//! writes the `CREATE` statement that `CREATE MODULE` runs into the module.
//!
//! ```
//! nyala_sdk::scalar! {
//!     /// The first letters of all words.
//!     fn initials(name: &str) -> String {
//!         name.split_whitespace().filter_map(|word| word.chars().next()).collect()
//!     }
//! }
//!
//! # fn main() {
//! assert_eq!(initials("Ada Lovelace"), "AL");
//! # }
//! ```
//!
//! [`scalar!`], [`aggregate!`], [`table_function!`] and [`operator!`] are the four kinds. Everything compiles for the machine
//! at hand too, so that `cargo test` tests functions as what they are: functions.

#![deny(unsafe_op_in_unsafe_fn, missing_docs)]

pub mod aggregate;
mod allocator;
pub mod any;
pub mod argument;
pub mod builder;
pub mod column;
pub mod host;
pub mod manifest;
pub mod memory;
pub mod operator;
pub mod output;
pub mod record;
pub mod returned;
pub mod row;
pub mod scalar;
pub mod sql_type;
pub mod state;
pub mod table;
pub mod testing;
pub mod time;
pub mod value;

pub use nyala_guest_abi as abi;

pub use aggregate::Aggregate;
pub use argument::{Argument, Extra, List};
pub use builder::TextWriter;
pub use host::Failure;
pub use operator::{Input, InputRows, Operator, Parameters};
pub use output::{Extending, LikeInput, Own};
pub use state::State;
pub use table::Rows;
pub use time::{Date, Interval, Timestamp};
pub use value::{Cell, Decimal};
