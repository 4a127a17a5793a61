//! Why a kernel stopped, as people are told.

use std::fmt;
use std::sync::Arc;

use nyala_schema::guest::GuestFunction;
use nyala_schema::{Error, ErrorCode};
use wasmtime::Trap;

/// Why the host cut a kernel off.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum CutOff {
    Cancelled,
    Time,
}

impl fmt::Display for CutOff {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            CutOff::Cancelled => "the query was cancelled",
            CutOff::Time => "the time is over",
        })
    }
}

impl std::error::Error for CutOff {}

/// What a call of a kernel that has these functions ended with.
pub(crate) fn of_run(error: &wasmtime::Error, functions: &[Arc<GuestFunction>]) -> Error {
    let names = names(functions);
    match error.downcast_ref::<CutOff>() {
        Some(CutOff::Cancelled) => return cancelled(),
        Some(CutOff::Time) => {
            let limit = time_limit_ms(functions);
            return Error::new(
                ErrorCode::GuestLimit,
                format!("{names} took more than the {limit} ms that a batch may take"),
            )
            .with_hint("look for a loop that does not end, or create it WITH (time_per_batch = '…')");
        }
        None => {}
    }
    let what = match error.downcast_ref::<Trap>() {
        Some(Trap::UnreachableCodeReached) => {
            "it ran into `unreachable`, as code does that panics".to_owned()
        }
        Some(trap) => format!("trap: {trap}"),
        None => format!("{error:#}"),
    };
    Error::new(ErrorCode::GuestFailed, format!("{names} failed: {what}"))
        .with_hint("correct the function, or create it WITH (on_error = 'null') to get NULL for such rows")
}

/// What making an instance ended with.
pub(crate) fn of_instance(error: &wasmtime::Error, functions: &[Arc<GuestFunction>]) -> Error {
    if error.is::<CutOff>() || error.is::<Trap>() {
        return of_run(error, functions);
    }
    Error::new(ErrorCode::GuestLimit, format!("{} cannot be instantiated: {error:#}", names(functions)))
        .with_hint("a module may not ask for more memory than WITH (memory = '…') allows")
}

pub(crate) fn cancelled() -> Error {
    Error::new(ErrorCode::Cancelled, "the query was cancelled")
}

/// The code generator refused a component: the modules were checked before, so that is unusual.
pub(crate) fn of_compilation(error: Error, functions: &[Arc<GuestFunction>]) -> Error {
    if functions.is_empty() {
        return Error::internal(format!("a driver cannot be compiled: {error}"));
    }
    error.context(names(functions))
}

/// The time that functions may take together.
pub(crate) fn time_limit_ms(functions: &[Arc<GuestFunction>]) -> u64 {
    functions.iter().map(|function| u64::from(function.code.limits.time_per_batch_ms)).sum()
}

fn names(functions: &[Arc<GuestFunction>]) -> String {
    let mut names = Vec::new();
    for function in functions {
        names.push(format!("function {function} (export {})", function.code.export));
    }
    if names.is_empty() { "a loop without functions".to_owned() } else { names.join(" or ") }
}
