//! Numbers in few bytes: seven bits each, the least first.

pub(super) fn put_number(head: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        head.push((number as u8 & 0x7f) | 0x80);
        number >>= 7;
    }
    head.push(number as u8);
}

/// `None` when it ends early or is none.
pub(super) fn take_number(head: &mut &[u8]) -> Option<u64> {
    let mut number = 0;
    for shift in (0..u64::BITS).step_by(7) {
        let byte = take_byte(head)?;
        number |= u64::from(byte & 0x7f) << shift;
        if byte < 0x80 {
            return Some(number);
        }
    }
    None
}

pub(super) fn take_byte(head: &mut &[u8]) -> Option<u8> {
    let (&byte, rest) = head.split_first()?;
    *head = rest;
    Some(byte)
}
