//! The text of programs and plans: stable, for goldens and for people; programs can be read back.

mod parse;
mod plan;
mod program;

pub use parse::parse_program;
