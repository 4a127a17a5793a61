//! The custom section `nyala.manifest` of a module: looked for, added. docs/reference/guest-abi.md says what is in it.

const SECTION: &str = "nyala.manifest";
const HEADER_BYTES: usize = 8;
const CUSTOM: u8 = 0;

/// Whether a module has such a section. Bytes that are no module have none.
pub fn is_in(module: &[u8]) -> bool {
    let mut rest = module.get(HEADER_BYTES..).unwrap_or_default();
    while let Some((&id, after)) = rest.split_first() {
        let Some((size, body)) = number(after) else { return false };
        let Some((section, next)) = body.split_at_checked(size) else { return false };
        let name = number(section).and_then(|(length, text)| text.get(..length));
        if id == CUSTOM && name == Some(SECTION.as_bytes()) {
            return true;
        }
        rest = next;
    }
    false
}

/// The module with the section at its end.
pub fn added(mut module: Vec<u8>, text: &str) -> Vec<u8> {
    let mut section = Vec::new();
    write_number(SECTION.len(), &mut section);
    section.extend_from_slice(SECTION.as_bytes());
    section.extend_from_slice(text.as_bytes());
    module.push(CUSTOM);
    write_number(section.len(), &mut module);
    module.extend(section);
    module
}

/// An unsigned LEB128 of up to 32 bits, and what follows.
fn number(bytes: &[u8]) -> Option<(usize, &[u8])> {
    let mut value = 0_u64;
    for (place, byte) in bytes.iter().take(5).enumerate() {
        value |= u64::from(byte & 0x7f) << (7 * place);
        if byte & 0x80 == 0 {
            return Some((usize::try_from(value).ok()?, &bytes[place + 1..]));
        }
    }
    None
}

fn write_number(mut value: usize, out: &mut Vec<u8>) {
    loop {
        let low = (value & 0x7f) as u8;
        value >>= 7;
        if value == 0 {
            out.push(low);
            return;
        }
        out.push(low | 0x80);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_added_is_found_and_the_module_stays_one() {
        let module = ::wat::parse_str("(module (func (export \"f\") (result i32) i32.const 1))").unwrap();
        assert!(!is_in(&module));
        let text = "CREATE FUNCTION f () RETURNS INT;\n".repeat(10);
        let with = added(module, &text);
        assert!(is_in(&with));
        assert!(with.ends_with(text.as_bytes()));
        let annotated = ::wat::parse_str("(module (@custom \"nyala.manifest\" \"CREATE\"))").unwrap();
        assert!(is_in(&annotated));
    }

    #[test]
    fn damaged_bytes_have_none() {
        assert!(!is_in(b"no module at all \xff\xff\xff\xff\xff\xff"));
        let with = added(b"\0asm\x01\0\0\0".to_vec(), "x");
        assert!((0..with.len()).all(|length| !is_in(&with[..length])));
    }
}
