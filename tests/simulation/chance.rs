//! Hash maps, and what tokio does in any order, draw from what this call gives, which is the operating system's chance elsewhere.
//! Here it is the same each time, and with it all that happens. As in madsim.

/// In place of libc's.
///
/// # Safety
/// As there: `buffer` has room for so many bytes.
#[unsafe(no_mangle)]
unsafe extern "C" fn getrandom(buffer: *mut u8, bytes: usize, _flags: u32) -> isize {
    // SAFETY: the caller has so much room.
    unsafe { buffer.write_bytes(7, bytes) };
    bytes as isize
}
