//! The front end from outside: text in, statements, plans and errors out.

mod definitions;
mod dml;
mod errors;
mod functions;
mod hostile;
mod operators;
mod queries;
mod statement_text;
mod statements;
mod tables;
mod tpch;
mod uploads;
