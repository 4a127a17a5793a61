//! What a module may ask of the host: say why it fails, log, the time, random bits, scratch space.

use std::cell::Cell;
use std::fmt;

#[cfg(target_arch = "wasm32")]
mod imports {
    #[link(wasm_import_module = "nyala")]
    extern "C" {
        pub fn fail(message: *const u8, length: u32, row: i32);
        pub fn log(level: u32, message: *const u8, length: u32);
        pub fn now() -> i64;
        pub fn random() -> i64;
        pub fn scratch_write(offset: i64, pointer: *const u8, length: u32) -> i32;
        pub fn scratch_read(offset: i64, pointer: *mut u8, length: u32) -> i32;
    }
}

/// Off WASM there is no host: failures are kept for tests, scratch space is a vector.
#[cfg(not(target_arch = "wasm32"))]
mod imports {
    use std::cell::RefCell;

    thread_local! {
        pub static FAILURE: RefCell<Option<(String, i32)>> = const { RefCell::new(None) };
        static SCRATCH: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
    }

    unsafe fn text(message: *const u8, length: u32) -> String {
        // SAFETY: the callers below pass the parts of one slice.
        String::from_utf8_lossy(unsafe { std::slice::from_raw_parts(message, length as usize) }).into_owned()
    }

    pub unsafe fn fail(message: *const u8, length: u32, row: i32) {
        // SAFETY: as `text`.
        let failure = (unsafe { text(message, length) }, row);
        FAILURE.with(|kept| *kept.borrow_mut() = Some(failure));
    }

    pub unsafe fn log(level: u32, message: *const u8, length: u32) {
        // SAFETY: as `text`.
        eprintln!("log {}: {}", level, unsafe { text(message, length) });
    }

    pub unsafe fn now() -> i64 {
        let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
        since.map_or(0, |since| since.as_micros() as i64)
    }

    pub unsafe fn random() -> i64 {
        use std::hash::{BuildHasher, Hasher};
        std::collections::hash_map::RandomState::new().build_hasher().finish() as i64
    }

    pub unsafe fn scratch_write(offset: i64, pointer: *const u8, length: u32) -> i32 {
        let (offset, length) = (offset as usize, length as usize);
        SCRATCH.with(|scratch| {
            let mut scratch = scratch.borrow_mut();
            let needed = scratch.len().max(offset + length);
            scratch.resize(needed, 0);
            // SAFETY: the caller passes the parts of one slice.
            let bytes = unsafe { std::slice::from_raw_parts(pointer, length) };
            scratch[offset..offset + length].copy_from_slice(bytes);
        });
        0
    }

    pub unsafe fn scratch_read(offset: i64, pointer: *mut u8, length: u32) -> i32 {
        let (offset, length) = (offset as usize, length as usize);
        SCRATCH.with(|scratch| match scratch.borrow().get(offset..offset + length) {
            None => 1,
            Some(bytes) => {
                // SAFETY: the caller passes the parts of one slice.
                unsafe { std::slice::from_raw_parts_mut(pointer, length) }.copy_from_slice(bytes);
                0
            }
        })
    }
}

/// Why a call fails, and by which row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// For the user of the query.
    pub message: String,
    /// Of the batch; none where no row is to blame.
    pub row: Option<usize>,
}

impl Failure {
    /// The fault of one row.
    pub fn at(row: usize, message: impl fmt::Display) -> Self {
        Self { message: message.to_string(), row: Some(row) }
    }

    /// Not the fault of a row.
    pub fn of_call(message: impl fmt::Display) -> Self {
        Self { message: message.to_string(), row: None }
    }
}

impl From<String> for Failure {
    fn from(message: String) -> Self {
        Self::of_call(message)
    }
}

impl From<&str> for Failure {
    fn from(message: &str) -> Self {
        Self::of_call(message)
    }
}

/// Tells the host why the call fails. The call must then return that it failed.
pub fn fail(failure: &Failure) {
    let row = failure.row.map_or(-1, |row| row as i32);
    // SAFETY: the pointer and length are those of a living string.
    unsafe { imports::fail(failure.message.as_ptr(), failure.message.len() as u32, row) };
}

/// What [`fail`] was last told on this thread.
#[cfg(not(target_arch = "wasm32"))]
pub fn last_failure() -> Option<Failure> {
    let taken = imports::FAILURE.with(|kept| kept.borrow_mut().take());
    taken.map(|(message, row)| Failure { message, row: usize::try_from(row).ok() })
}

/// How important a line of the log is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u32)]
#[allow(missing_docs)]
pub enum Level {
    Error = 0,
    Warn = 1,
    Info = 2,
    Debug = 3,
    Trace = 4,
}

/// Writes a line into the log of the host.
pub fn log(level: Level, message: &str) {
    // SAFETY: the pointer and length are those of a living string.
    unsafe { imports::log(level as u32, message.as_ptr(), message.len() as u32) };
}

/// The time of the statement, the same in every call. The function must be STABLE or VOLATILE.
pub fn now() -> crate::Timestamp {
    // SAFETY: takes nothing.
    crate::Timestamp(unsafe { imports::now() })
}

/// 64 random bits. The function must be VOLATILE.
pub fn random() -> u64 {
    // SAFETY: takes nothing.
    unsafe { imports::random() as u64 }
}

/// Writes into a file that this instance has for itself. Aggregates and operators only.
///
/// # Errors
/// When the host has no room for it.
pub fn scratch_write(offset: u64, bytes: &[u8]) -> Result<(), String> {
    // SAFETY: the pointer and length are those of a living slice.
    match unsafe { imports::scratch_write(offset as i64, bytes.as_ptr(), bytes.len() as u32) } {
        0 => Ok(()),
        _ => Err(format!("cannot write {} bytes of scratch space at {}", bytes.len(), offset)),
    }
}

/// Reads what was written there.
///
/// # Errors
/// When nothing was written there.
pub fn scratch_read(offset: u64, bytes: &mut [u8]) -> Result<(), String> {
    // SAFETY: the pointer and length are those of a living slice that nobody else holds.
    match unsafe { imports::scratch_read(offset as i64, bytes.as_mut_ptr(), bytes.len() as u32) } {
        0 => Ok(()),
        _ => Err(format!("cannot read {} bytes of scratch space at {}", bytes.len(), offset)),
    }
}

const NO_ROW: usize = usize::MAX;

thread_local! {
    static ROW: Cell<usize> = const { Cell::new(NO_ROW) };
    static REPORTING: Cell<bool> = const { Cell::new(false) };
}

/// A panic from here on is blamed on this row.
#[inline(always)]
pub fn begin_row(row: usize) {
    ROW.with(|current| current.set(row));
}

/// A panic from here on is blamed on no row.
pub fn end_rows() {
    ROW.with(|current| current.set(NO_ROW));
}

/// Makes panics tell the host their message and place before they trap.
pub fn report_panics() {
    if cfg!(target_arch = "wasm32") && !REPORTING.with(|reporting| reporting.replace(true)) {
        std::panic::set_hook(Box::new(|info| {
            let payload = info.payload();
            let text = payload.downcast_ref::<&str>().copied();
            let text = text.or_else(|| payload.downcast_ref::<String>().map(String::as_str));
            let place = info.location().map_or(String::new(), |place| format!(" at {}", place));
            let message = format!("panicked{}: {}", place, text.unwrap_or("no message"));
            let row = Some(ROW.with(Cell::get)).filter(|&row| row != NO_ROW);
            fail(&Failure { message, row });
        }));
    }
}
