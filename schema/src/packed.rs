//! Numbers, texts and bounds in few bytes.

use bytes::BufMut;

use crate::bound::Bound;

/// Seven bits a byte, the least first.
pub(crate) fn put_number(packed: &mut impl BufMut, number: impl Into<u128>) {
    let mut number = number.into();
    while number >= 0x80 {
        packed.put_u8((number as u8 & 0x7f) | 0x80);
        number >>= 7;
    }
    packed.put_u8(number as u8);
}

/// Small numbers of either sign become small.
pub(crate) fn put_signed(packed: &mut impl BufMut, number: impl Into<i128>) {
    let number = number.into();
    put_number(packed, ((number << 1) ^ (number >> 127)) as u128);
}

pub(crate) fn put_text(packed: &mut impl BufMut, text: &[u8]) {
    put_number(packed, text.len() as u128);
    packed.put_slice(text);
}

/// A bound of any kind.
pub(crate) fn put_bound(packed: &mut impl BufMut, bound: &Bound) {
    match bound {
        Bound::Int(number) => {
            packed.put_u8(1);
            put_signed(packed, *number);
        }
        Bound::Float(number) => {
            packed.put_u8(2);
            packed.put_f64_le(*number);
        }
        Bound::Text(text) => {
            packed.put_u8(3);
            put_text(packed, text);
        }
    }
}

/// What has not been read; reading answers `None` where there is not enough, or nothing of the kind.
pub(crate) struct Reader<'a>(pub &'a [u8]);

impl<'a> Reader<'a> {
    pub fn byte(&mut self) -> Option<u8> {
        let (&byte, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(byte)
    }

    pub fn take(&mut self, length: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(taken)
    }

    pub fn number(&mut self) -> Option<u128> {
        const SHORT_SHIFT_MAX: u32 = 56;
        const SHIFT_MAX: u32 = 126;
        // Most numbers are small, and work on 64 bits is faster.
        let mut short: u64 = 0;
        for shift in (0..=SHORT_SHIFT_MAX).step_by(7) {
            let byte = self.byte()?;
            short |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return Some(short.into());
            }
        }
        let mut number = u128::from(short);
        for shift in (SHORT_SHIFT_MAX + 7..=SHIFT_MAX).step_by(7) {
            let byte = self.byte()?;
            number |= u128::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return Some(number);
            }
        }
        None
    }

    pub fn signed(&mut self) -> Option<i128> {
        let number = self.number()?;
        Some((number >> 1) as i128 ^ -((number & 1) as i128))
    }

    /// A number that fits.
    pub fn small<T: TryFrom<u128>>(&mut self) -> Option<T> {
        self.number()?.try_into().ok()
    }

    pub fn float(&mut self) -> Option<f64> {
        let (bytes, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(f64::from_le_bytes(*bytes))
    }

    pub fn text(&mut self) -> Option<&'a [u8]> {
        let length = self.small()?;
        self.take(length)
    }

    pub fn utf8(&mut self) -> Option<&'a str> {
        std::str::from_utf8(self.text()?).ok()
    }

    pub fn bound(&mut self) -> Option<Bound> {
        Some(match self.byte()? {
            1 => Bound::Int(self.signed()?),
            2 => Bound::Float(self.float()?),
            3 => Bound::Text(self.text()?.to_vec()),
            _ => return None,
        })
    }
}
