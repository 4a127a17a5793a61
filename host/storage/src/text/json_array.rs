//! An array of objects as a sequence of objects: brackets and commas between them become spaces.

/// Follows JSON text byte by byte.
#[derive(Debug, Default)]
pub struct ArrayStripper {
    /// Brackets and braces that are open, the array itself not counted.
    depth: usize,
    in_text: bool,
    escaped: bool,
}

impl ArrayStripper {
    /// Blanks out what belongs to the array in `bytes`, which follow those of the last call.
    pub fn strip(&mut self, bytes: &mut [u8]) {
        for byte in bytes {
            if self.in_text {
                match *byte {
                    _ if self.escaped => self.escaped = false,
                    b'\\' => self.escaped = true,
                    b'"' => self.in_text = false,
                    _ => {}
                }
                continue;
            }
            match *byte {
                b'"' => self.in_text = true,
                b'{' => self.depth += 1,
                b'}' => self.depth = self.depth.saturating_sub(1),
                b'[' if self.depth > 0 => self.depth += 1,
                b']' if self.depth > 0 => self.depth -= 1,
                b'[' | b']' | b',' if self.depth == 0 => *byte = b' ',
                _ => {}
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_outer_array_goes() {
        let text = br#"[{"a":[1,2],"b":"],{\""},{"a":[]}]"#;
        let expected = br#" {"a":[1,2],"b":"],{\""} {"a":[]} "#;
        for cut in 0..text.len() {
            let mut bytes = text.to_vec();
            let mut stripper = ArrayStripper::default();
            let (head, tail) = bytes.split_at_mut(cut);
            stripper.strip(head);
            stripper.strip(tail);
            assert_eq!(bytes, expected, "cut at {cut}");
        }
    }
}
