//! From what wasmtime and guests say to errors that name function, version, export and cause.

use std::fmt::Write;

use nyala_schema::guest::GuestCode;
use nyala_schema::{Error, ErrorCode};
use wasmtime::{Trap, WasmBacktrace};

use super::host::Host;

const FRAMES_MAX: usize = 8;

/// A call that did not return.
pub(super) fn trap(code: &GuestCode, export: &str, host: &mut Host, error: &wasmtime::Error) -> Error {
    if let Some(stop) = host.stop.take() {
        return match stop.code() {
            ErrorCode::Cancelled | ErrorCode::OutOfMemory => stop,
            _ => stop.context(place(code, export)),
        };
    }
    let trap = error.downcast_ref::<Trap>();
    let mut message = String::new();
    let complaint = host.complaint.take();
    if let Some(complaint) = &complaint {
        if let Some(row) = complaint.row {
            let _ = write!(message, "at row {} of the batch: ", row + 1);
        }
        let _ = write!(message, "{}", complaint.message);
    } else {
        match trap {
            Some(trap) => message.push_str(&trap.to_string()),
            None => message.push_str(&error.root_cause().to_string()),
        }
    }
    message.push_str(&backtrace(error));
    let message = format!("{}: {message}", place(code, export));
    if trap == Some(&Trap::StackOverflow) {
        return Error::new(ErrorCode::GuestLimit, message).with_hint(format!(
            "it may use {} KiB of stack: is a recursion without end?",
            crate::engine::STACK_BYTES >> 10
        ));
    }
    if let Some(wanted) = host.refused_bytes {
        return memory_limit(message, wanted, host);
    }
    Error::new(ErrorCode::GuestFailed, message)
}

/// A call that returned the sign of failure.
pub(super) fn refusal(code: &GuestCode, export: &str, host: &mut Host, otherwise: &str) -> Error {
    let message = match host.complaint.clone() {
        Some(complaint) => match complaint.row {
            Some(row) => format!("at row {} of the batch: {}", row + 1, complaint.message),
            None => complaint.message,
        },
        None => otherwise.to_owned(),
    };
    let message = format!("{}: {message}", place(code, export));
    match host.refused_bytes {
        Some(wanted) => memory_limit(message, wanted, host),
        None => Error::new(ErrorCode::GuestFailed, message),
    }
}

/// A result that is none.
pub(super) fn nonsense(code: &GuestCode, export: &str, what: String) -> Error {
    Error::new(ErrorCode::GuestFailed, format!("{}: {what}", place(code, export)))
        .with_hint("the module does not keep to docs/reference/guest-abi.md; build it with the SDK")
}

/// A result that is larger than any may be.
pub(super) fn too_much(code: &GuestCode, export: &str, what: String) -> Error {
    Error::new(ErrorCode::GuestLimit, format!("{}: {what}", place(code, export)))
        .with_hint("return less for a row")
}

/// `nyala_alloc` gave nothing.
pub(super) fn no_room(code: &GuestCode, bytes: u32, host: &mut Host) -> Error {
    let message = format!("{}: it has no room for {bytes} bytes", place(code, nyala_guest_abi::EXPORT_ALLOC));
    memory_limit(message, host.refused_bytes.unwrap_or_else(|| host.memory_bytes() + u64::from(bytes)), host)
}

fn memory_limit(message: String, wanted: u64, host: &Host) -> Error {
    let allowed = host.limits().memory_bytes;
    Error::new(
        ErrorCode::GuestLimit,
        format!("{message} (it asked for {wanted} bytes of memory; {allowed} are allowed)"),
    )
    .with_hint("allow more with WITH (memory = '…')")
}

/// An instance that could not be made.
pub(super) fn instantiation(code: &GuestCode, host: &mut Host, error: &wasmtime::Error) -> Error {
    if let Some(stop) = host.stop.take() {
        return stop;
    }
    if error.is::<wasmtime::PoolConcurrencyLimitError>() {
        let message = format!("function {code}: there are too many instances of modules at the same time");
        return Error::new(ErrorCode::GuestLimit, message).with_hint("run fewer queries at the same time");
    }
    let message = format!("function {code} cannot be started: {error:#}");
    match host.refused_bytes {
        Some(wanted) => memory_limit(message, wanted, host),
        None => Error::new(ErrorCode::GuestFailed, message),
    }
}

fn place(code: &GuestCode, export: &str) -> String {
    format!("function {code} (export {export}) failed")
}

/// ` [at inner (file:line) < outer]`, or nothing.
fn backtrace(error: &wasmtime::Error) -> String {
    let Some(backtrace) = error.downcast_ref::<WasmBacktrace>() else { return String::new() };
    let frames: Vec<String> = backtrace
        .frames()
        .iter()
        .take(FRAMES_MAX)
        .map(|frame| {
            let symbol = frame.symbols().first();
            let name = symbol
                .and_then(|symbol| symbol.name())
                .or_else(|| frame.func_name())
                .map_or_else(|| format!("function {}", frame.func_index()), str::to_owned);
            match symbol.and_then(|symbol| symbol.file().zip(symbol.line())) {
                Some((file, line)) => format!("{name} ({file}:{line})"),
                None => name,
            }
        })
        .collect();
    if frames.is_empty() { String::new() } else { format!(" [at {}]", frames.join(" < ")) }
}
