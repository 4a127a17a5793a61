//! Parquet's hybrid of run-length encoding and bit packing: dictionary codes, levels, Booleans.
//!
//! Source: "Run Length Encoding / Bit-Packing Hybrid" in parquet-format's Encodings.md.

use arrow::buffer::Buffer;

use super::bitpack::{BLOCK, Code, unpack};
use super::damage::Checked;

/// A cursor over codes of one width.
#[derive(Debug)]
pub struct Hybrid {
    bytes: Buffer,
    /// Behind the current run.
    position: usize,
    width: u8,
    run: Run,
    /// Values that the current run still has.
    left: usize,
}

#[derive(Debug, Clone, Copy)]
enum Run {
    Repeated(u32),
    /// Bytes `start..end` hold the values; `next` is the index of the next one.
    Packed {
        start: usize,
        end: usize,
        next: usize,
    },
}

impl Hybrid {
    /// `width` in bits.
    pub fn new(bytes: Buffer, width: u8) -> Checked<Self> {
        if width > 32 {
            return Err(format!("codes of {width} bits").into());
        }
        Ok(Self { bytes, position: 0, width, run: Run::Repeated(0), left: 0 })
    }

    /// Gives `output.len()` codes.
    pub fn fill<C: Code>(&mut self, output: &mut [C]) -> Checked<()> {
        let mut output = output;
        while !output.is_empty() {
            if self.left == 0 {
                self.next_run()?;
            }
            let count = self.left.min(output.len());
            let (now, later) = output.split_at_mut(count);
            match self.run {
                Run::Repeated(value) => now.fill(C::from_u32(value)),
                Run::Packed { start, end, next } => {
                    unpack_range(&self.bytes[start..end], self.width, next, now);
                    self.run = Run::Packed { start, end, next: next + count };
                }
            }
            self.left -= count;
            output = later;
        }
        Ok(())
    }

    pub fn skip(&mut self, count: usize) -> Checked<()> {
        let mut count = count;
        while count > 0 {
            if self.left == 0 {
                self.next_run()?;
            }
            let now = self.left.min(count);
            if let Run::Packed { next, .. } = &mut self.run {
                *next += now;
            }
            self.left -= now;
            count -= now;
        }
        Ok(())
    }

    /// The next run as a whole: its length and, when it is a repetition, its value.
    pub fn peek_run(&mut self) -> Checked<(usize, Option<u32>)> {
        if self.left == 0 {
            self.next_run()?;
        }
        match self.run {
            Run::Repeated(value) => Ok((self.left, Some(value))),
            Run::Packed { .. } => Ok((self.left, None)),
        }
    }

    /// The bytes of a packed run of width 1 that nothing was taken from yet, least significant bit first.
    pub fn packed_bits(&self) -> Option<&[u8]> {
        match self.run {
            Run::Packed { start, end, next: 0 } if self.width == 1 => Some(&self.bytes[start..end]),
            _ => None,
        }
    }

    fn next_run(&mut self) -> Checked<()> {
        let head = self.varint()?;
        let left = self.bytes.len() - self.position;
        if head & 1 == 0 {
            let bytes = usize::from(self.width).div_ceil(8);
            if bytes > left {
                return Err("a run is cut off".into());
            }
            let value = self.bytes[self.position..self.position + bytes]
                .iter()
                .rev()
                .fold(0u32, |value, byte| value << 8 | u32::from(*byte));
            self.position += bytes;
            self.run = Run::Repeated(value);
            self.left = (head >> 1) as usize;
        } else {
            // Writers may leave off the padding of the last group: what is there is what can be used.
            let groups = (head >> 1) as usize;
            let announced = groups.saturating_mul(usize::from(self.width));
            let bytes = announced.min(left);
            let values = groups.saturating_mul(8);
            self.left = match self.width {
                0 => values,
                width => values.min(bytes * 8 / usize::from(width)),
            };
            let start = self.position;
            self.position += bytes;
            self.run = Run::Packed { start, end: self.position, next: 0 };
        }
        if self.left == 0 {
            return Err("a run has no values".into());
        }
        Ok(())
    }

    fn varint(&mut self) -> Checked<u64> {
        let mut value = 0u64;
        for shift in (0..35).step_by(7) {
            let byte = *self.bytes.get(self.position).ok_or("codes end too early")?;
            self.position += 1;
            value |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return Ok(value);
            }
        }
        Err("the length of a run does not end".into())
    }
}

/// Values `first..first + output.len()` of packed `bytes`, which hold at least so many.
fn unpack_range<C: Code>(bytes: &[u8], width: u8, first: usize, output: &mut [C]) {
    let block_bytes = usize::from(width) * 4;
    let mut block = first / BLOCK;
    let mut output = output;
    let offset = first % BLOCK;
    if offset != 0 {
        let count = (BLOCK - offset).min(output.len());
        let (now, later) = output.split_at_mut(count);
        now.copy_from_slice(&padded_block::<C>(bytes, width, block)[offset..offset + count]);
        output = later;
        block += 1;
    }
    let mut position = block * block_bytes;
    let (blocks, rest) = output.as_chunks_mut::<BLOCK>();
    for now in blocks {
        match bytes.get(position..position + block_bytes) {
            Some(input) => unpack(width, input, now),
            None => *now = padded_block(bytes, width, block),
        }
        position += block_bytes;
        block += 1;
    }
    if !rest.is_empty() {
        rest.copy_from_slice(&padded_block::<C>(bytes, width, block)[..rest.len()]);
    }
}

/// A block that may reach past the end of `bytes`; what is missing reads as zero.
fn padded_block<C: Code>(bytes: &[u8], width: u8, block: usize) -> [C; BLOCK] {
    let mut input = [0u8; BLOCK * 4];
    let block_bytes = usize::from(width) * 4;
    let start = (block * block_bytes).min(bytes.len());
    let end = (start + block_bytes).min(bytes.len());
    input[..end - start].copy_from_slice(&bytes[start..end]);
    let mut output = [C::default(); BLOCK];
    unpack(width, &input, &mut output);
    output
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Three times 5, then 16 packed values of three bits: 0 to 7 twice.
    fn sample() -> Hybrid {
        let packed = [0x88u8, 0xc6, 0xfa];
        let mut bytes = vec![3 << 1, 5, 2 << 1 | 1];
        bytes.extend(packed);
        bytes.extend(packed);
        Hybrid::new(Buffer::from_vec(bytes), 3).unwrap()
    }

    #[test]
    fn fills_over_runs_and_at_any_cut() {
        let expected: Vec<u8> = [5, 5, 5].into_iter().chain(0..8).chain(0..8).collect();
        for cut in 0..expected.len() {
            let mut hybrid = sample();
            let mut output = vec![0u8; expected.len()];
            let (head, tail) = output.split_at_mut(cut);
            hybrid.fill(head).unwrap();
            hybrid.fill(tail).unwrap();
            assert_eq!(output, expected, "cut at {cut}");
            let mut hybrid = sample();
            hybrid.skip(cut).unwrap();
            let mut rest = vec![0u32; expected.len() - cut];
            hybrid.fill(&mut rest).unwrap();
            assert!(rest.iter().zip(&expected[cut..]).all(|(left, right)| *left == u32::from(*right)));
        }
    }

    #[test]
    fn too_many_values_and_empty_runs_are_damage() {
        assert!(sample().fill(&mut [0u8; 20]).is_err());
        assert!(Hybrid::new(Buffer::from_vec(vec![0u8, 0]), 3).unwrap().fill(&mut [0u8; 1]).is_err());
        assert!(Hybrid::new(Buffer::from_vec(vec![0u8]), 33).is_err());
    }
}
