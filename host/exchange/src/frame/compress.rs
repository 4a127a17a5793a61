//! Bodies as one block of LZ4.

use arrow::buffer::{Buffer, MutableBuffer};
use lz4_flex::block::{compress_into, decompress_into, get_maximum_output_size};
use nyala_schema::Result;

use super::{Body, FRAME_BYTES_MAX, Frame, damaged};

/// Shorter bodies are left as they are.
const BYTES_MIN: u64 = 4096;

/// A body has to become shorter by this part of it at least.
const GAIN_MIN: usize = 8;

/// LZ4 cannot make anything shorter by more than this.
const RATIO_MAX: u64 = 255;

pub(super) fn compressed(mut frame: Frame) -> Frame {
    let bytes = frame.body.wire_bytes();
    if matches!(frame.body, Body::Compressed { .. }) || !(BYTES_MIN..=FRAME_BYTES_MAX).contains(&bytes) {
        return frame;
    }
    let whole = frame.body.to_buffer();
    let mut short = vec![0; get_maximum_output_size(whole.len())];
    match compress_into(&whole, &mut short) {
        Ok(length) if length <= whole.len() - whole.len() / GAIN_MIN => {
            short.truncate(length);
            short.shrink_to_fit();
            frame.body = Body::Compressed { buffer: Buffer::from_vec(short), bytes: whole.len() as u64 };
        }
        // The copy is of no use.
        _ => {}
    }
    frame
}

/// # Errors
/// `Connection` when they are no such block, or one of another length.
pub(super) fn decompressed(buffer: &Buffer, bytes: u64) -> Result<Buffer> {
    if bytes > FRAME_BYTES_MAX || bytes > (buffer.len() as u64).saturating_mul(RATIO_MAX) {
        return Err(damaged(format_args!("{bytes} bytes out of {} compressed ones", buffer.len())));
    }
    let mut whole = MutableBuffer::from_len_zeroed(bytes as usize);
    match decompress_into(buffer, whole.as_slice_mut()) {
        Ok(length) if length == whole.len() => Ok(whole.into()),
        Ok(length) => Err(damaged(format_args!("{length} bytes after decompression, not {bytes}"))),
        Err(error) => Err(damaged(error)),
    }
}
