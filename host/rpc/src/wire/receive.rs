//! Messages as they come in.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::io;
use std::rc::Rc;

use bytes::{BufMut, Bytes};
use capnp::message::{Reader, ReaderOptions, ReaderSegments};
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::time::Instant;

use super::Wire;

/// Segments of one message; ours have a handful.
const SEGMENTS_MAX: usize = 64;
/// Alignment of a payload, which begins one word into the last segment.
const ALIGNMENT_BYTES: usize = 64;
const WORD_BYTES: usize = 8;
/// Slices of smaller messages are copied rather than hold the block.
const KEPT_BYTES_MIN: usize = 8 << 10;
/// How often the words of a message may be visited: damaged lists of nothing have millions of items otherwise.
const VISITS_MAX: usize = 8;
/// Words that may be visited beside.
const VISITS_SPARE: usize = 4096;

/// Large messages that are held by whoever reads them, by address.
#[derive(Default)]
pub(super) struct Blocks(RefCell<BTreeMap<usize, Bytes>>);

impl Blocks {
    pub(super) fn bytes_of(&self, slice: &[u8]) -> Bytes {
        let start = slice.as_ptr() as usize;
        let blocks = self.0.borrow();
        let holder = blocks.range(..=start).next_back().map(|(_, block)| block);
        match holder {
            Some(block) if start + slice.len() <= block.as_ptr() as usize + block.len() => {
                block.slice_ref(slice)
            }
            _ => Bytes::copy_from_slice(slice),
        }
    }
}

/// A message in one block.
pub(super) struct Message {
    reader: Reader<Segments>,
    /// Where it is among the large ones.
    kept: Option<(usize, Rc<Blocks>)>,
}

impl capnp_rpc::IncomingMessage for Message {
    fn get_body(&self) -> capnp::Result<capnp::any_pointer::Reader<'_>> {
        self.reader.get_root()
    }
}

impl Drop for Message {
    fn drop(&mut self) {
        if let Some((address, blocks)) = &self.kept {
            blocks.0.borrow_mut().remove(address);
        }
    }
}

struct Segments {
    block: Bytes,
    /// Of each segment, in bytes of the block; and the end of the last.
    bounds: Vec<usize>,
}

impl ReaderSegments for Segments {
    fn get_segment(&self, index: u32) -> Option<&[u8]> {
        let index = index as usize;
        let (start, end) = (self.bounds.get(index)?, self.bounds.get(index + 1)?);
        Some(&self.block[*start..*end])
    }

    fn len(&self) -> usize {
        self.bounds.len() - 1
    }
}

fn refused(what: String) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what)
}

/// Reads the next message; `None` when the other side has closed between two.
///
/// # Errors
/// What the socket says; `InvalidData` for what is no message or too large for one.
pub(super) async fn message(
    wire: &Wire,
    source: &mut (impl AsyncRead + Unpin),
) -> io::Result<Option<Message>> {
    let mut first = [0_u8; WORD_BYTES];
    let begun = source.read(&mut first).await?;
    if begun == 0 {
        return Ok(None);
    }
    source.read_exact(&mut first[begun..]).await?;
    let [count, size] = words(first);
    let count = count as usize + 1;
    if count == 0 || count > SEGMENTS_MAX {
        return Err(refused(format!("a message of {count} segments is not ours")));
    }
    let mut sizes = Vec::with_capacity(count + 1);
    sizes.push(size);
    for _ in 0..count / 2 {
        let mut pair = [0_u8; WORD_BYTES];
        source.read_exact(&mut pair).await?;
        sizes.extend(words(pair));
    }
    sizes.truncate(count);
    let head = WORD_BYTES * (1 + count / 2);
    let length = sizes.iter().map(|words| *words as u64 * WORD_BYTES as u64).sum::<u64>();
    let limit = wire.limit();
    if length + head as u64 > limit as u64 {
        return Err(refused(format!("a message announces {length} bytes where {limit} are allowed")));
    }
    wire.spend(length as usize + head);
    wire.counters.received(length + head as u64);
    wire.heard_at.set(Instant::now());
    read_block(wire, source, &sizes, length as usize).await.map(Some)
}

async fn read_block(
    wire: &Wire,
    source: &mut (impl AsyncRead + Unpin),
    sizes: &[u32],
    length: usize,
) -> io::Result<Message> {
    let mut block = Vec::with_capacity(length + ALIGNMENT_BYTES);
    let last = sizes.last().map_or(0, |words| *words as usize * WORD_BYTES);
    let address = block.as_ptr() as usize + length - last;
    let shift = (2 * ALIGNMENT_BYTES - WORD_BYTES - address % ALIGNMENT_BYTES) % ALIGNMENT_BYTES;
    block.resize(shift, 0);
    while block.len() < shift + length {
        let rest = shift + length - block.len();
        if source.read_buf(&mut (&mut block).limit(rest)).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
    }
    let mut bounds = Vec::with_capacity(sizes.len() + 1);
    bounds.push(shift);
    for words in sizes {
        bounds.push(bounds[bounds.len() - 1] + *words as usize * WORD_BYTES);
    }
    let block = Bytes::from(block);
    let kept = (length >= KEPT_BYTES_MIN).then(|| {
        let address = block.as_ptr() as usize;
        wire.blocks.0.borrow_mut().insert(address, block.clone());
        (address, wire.blocks.clone())
    });
    let mut options = ReaderOptions::new();
    options.traversal_limit_in_words(Some(length / WORD_BYTES * VISITS_MAX + VISITS_SPARE));
    Ok(Message { reader: Reader::new(Segments { block, bounds }, options), kept })
}

fn words(word: [u8; WORD_BYTES]) -> [u32; 2] {
    let [a, b, c, d, e, f, g, h] = word;
    [u32::from_le_bytes([a, b, c, d]), u32::from_le_bytes([e, f, g, h])]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_payload_of_a_last_segment_is_aligned_and_taken_without_a_copy() {
        let wire = Wire::new(Box::new(tokio::io::empty()), std::sync::Arc::default());
        wire.trust();
        for head_words in 0..9_u32 {
            let payload_words = 2048_u32;
            let mut bytes = Vec::new();
            bytes.extend(1_u32.to_le_bytes());
            bytes.extend(head_words.to_le_bytes());
            bytes.extend((payload_words + 1).to_le_bytes());
            bytes.extend(0_u32.to_le_bytes());
            bytes.resize(bytes.len() + 8 * (head_words + payload_words + 1) as usize, 7);
            let message = message(&wire, &mut &bytes[..]).await.unwrap().unwrap();
            let segment = message.reader.get_segments().get_segment(1).unwrap();
            let payload = &segment[8..];
            assert_eq!(payload.as_ptr() as usize % ALIGNMENT_BYTES, 0);
            let taken = wire.bytes_of(payload);
            assert_eq!(taken.as_ptr(), payload.as_ptr());
            drop(message);
            assert!(taken.iter().all(|byte| *byte == 7), "it outlives the message");
            assert!(wire.blocks.0.borrow().is_empty());
        }
    }

    #[tokio::test]
    async fn what_is_announced_is_not_allocated_above_the_limit() {
        let wire = Wire::new(Box::new(tokio::io::empty()), std::sync::Arc::default());
        for (count, size) in [(0_u32, u32::MAX), (u32::MAX, 1), (63, 1 << 20), (64, 1), (0, 1 << 14)] {
            let mut bytes = [count.to_le_bytes(), size.to_le_bytes()].concat();
            bytes.resize(4096, 255);
            let error = message(&wire, &mut &bytes[..]).await.err().expect("refused");
            assert_eq!(error.kind(), io::ErrorKind::InvalidData, "{count} {size}: {error}");
        }
    }
}
