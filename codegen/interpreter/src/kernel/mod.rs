//! What each operation computes. A kernel is a pure function of registers; it knows neither frames nor programs.

pub mod arithmetic;
pub mod cast;
pub mod compare;
pub mod decimal;
pub mod integer;
pub mod like;
pub mod logic;
pub mod membership;
pub mod operand;
pub mod pattern;
pub mod prepared;
pub mod primitive;
pub mod select;
