//! Messages on their way out: a queue of pieces, and the task that writes it.

use std::collections::VecDeque;
use std::io::{self, IoSlice};
use std::rc::Rc;

use arrow::buffer::Buffer;
use capnp::message::{Builder, HeapAllocator};
use capnp_rpc::rpc_capnp;
use nyala_exchange::frame::Body;
use tokio::io::AsyncWriteExt;

use super::{Wire, WriteHalf};
use crate::generated::peer_capnp::peer;

const WORD_BYTES: usize = 8;
/// Alignment of the buffers of a batch.
const ALIGNMENT_BYTES: usize = 64;
/// Smaller pieces are copied together.
const COPIED_BYTES_MAX: usize = 4 << 10;
/// Pieces that one system call writes.
const SLICES_MAX: usize = 64;
/// Copied pieces are put together to no more.
const STAGED_BYTES_MAX: usize = 64 << 10;

/// The payload of a `push`, sent from where it is.
pub(crate) struct Attachment {
    parts: Parts,
    bytes: usize,
}

enum Parts {
    One(Buffer),
    Many(std::sync::Arc<[Buffer]>),
}

impl Attachment {
    /// `None` when the parts do not make the length that the body has.
    pub(crate) fn of(body: Body) -> Option<Self> {
        match body {
            Body::Whole(buffer) | Body::Compressed { buffer, .. } => {
                Some(Self { bytes: buffer.len(), parts: Parts::One(buffer) })
            }
            Body::Parts { parts, bytes } => {
                let bytes = usize::try_from(bytes).ok()?;
                let end = parts
                    .iter()
                    .fold(0_usize, |end, part| end.next_multiple_of(ALIGNMENT_BYTES) + part.len());
                (end <= bytes).then_some(Self { parts: Parts::Many(parts), bytes })
            }
        }
    }

    fn parts(&self) -> &[Buffer] {
        match &self.parts {
            Parts::One(buffer) => std::slice::from_ref(buffer),
            Parts::Many(parts) => parts,
        }
    }

    pub(super) fn words(&self) -> usize {
        self.bytes.div_ceil(WORD_BYTES)
    }
}

/// A piece of what is to be written.
enum Piece {
    Copied(Vec<u8>),
    Segment { message: Rc<Builder<HeapAllocator>>, index: usize, start: usize, end: usize },
    Part(Buffer),
}

impl Piece {
    fn bytes(&self) -> &[u8] {
        match self {
            Self::Copied(bytes) => bytes,
            Self::Segment { message, index, start, end } => {
                &message.get_segments_for_output()[*index][*start..*end]
            }
            Self::Part(buffer) => buffer.as_slice(),
        }
    }
}

/// What waits to be written. Its length is bounded by whoever sends: calls by those that wait for an answer, batches by the
/// cap of the connection.
#[derive(Default)]
pub(super) struct Queue {
    pieces: VecDeque<Piece>,
}

impl Queue {
    fn copy(&mut self, bytes: &[u8]) {
        match self.pieces.back_mut() {
            Some(Piece::Copied(staged)) if staged.len() + bytes.len() <= STAGED_BYTES_MAX => {
                staged.extend_from_slice(bytes);
            }
            _ => {
                let mut staged = Vec::with_capacity(bytes.len().max(COPIED_BYTES_MAX));
                staged.extend_from_slice(bytes);
                self.pieces.push_back(Piece::Copied(staged));
            }
        }
    }

    fn segment(&mut self, message: &Rc<Builder<HeapAllocator>>, index: usize, start: usize, end: usize) {
        if end - start <= COPIED_BYTES_MAX {
            self.copy(&message.get_segments_for_output()[index][start..end]);
        } else {
            self.pieces.push_back(Piece::Segment { message: message.clone(), index, start, end });
        }
    }

    fn header(&mut self, sizes: impl ExactSizeIterator<Item = usize>) {
        let count = sizes.len();
        let mut header = Vec::with_capacity(WORD_BYTES * (1 + count / 2));
        header.extend((count as u32 - 1).to_le_bytes());
        for words in sizes {
            header.extend((words as u32).to_le_bytes());
        }
        if header.len() % WORD_BYTES != 0 {
            header.extend([0; 4]);
        }
        self.copy(&header);
    }

    fn message(&mut self, message: &Rc<Builder<HeapAllocator>>) {
        let sizes: Vec<usize> = message.get_segments_for_output().iter().map(|s| s.len()).collect();
        self.header(sizes.iter().map(|bytes| bytes / WORD_BYTES).collect::<Vec<_>>().into_iter());
        for (index, bytes) in sizes.into_iter().enumerate() {
            self.segment(message, index, 0, bytes);
        }
    }

    /// The message with one segment more, which holds the payload, and with a pointer to it in `place`.
    fn message_with(
        &mut self,
        message: &Rc<Builder<HeapAllocator>>,
        place: (usize, usize),
        attachment: &Attachment,
    ) {
        let sizes: Vec<usize> = message.get_segments_for_output().iter().map(|s| s.len()).collect();
        let words: Vec<usize> =
            sizes.iter().map(|bytes| bytes / WORD_BYTES).chain([1 + attachment.words()]).collect();
        self.header(words.into_iter());
        let far = FAR_POINTER | (sizes.len() as u64) << 32;
        for (index, bytes) in sizes.into_iter().enumerate() {
            if index == place.0 {
                self.segment(message, index, 0, place.1);
                self.copy(&far.to_le_bytes());
                self.segment(message, index, place.1 + WORD_BYTES, bytes);
            } else {
                self.segment(message, index, 0, bytes);
            }
        }
        self.copy(&(LIST_OF_BYTES | (attachment.bytes as u64) << 35).to_le_bytes());
        let mut end = 0_usize;
        for part in attachment.parts() {
            self.zeros(end.next_multiple_of(ALIGNMENT_BYTES) - end);
            end = end.next_multiple_of(ALIGNMENT_BYTES) + part.len();
            if part.len() <= COPIED_BYTES_MAX {
                self.copy(part.as_slice());
            } else {
                self.pieces.push_back(Piece::Part(part.clone()));
            }
        }
        self.zeros(attachment.words() * WORD_BYTES - end);
    }

    fn zeros(&mut self, count: usize) {
        const ZEROS: [u8; 256] = [0; 256];
        let mut left = count;
        while left > 0 {
            let now = left.min(ZEROS.len());
            self.copy(&ZEROS[..now]);
            left -= now;
        }
    }
}

/// A pointer into another segment, whose landing pad is that segment's first word.
const FAR_POINTER: u64 = 2;
/// A pointer to bytes that begin right behind it.
const LIST_OF_BYTES: u64 = 1 | 2 << 32;

/// Where the pointer to the payload of a `push` is: segment, and offset in bytes.
fn payload_place(message: &Builder<HeapAllocator>) -> capnp::Result<Option<(usize, usize)>> {
    let root: rpc_capnp::message::Reader<'_> = message.get_root_as_reader()?;
    let rpc_capnp::message::Call(call) = root.which()? else { return Ok(None) };
    let params: peer::push_params::Reader<'_> = call?.get_params()?.get_content().get_as()?;
    let pointers = capnp::raw::get_list_bytes(capnp::raw::get_struct_pointer_section(params));
    let address = pointers.as_ptr() as usize;
    let segments = message.get_segments_for_output();
    let place = segments.iter().enumerate().find_map(|(index, segment)| {
        let offset = address.checked_sub(segment.as_ptr() as usize)?;
        (offset + WORD_BYTES <= segment.len()).then_some((index, offset))
    });
    // The payload is the first pointer of the parameters, and nothing was put there.
    Ok(place.filter(|_| pointers.len() >= WORD_BYTES && pointers[..WORD_BYTES] == [0; WORD_BYTES]))
}

impl Wire {
    pub(super) fn send(&self, message: &Rc<Builder<HeapAllocator>>) {
        let attachment = self.attachment.borrow_mut().take();
        let mut queue = self.queue.borrow_mut();
        match attachment {
            None => queue.message(message),
            Some(attachment) => match payload_place(message) {
                Ok(Some(place)) => queue.message_with(message, place, &attachment),
                Ok(None) | Err(_) => {
                    queue.message(message);
                    *self.attachment.borrow_mut() = Some(attachment);
                }
            },
        }
        self.queued.notify_one();
    }

    /// Writes what is queued until [`finish`](Wire::finish); everything there is before it flushes.
    pub(crate) async fn write(self: Rc<Self>, mut sink: WriteHalf) {
        if let Err(error) = self.write_queue(&mut sink).await {
            self.end(format!("writing failed: {error}"));
        }
    }

    async fn write_queue(&self, sink: &mut WriteHalf) -> io::Result<()> {
        let mut work: VecDeque<Piece> = VecDeque::new();
        let mut done = 0;
        loop {
            work.append(&mut self.queue.borrow_mut().pieces);
            if work.is_empty() {
                sink.flush().await?;
                if self.queue.borrow().pieces.is_empty() {
                    if self.is_finishing.get() {
                        return sink.shutdown().await;
                    }
                    self.queued.notified().await;
                }
                continue;
            }
            let written = {
                let mut slices = [IoSlice::new(&[]); SLICES_MAX];
                let mut count = 0;
                for (slice, piece) in slices.iter_mut().zip(&work) {
                    *slice = IoSlice::new(&piece.bytes()[if count == 0 { done } else { 0 }..]);
                    count += 1;
                }
                sink.write_vectored(&slices[..count]).await?
            };
            if written == 0 {
                return Err(io::ErrorKind::WriteZero.into());
            }
            self.counters.sent(written as u64);
            done += written;
            while let Some(piece) = work.front() {
                let length = piece.bytes().len();
                if done < length {
                    break;
                }
                done -= length;
                work.pop_front();
            }
        }
    }
}
