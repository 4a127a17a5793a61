//! The functions that a guest may call. None of them calls back into the guest.

use nyala_guest_abi as abi;
use nyala_schema::{Error, Result};
use wasmtime::{Caller, Engine, Extern, Linker};

use super::host::Host;

/// More of a message is cut off.
const MESSAGE_BYTES_MAX: usize = 4096;
const WORKED: i32 = 0;
const FAILED: i32 = 1;

/// All host functions, with the types of [`HOST_FUNCTIONS`](crate::module::HOST_FUNCTIONS).
pub(crate) fn linker(engine: &Engine) -> Result<Linker<Host>> {
    let mut linker = Linker::new(engine);
    define(&mut linker).map_err(|error| Error::internal(format!("host functions for modules: {error:#}")))?;
    Ok(linker)
}

fn define(linker: &mut Linker<Host>) -> wasmtime::Result<()> {
    let module = abi::IMPORT_MODULE;
    linker.func_wrap(
        module,
        "fail",
        |mut caller: Caller<'_, Host>, message: i32, length: i32, row: i32| {
            let message = text(&mut caller, message, length);
            caller.data_mut().complain(message, u32::try_from(row).ok());
        },
    )?;
    linker.func_wrap(
        module,
        "log",
        |mut caller: Caller<'_, Host>, level: i32, message: i32, length: i32| {
            let message = text(&mut caller, message, length);
            log(&caller.data().name, level, &message);
        },
    )?;
    linker.func_wrap(module, "now", |mut caller: Caller<'_, Host>| caller.data_mut().now())?;
    linker.func_wrap(module, "random", |mut caller: Caller<'_, Host>| caller.data_mut().random())?;
    linker.func_wrap(
        module,
        "scratch_write",
        |mut caller: Caller<'_, Host>, offset: i64, pointer: i32, length: i32| {
            with_memory(&mut caller, pointer, length, |host, bytes| host.scratch_write(offset, bytes))
        },
    )?;
    linker.func_wrap(
        module,
        "scratch_read",
        |mut caller: Caller<'_, Host>, offset: i64, pointer: i32, length: i32| {
            with_memory(&mut caller, pointer, length, |host, bytes| host.scratch_read(offset, bytes))
        },
    )?;
    Ok(())
}

/// Runs `act` on that piece of the guest's memory, if it is one; 0 when all worked.
fn with_memory(
    caller: &mut Caller<'_, Host>,
    pointer: i32,
    length: i32,
    act: impl FnOnce(&mut Host, &mut [u8]) -> bool,
) -> i32 {
    let Some(memory) = caller.get_export(abi::EXPORT_MEMORY).and_then(Extern::into_memory) else {
        return FAILED;
    };
    let (bytes, host) = memory.data_and_store_mut(caller);
    let (start, length) = (pointer.cast_unsigned() as usize, length.cast_unsigned() as usize);
    let piece = start.checked_add(length).and_then(|end| bytes.get_mut(start..end));
    if piece.is_some_and(|piece| act(host, piece)) { WORKED } else { FAILED }
}

/// A message, however wrong pointer, length and encoding are.
fn text(caller: &mut Caller<'_, Host>, pointer: i32, length: i32) -> String {
    let mut message = String::new();
    let length = length.cast_unsigned().min(MESSAGE_BYTES_MAX as u32).cast_signed();
    let read = with_memory(caller, pointer, length, |_, bytes| {
        message = String::from_utf8_lossy(bytes).into_owned();
        true
    });
    if read == FAILED {
        return format!("(a message at {pointer}, outside of the memory)", pointer = pointer.cast_unsigned());
    }
    message
}

fn log(guest: &str, level: i32, message: &str) {
    match level {
        0 => tracing::error!(guest, "{message}"),
        1 => tracing::warn!(guest, "{message}"),
        2 => tracing::info!(guest, "{message}"),
        3 => tracing::debug!(guest, "{message}"),
        _ => tracing::trace!(guest, "{message}"),
    }
}
