//! Numbers and texts in keys and small values.

use nyala_schema::{Error, ErrorCode, Result};

/// Text with its length before it, so that no name is the beginning of another.
pub(super) fn put_text(out: &mut Vec<u8>, text: &str) {
    out.extend_from_slice(&(text.len() as u32).to_be_bytes());
    out.extend_from_slice(text.as_bytes());
}

/// What has not been read.
pub(super) struct Rest<'a>(pub &'a [u8]);

impl<'a> Rest<'a> {
    pub fn take(&mut self, length: usize) -> Result<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(length).ok_or_else(|| damaged("is too short"))?;
        self.0 = rest;
        Ok(taken)
    }

    pub fn byte(&mut self) -> Result<u8> {
        Ok(self.take(1)?[0])
    }

    pub fn u32(&mut self) -> Result<u32> {
        let mut bytes = [0; 4];
        bytes.copy_from_slice(self.take(4)?);
        Ok(u32::from_be_bytes(bytes))
    }

    pub fn u64(&mut self) -> Result<u64> {
        let mut bytes = [0; 8];
        bytes.copy_from_slice(self.take(8)?);
        Ok(u64::from_be_bytes(bytes))
    }

    pub fn i64(&mut self) -> Result<i64> {
        self.u64().map(u64::cast_signed)
    }

    pub fn text(&mut self) -> Result<String> {
        let length = self.u32()? as usize;
        let text =
            std::str::from_utf8(self.take(length)?).map_err(|_| damaged("holds text that is no text"))?;
        Ok(text.to_owned())
    }

    pub fn end(&self) -> Result<()> {
        if self.0.is_empty() { Ok(()) } else { Err(damaged("is too long")) }
    }
}

pub(super) fn damaged(how: &str) -> Error {
    Error::new(ErrorCode::Store, format!("a value of the catalog {how}"))
}
