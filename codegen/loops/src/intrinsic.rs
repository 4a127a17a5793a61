//! Operations that compiled code calls because they would be long as instructions.

/// `left × right` of 128-bit integers as halves, into `out` (low, high); returns 1 when it does not fit.
///
/// # Safety
/// `out` has room for two aligned words.
pub unsafe extern "C" fn multiply_wide(
    left_low: u64,
    left_high: u64,
    right_low: u64,
    right_high: u64,
    out: *mut u64,
) -> u64 {
    let (product, overflow) = join(left_low, left_high).overflowing_mul(join(right_low, right_high));
    // SAFETY: the caller gives room for two words; compiled code passes a stack slot of 16 bytes.
    unsafe {
        out.write(product as u64);
        out.add(1).write((product >> 64) as u64);
    }
    u64::from(overflow)
}

fn join(low: u64, high: u64) -> i128 {
    (u128::from(low) | (u128::from(high) << 64)) as i128
}

#[cfg(test)]
mod tests {
    use super::*;

    fn multiply(left: i128, right: i128) -> Option<i128> {
        let mut out = [0u64; 2];
        let (l, r) = (left as u128, right as u128);
        // SAFETY: `out` has two words.
        let overflow = unsafe {
            multiply_wide(l as u64, (l >> 64) as u64, r as u64, (r >> 64) as u64, out.as_mut_ptr())
        };
        (overflow == 0).then(|| join(out[0], out[1]))
    }

    #[test]
    fn products_of_any_sign() {
        for (left, right) in [(3, -4), (-(1 << 70), -5), (i128::MAX, 1), (i128::MIN, 1), (0, -1)] {
            assert_eq!(multiply(left, right), left.checked_mul(right));
        }
        assert_eq!(multiply(i128::MIN, -1), None);
        assert_eq!(multiply(1 << 64, 1 << 63), None);
    }
}
