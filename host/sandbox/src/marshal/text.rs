//! Text and binary values: views of Arrow to bytes behind one another, and back.

use arrow::array::{Array, ArrayRef, AsArray, ByteView, GenericByteArray, GenericByteViewArray};
use arrow::buffer::{Buffer, NullBuffer, ScalarBuffer};
use arrow::datatypes::{
    BinaryType, BinaryViewType, ByteArrayType, ByteViewType, DataType, StringViewType, Utf8Type,
};

/// Values of so many bytes are in their view.
const INLINE_BYTES: usize = 12;
/// How far a copy of a short value may write beyond the last value.
pub(super) const OVERRUN: usize = VIEW_BYTES;
const VIEW_BYTES: usize = 16;

/// Length of all values together, NULLs perhaps included.
pub(super) fn bytes(array: &ArrayRef) -> usize {
    let of_views = |views: &[u128]| views.iter().map(|view| *view as u32 as usize).sum();
    let of_offsets = |offsets: &[i32]| (offsets[offsets.len() - 1] - offsets[0]) as usize;
    match array.data_type() {
        DataType::Utf8View => of_views(array.as_string_view().views()),
        DataType::BinaryView => of_views(array.as_binary_view().views()),
        DataType::Utf8 => of_offsets(array.as_string::<i32>().offsets()),
        _ => of_offsets(array.as_binary::<i32>().offsets()),
    }
}

/// Writes all values and the offsets between them; bytes written. `values` has room for at least [`bytes`] and [`OVERRUN`].
pub(super) fn gather(array: &ArrayRef, offsets: &mut [u8], values: &mut [u8]) -> usize {
    match array.data_type() {
        DataType::Utf8View => gather_views::<StringViewType>(array.as_string_view(), offsets, values),
        DataType::BinaryView => gather_views::<BinaryViewType>(array.as_binary_view(), offsets, values),
        DataType::Utf8 => gather_bytes::<Utf8Type>(array.as_string(), offsets, values),
        _ => gather_bytes::<BinaryType>(array.as_binary(), offsets, values),
    }
}

fn gather_views<T: ByteViewType + ?Sized>(
    array: &GenericByteViewArray<T>,
    offsets: &mut [u8],
    values: &mut [u8],
) -> usize {
    let buffers: &[Buffer] = array.data_buffers();
    let (slots, last) = offsets.split_at_mut(array.len() * 4);
    let slots = slots.chunks_exact_mut(4);
    let mut written = 0;
    match array.nulls().filter(|nulls| nulls.null_count() > 0) {
        None => {
            for (view, slot) in array.views().iter().zip(slots) {
                slot.copy_from_slice(&(written as u32).to_le_bytes());
                written += copy_value(*view, buffers, &mut values[written..]);
            }
        }
        Some(nulls) => {
            for ((view, valid), slot) in array.views().iter().zip(nulls).zip(slots) {
                slot.copy_from_slice(&(written as u32).to_le_bytes());
                written += copy_value(if valid { *view } else { 0 }, buffers, &mut values[written..]);
            }
        }
    }
    last.copy_from_slice(&(written as u32).to_le_bytes());
    written
}

/// Writes a value, and perhaps as much as [`OVERRUN`] behind it; its length.
#[inline(always)]
fn copy_value(view: u128, buffers: &[Buffer], values: &mut [u8]) -> usize {
    let length = view as u32 as usize;
    if length <= INLINE_BYTES {
        // Always the same number of bytes, so that it is two stores and no call.
        values[..VIEW_BYTES].copy_from_slice(&(view >> 32).to_le_bytes());
    } else {
        let view = ByteView::from(view);
        let start = view.offset as usize;
        values[..length].copy_from_slice(&buffers[view.buffer_index as usize][start..start + length]);
    }
    length
}

fn gather_bytes<T: ByteArrayType<Offset = i32>>(
    array: &GenericByteArray<T>,
    offsets: &mut [u8],
    values: &mut [u8],
) -> usize {
    let from = array.offsets();
    let (first, last) = (from[0], from[from.len() - 1]);
    for (slot, offset) in offsets.chunks_exact_mut(4).zip(from.iter()) {
        slot.copy_from_slice(&(offset - first).to_le_bytes());
    }
    let length = (last - first) as usize;
    values[..length].copy_from_slice(&array.value_data()[first as usize..last as usize]);
    length
}

/// Views of values that lie behind one another in `values`, which is copied where they are not all in their views.
/// `offsets` has been checked: it ascends from 0 to at most the length of `values`, and is not empty. `beyond` is the memory
/// from the first value on, as far as it reaches.
pub(super) fn views<T: ByteViewType + ?Sized>(
    offsets: &ScalarBuffer<i32>,
    beyond: &[u8],
    nulls: Option<NullBuffer>,
) -> GenericByteViewArray<T> {
    let length = offsets[offsets.len() - 1] as usize;
    let has_long =
        offsets.windows(2).fold(false, |long, pair| long | (pair[1] - pair[0] > INLINE_BYTES as i32));
    let buffers = if has_long { vec![Buffer::from(&beyond[..length])] } else { Vec::new() };
    let views = match beyond.get(..length + VIEW_BYTES) {
        Some(padded) => views_of(offsets, padded),
        None => {
            let mut padded = beyond[..length].to_vec();
            padded.extend_from_slice(&[0; VIEW_BYTES]);
            views_of(offsets, &padded)
        }
    };
    // SAFETY: every view's length and place come from `offsets`, which ascend to `length`; short values are inline with
    // zeros behind them, long ones have their own first four bytes as prefix and lie in buffer 0, which is there when
    // there are any. For text the caller has checked that the values are UTF-8 and that each offset is at a character's
    // boundary.
    unsafe { GenericByteViewArray::new_unchecked(ScalarBuffer::from(views), buffers, nulls) }
}

/// `padded` has [`VIEW_BYTES`] behind the last value.
fn views_of(offsets: &[i32], padded: &[u8]) -> Vec<u128> {
    let view = |pair: &[i32]| {
        let (start, length) = (pair[0] as usize, (pair[1] - pair[0]) as usize);
        let mut bytes = [0; VIEW_BYTES];
        bytes.copy_from_slice(&padded[start..start + VIEW_BYTES]);
        let bytes = u128::from_le_bytes(bytes);
        match MASKS.get(length) {
            Some(mask) => length as u128 | (bytes & mask) << 32,
            None => length as u128 | u128::from(bytes as u32) << 32 | (start as u128) << 96,
        }
    };
    offsets.windows(2).map(view).collect()
}

/// The first so many bytes of a value that is in its view.
const MASKS: [u128; INLINE_BYTES + 1] = {
    let mut masks = [0; INLINE_BYTES + 1];
    let mut length = 0;
    while length <= INLINE_BYTES {
        masks[length] = (1 << (8 * length)) - 1;
        length += 1;
    }
    masks
};

/// Whether all of `values` is UTF-8, cut at no other place than between characters.
pub(super) fn is_text(offsets: &[i32], values: &[u8]) -> bool {
    const FIRST_OF_CHARACTER: i8 = -0x40;
    std::str::from_utf8(values).is_ok()
        && offsets
            .iter()
            .all(|offset| values.get(*offset as usize).is_none_or(|byte| *byte as i8 >= FIRST_OF_CHARACTER))
}
