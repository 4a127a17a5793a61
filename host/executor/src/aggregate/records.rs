//! The state records of groups, side by side.

use arrow::buffer::MutableBuffer;

/// Records of `stride` bytes, a multiple of 16. Arrow's buffers are aligned to more than 16 bytes.
pub(crate) struct Records {
    initial: Vec<u8>,
    bytes: MutableBuffer,
}

impl Records {
    pub(crate) fn new(initial: &[u8]) -> Self {
        Self { initial: initial.to_vec(), bytes: MutableBuffer::new(0) }
    }

    pub(crate) fn stride(&self) -> usize {
        self.initial.len()
    }

    /// Makes records for all groups below `groups`.
    pub(crate) fn grow(&mut self, groups: usize) {
        let stride = self.stride();
        if stride == 0 {
            return;
        }
        let have = self.bytes.len() / stride;
        if groups > have {
            self.bytes.repeat_slice_n_times(&self.initial, groups - have);
        }
    }

    /// Adds a record for one more group.
    pub(crate) fn push(&mut self, record: &[u8]) {
        self.bytes.extend_from_slice(record);
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        self.bytes.as_slice()
    }

    pub(crate) fn bytes_mut(&mut self) -> &mut [u8] {
        self.bytes.as_slice_mut()
    }

    pub(crate) fn record(&self, group: u32) -> &[u8] {
        let start = group as usize * self.stride();
        &self.bytes.as_slice()[start..start + self.stride()]
    }

    pub(crate) fn record_mut(&mut self, group: u32) -> &mut [u8] {
        let stride = self.stride();
        let start = group as usize * stride;
        &mut self.bytes.as_slice_mut()[start..start + stride]
    }

    /// Bytes held.
    pub(crate) fn size(&self) -> usize {
        self.bytes.capacity()
    }
}

/// The field at `offset` of a record.
#[inline(always)]
pub(crate) fn field<const WIDTH: usize>(record: &[u8], offset: usize) -> [u8; WIDTH] {
    let mut bytes = [0; WIDTH];
    bytes.copy_from_slice(&record[offset..offset + WIDTH]);
    bytes
}
