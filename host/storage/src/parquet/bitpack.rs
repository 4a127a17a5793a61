//! Unpacking of numbers of 0 to 32 bits, 32 at a time.
//!
//! One function for each width, written out, so that every shift and mask is a constant and the compiler can use
//! the vector instructions of the target.

/// What codes are unpacked into.
pub trait Code: Copy + Default + Send + 'static {
    /// Truncates; callers check the range.
    fn from_u32(value: u32) -> Self;
    fn index(self) -> usize;
}

macro_rules! codes {
    ($($type:ty),*) => {$(
        impl Code for $type {
            #[inline(always)]
            fn from_u32(value: u32) -> Self {
                value as Self
            }

            #[inline(always)]
            fn index(self) -> usize {
                self as usize
            }
        }
    )*};
}

codes!(u8, u16, u32);

/// Values in a block.
pub const BLOCK: usize = 32;

/// Unpacks one block: `input` has at least `4 * width` bytes, least significant bits first.
///
/// # Panics
/// When `input` is too short or `width` is over 32.
#[inline]
pub fn unpack<C: Code>(width: u8, input: &[u8], output: &mut [C; BLOCK]) {
    macro_rules! widths {
        ($($width:literal)*) => {
            match width {
                0 => *output = [C::default(); BLOCK],
                $($width => unpack_width::<C, $width>(input, output),)*
                _ => unreachable!("width {width} is over 32 bits"),
            }
        };
    }
    widths!(1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 22 23 24 25 26 27 28 29 30 31 32)
}

#[inline]
fn unpack_width<C: Code, const WIDTH: usize>(input: &[u8], output: &mut [C; BLOCK]) {
    let mut words = [0u32; WIDTH];
    for (word, bytes) in words.iter_mut().zip(input[..WIDTH * 4].chunks_exact(4)) {
        *word = u32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]);
    }
    let mask = u32::MAX >> (32 - WIDTH);
    macro_rules! value {
        ($($index:literal)*) => {$({
            let bit = $index * WIDTH;
            let (word, shift) = (bit / 32, bit % 32);
            let low = words[word] >> shift;
            let value = if shift + WIDTH <= 32 {
                low
            } else {
                low | words[(word + 1) % WIDTH] << ((32 - shift) % 32)
            };
            output[$index] = C::from_u32(value & mask);
        })*};
    }
    value!(0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 22 23 24 25 26 27 28 29 30 31);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_width_against_bit_by_bit() {
        let mut state = 12_345u64;
        let bytes: Vec<u8> = (0..128)
            .map(|_| {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                (state >> 56) as u8
            })
            .collect();
        for width in 0..=32u8 {
            let mut output = [0u32; BLOCK];
            unpack(width, &bytes, &mut output);
            for (index, value) in output.iter().enumerate() {
                let expected = (0..usize::from(width)).fold(0u32, |sum, bit| {
                    let at = index * usize::from(width) + bit;
                    sum | u32::from(bytes[at / 8] >> (at % 8) & 1) << bit
                });
                assert_eq!(*value, expected, "width {width}, value {index}");
            }
        }
    }
}
