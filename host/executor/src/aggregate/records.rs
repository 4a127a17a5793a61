//! The state records of groups, side by side. The only module with `unsafe` in this crate: it shows 16-byte words as
//! bytes. A vector of words is aligned as compiled code expects, and the allocator can grow it without copying, which
//! it cannot for buffers of a larger alignment.

use nyala_schema::{Error, Result};

/// Bytes of a word; records are whole words.
const WORD: usize = 16;

/// Records of `stride` bytes, a multiple of 16.
pub(crate) struct Records {
    initial: Vec<u128>,
    words: Vec<u128>,
    groups: usize,
}

impl Records {
    /// # Errors
    /// Internal when the length of a record is no multiple of 16.
    pub(crate) fn new(initial: &[u8]) -> Result<Self> {
        let (words, rest) = initial.as_chunks::<WORD>();
        if !rest.is_empty() {
            return Err(Error::internal("a state record that is not made of whole words"));
        }
        let initial = words.iter().map(|word| u128::from_ne_bytes(*word)).collect();
        Ok(Self { initial, words: Vec::new(), groups: 0 })
    }

    pub(crate) fn stride(&self) -> usize {
        self.initial.len() * WORD
    }

    /// Makes records for all groups below `groups`.
    pub(crate) fn grow(&mut self, groups: usize) {
        let new = groups.saturating_sub(self.groups);
        match self.initial.as_slice() {
            [] => {}
            [word] => self.words.resize(self.words.len() + new, *word),
            [first, second] => {
                self.words.extend(std::iter::repeat_n([*first, *second], new).flatten());
            }
            words => (0..new).for_each(|_| self.words.extend_from_slice(words)),
        }
        self.groups += new;
    }

    /// Adds a copy of a record of another table as that of one more group.
    pub(crate) fn push(&mut self, from: &Records, group: u32) {
        let length = self.initial.len();
        let start = group as usize * length;
        self.words.extend_from_slice(&from.words[start..start + length]);
        self.groups += 1;
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        // SAFETY: the words are initialised memory of that many bytes, borrowed for as long; every bit pattern is a byte.
        unsafe { std::slice::from_raw_parts(self.words.as_ptr().cast(), self.words.len() * WORD) }
    }

    pub(crate) fn bytes_mut(&mut self) -> &mut [u8] {
        // SAFETY: as above, borrowed exclusively; every pattern of bytes is a word.
        unsafe { std::slice::from_raw_parts_mut(self.words.as_mut_ptr().cast(), self.words.len() * WORD) }
    }

    pub(crate) fn record(&self, group: u32) -> &[u8] {
        let start = group as usize * self.stride();
        &self.bytes()[start..start + self.stride()]
    }

    pub(crate) fn record_mut(&mut self, group: u32) -> &mut [u8] {
        let stride = self.stride();
        let start = group as usize * stride;
        &mut self.bytes_mut()[start..start + stride]
    }

    /// Bytes held.
    pub(crate) fn size(&self) -> usize {
        self.words.capacity() * WORD
    }
}

/// The field at `offset` of a record.
#[inline(always)]
pub(crate) fn field<const WIDTH: usize>(record: &[u8], offset: usize) -> [u8; WIDTH] {
    let mut bytes = [0; WIDTH];
    bytes.copy_from_slice(&record[offset..offset + WIDTH]);
    bytes
}
