//! The interpreter and the function library at their seams: whole programs, accumulators, window calls.

mod aggregates;
mod build;
mod dictionaries;
mod operations;
mod states;
mod windows;
