//! Parquet's hybrid of run lengths and packed bits, for codes and levels.

/// Values of a packed group.
const GROUP: usize = 8;
/// Equal values from which on a run is shorter than packed bits.
const RUN_MIN: usize = 16;

/// Bits that the codes of so many entries need.
pub fn width_of(entries: usize) -> u8 {
    let greatest = entries.saturating_sub(1) as u32;
    (u32::BITS - greatest.leading_zeros()) as u8
}

/// Codes as a data page has them: their width in bits, then runs.
pub fn put_codes(target: &mut Vec<u8>, codes: &[u32], width: u8) {
    target.push(width);
    target.reserve(codes.len() * usize::from(width) / 8 + 16);
    let mut packed = 0;
    let mut at = 0;
    while at < codes.len() {
        let rest = &codes[at..];
        let first = rest[0];
        let is_run = rest.len() >= RUN_MIN && rest[..GROUP].iter().all(|code| *code == first);
        let run = if is_run { rest.iter().take_while(|code| **code == first).count() } else { 0 };
        if run >= RUN_MIN {
            put_packed(target, &codes[packed..at], width);
            put_run(target, run, first, width);
            at += run;
            packed = at;
        } else {
            at = (at + GROUP).min(codes.len());
        }
    }
    put_packed(target, &codes[packed..], width);
}

/// One value, several times.
pub fn put_run(target: &mut Vec<u8>, count: usize, value: u32, width: u8) {
    put_number(target, count << 1);
    target.extend_from_slice(&value.to_le_bytes()[..usize::from(width).div_ceil(8)]);
}

/// How many groups of packed values follow.
pub fn put_packed_head(target: &mut Vec<u8>, values: usize) {
    put_number(target, values.div_ceil(GROUP) << 1 | 1);
}

/// Whole groups, the last one filled up with zeros.
fn put_packed(target: &mut Vec<u8>, codes: &[u32], width: u8) {
    if codes.is_empty() {
        return;
    }
    put_packed_head(target, codes.len());
    let mut groups = codes.chunks_exact(GROUP);
    groups.by_ref().for_each(|group| put_group(target, group, width));
    let rest = groups.remainder();
    if !rest.is_empty() {
        let mut last = [0; GROUP];
        last[..rest.len()].copy_from_slice(rest);
        put_group(target, &last, width);
    }
}

/// Eight values are as many bytes as a value has bits.
#[inline]
fn put_group(target: &mut Vec<u8>, group: &[u32], width: u8) {
    let width = u32::from(width);
    if width * 4 <= u64::BITS {
        let mut low = 0u64;
        let mut high = 0u64;
        for at in 0..GROUP / 2 {
            low |= u64::from(group[at]) << (at as u32 * width);
            high |= u64::from(group[at + GROUP / 2]) << (at as u32 * width);
        }
        let both = u128::from(low) | u128::from(high) << (4 * width);
        target.extend_from_slice(&both.to_le_bytes()[..width as usize]);
        return;
    }
    let mut bits = 0u64;
    let mut held = 0;
    for code in group {
        bits |= u64::from(*code) << held;
        held += width;
        if held >= u32::BITS {
            target.extend_from_slice(&(bits as u32).to_le_bytes());
            bits >>= u32::BITS;
            held -= u32::BITS;
        }
    }
    target.extend_from_slice(&bits.to_le_bytes()[..held.div_ceil(8) as usize]);
}

fn put_number(target: &mut Vec<u8>, mut number: usize) {
    while number >= 0x80 {
        target.push(number as u8 | 0x80);
        number >>= 7;
    }
    target.push(number as u8);
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What the format says, read back value by value.
    fn unpacked(bytes: &[u8], count: usize) -> Vec<u32> {
        let width = usize::from(bytes[0]);
        let mut values = Vec::new();
        let mut at = 1;
        while values.len() < count {
            let mut head = 0usize;
            let mut shift = 0;
            loop {
                let byte = bytes[at];
                at += 1;
                head |= usize::from(byte & 0x7f) << shift;
                shift += 7;
                if byte < 0x80 {
                    break;
                }
            }
            if head & 1 == 0 {
                let mut value = [0; 4];
                let length = width.div_ceil(8);
                value[..length].copy_from_slice(&bytes[at..at + length]);
                at += length;
                values.extend(std::iter::repeat_n(u32::from_le_bytes(value), head >> 1));
            } else {
                let packed = &bytes[at..at + (head >> 1) * width];
                at += packed.len();
                for value in 0..(head >> 1) * GROUP {
                    let bit = |at: usize| u32::from(packed[at / 8] >> (at % 8) & 1);
                    values.push((0..width).fold(0, |sum, at| sum | bit(value * width + at) << at));
                }
            }
        }
        values.truncate(count);
        values
    }

    #[test]
    fn codes_of_every_width_come_back() {
        for width in 0..=20u8 {
            let greatest = (1u64 << width) as u32 - 1;
            for count in [1usize, 7, 8, 9, 100, 1000] {
                let mixed =
                    (0..count as u32).map(|at| if at % 97 < 40 { 0 } else { at.wrapping_mul(2_654_435_761) });
                let codes: Vec<u32> = mixed.map(|code| code & greatest).collect();
                let mut bytes = Vec::new();
                put_codes(&mut bytes, &codes, width);
                assert_eq!(unpacked(&bytes, count), codes, "{count} codes of {width} bits");
            }
        }
    }
}
