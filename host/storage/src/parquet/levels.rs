//! Definition levels of flat columns: which rows of a page are NULL.

use arrow::array::BooleanBufferBuilder;
use arrow::buffer::{BooleanBuffer, Buffer};

use super::damage::Checked;
use super::hybrid::Hybrid;

/// The rows of one page.
#[derive(Debug, Clone)]
pub enum Levels {
    AllValid,
    /// A bit for each row, set where there is a value.
    Some(BooleanBuffer),
}

impl Levels {
    /// Reads `rows` levels of one bit each from the hybrid encoding.
    pub fn read(bytes: Buffer, rows: usize) -> Checked<Self> {
        let mut hybrid = Hybrid::new(bytes, 1)?;
        if rows == 0 {
            return Ok(Self::AllValid);
        }
        let (length, value) = hybrid.peek_run()?;
        if length >= rows && value == Some(1) {
            return Ok(Self::AllValid);
        }
        // The run may announce more rows than a damaged page can hold values for; memory stays one bit a row.
        let mut bits = BooleanBufferBuilder::new(rows);
        let mut done = 0;
        while done < rows {
            let (length, value) = hybrid.peek_run()?;
            let count = length.min(rows - done);
            match (value, hybrid.packed_bits()) {
                (Some(value), _) => bits.append_n(count, value != 0),
                (None, Some(packed)) => bits.append_packed_range(0..count, packed),
                (None, None) => return Err("levels are damaged".into()),
            }
            hybrid.skip(count)?;
            done += count;
        }
        let bits = bits.finish();
        Ok(if bits.count_set_bits() == rows { Self::AllValid } else { Self::Some(bits) })
    }

    /// Rows of `start..start + rows` that have a value.
    pub fn valid(&self, start: usize, rows: usize) -> usize {
        match self {
            Self::AllValid => rows,
            Self::Some(bits) => bits.slice(start, rows).count_set_bits(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_become_bits() {
        let levels = |bytes: Vec<u8>, rows| Levels::read(Buffer::from_vec(bytes), rows);
        assert!(matches!(levels(vec![10 << 1, 1], 10), Ok(Levels::AllValid)));
        // Three valid, two NULL, then eight packed.
        match levels(vec![3 << 1, 1, 2 << 1, 0, 3, 0b0110_1001], 11) {
            Ok(Levels::Some(bits)) => {
                let found: Vec<bool> = bits.iter().collect();
                let expected = [1, 1, 1, 0, 0, 1, 0, 0, 1, 0, 1].map(|bit| bit == 1);
                assert_eq!(found, expected);
            }
            other => panic!("{other:?}"),
        }
        assert!(levels(vec![3 << 1, 1], 4).is_err());
    }
}
