//! Page headers, which Parquet writes in Thrift's compact protocol.
//!
//! Sources: `parquet.thrift` of parquet-format and Thrift's "Compact protocol encoding".

use super::damage::{Checked, Damage};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PageKind {
    Data(DataPage),
    Dictionary {
        /// Entries.
        values: usize,
        encoding: i32,
    },
    /// Index pages, which nobody writes.
    Other,
}

/// A data page of either version.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DataPage {
    /// Values, NULLs among them; for a flat column that is rows.
    pub values: usize,
    pub encoding: i32,
    pub levels: LevelLayout,
}

/// Where a data page keeps its definition levels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LevelLayout {
    /// Version 1: inside the compressed part, behind their own length, in this encoding.
    Inside { encoding: i32 },
    /// Version 2: before the compressed part, of these lengths in bytes.
    Before { repetition: usize, definition: usize, compressed: bool },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PageHeader {
    pub kind: PageKind,
    /// Bytes of the body as stored.
    pub compressed: usize,
    /// Bytes of the body when decompressed, levels of version 2 among them.
    pub uncompressed: usize,
    pub crc: Option<u32>,
}

/// Reads one header; gives it and its length in bytes.
pub fn parse(bytes: &[u8]) -> Checked<(PageHeader, usize)> {
    let mut thrift = Thrift { bytes, position: 0 };
    let mut raw = RawHeader::default();
    thrift.fields(|thrift, id, kind| raw.field(thrift, id, kind))?;
    Ok((raw.checked()?, thrift.position))
}

#[derive(Default)]
struct RawHeader {
    page_type: Option<i32>,
    uncompressed: Option<i32>,
    compressed: Option<i32>,
    crc: Option<i32>,
    values: Option<i32>,
    encoding: Option<i32>,
    definition_encoding: i32,
    definition_bytes: i32,
    repetition_bytes: i32,
    is_plain: bool,
}

const DATA_PAGE: i32 = 0;
const DICTIONARY_PAGE: i32 = 2;
const DATA_PAGE_V2: i32 = 3;
/// Of Thrift's `Encoding`.
const ENCODING_RLE: i32 = 3;

impl RawHeader {
    fn field(&mut self, thrift: &mut Thrift<'_>, id: i16, kind: u8) -> Checked<()> {
        match id {
            1 => self.page_type = Some(thrift.int(kind)?),
            2 => self.uncompressed = Some(thrift.int(kind)?),
            3 => self.compressed = Some(thrift.int(kind)?),
            4 => self.crc = Some(thrift.int(kind)?),
            5 if kind == STRUCT => {
                self.definition_encoding = ENCODING_RLE;
                thrift.fields(|thrift, id, kind| {
                    match id {
                        1 => self.values = Some(thrift.int(kind)?),
                        2 => self.encoding = Some(thrift.int(kind)?),
                        3 => self.definition_encoding = thrift.int(kind)?,
                        _ => thrift.skip(kind, 0)?,
                    }
                    Ok(())
                })?;
            }
            7 if kind == STRUCT => thrift.fields(|thrift, id, kind| {
                match id {
                    1 => self.values = Some(thrift.int(kind)?),
                    2 => self.encoding = Some(thrift.int(kind)?),
                    _ => thrift.skip(kind, 0)?,
                }
                Ok(())
            })?,
            8 if kind == STRUCT => thrift.fields(|thrift, id, kind| self.field_v2(thrift, id, kind))?,
            _ => thrift.skip(kind, 0)?,
        }
        Ok(())
    }

    fn field_v2(&mut self, thrift: &mut Thrift<'_>, id: i16, kind: u8) -> Checked<()> {
        match id {
            1 => self.values = Some(thrift.int(kind)?),
            4 => self.encoding = Some(thrift.int(kind)?),
            5 => self.definition_bytes = thrift.int(kind)?,
            6 => self.repetition_bytes = thrift.int(kind)?,
            7 => self.is_plain = kind == BOOL_FALSE,
            _ => thrift.skip(kind, 0)?,
        }
        Ok(())
    }

    fn checked(&self) -> Checked<PageHeader> {
        let values = || size(self.values, "a page header has no number of values");
        let encoding = self.encoding.ok_or(Damage::from("a page header has no encoding"));
        let kind = match self.page_type {
            Some(DATA_PAGE) => PageKind::Data(DataPage {
                values: values()?,
                encoding: encoding?,
                levels: LevelLayout::Inside { encoding: self.definition_encoding },
            }),
            Some(DATA_PAGE_V2) => PageKind::Data(DataPage {
                values: values()?,
                encoding: encoding?,
                levels: LevelLayout::Before {
                    repetition: size(Some(self.repetition_bytes), "")?,
                    definition: size(Some(self.definition_bytes), "")?,
                    compressed: !self.is_plain,
                },
            }),
            Some(DICTIONARY_PAGE) => PageKind::Dictionary { values: values()?, encoding: encoding? },
            Some(_) => PageKind::Other,
            None => return Err("a page header has no type".into()),
        };
        Ok(PageHeader {
            kind,
            compressed: size(self.compressed, "a page header has no size")?,
            uncompressed: size(self.uncompressed, "a page header has no size")?,
            crc: self.crc.map(|crc| crc as u32),
        })
    }
}

fn size(value: Option<i32>, missing: &'static str) -> Checked<usize> {
    usize::try_from(value.ok_or(missing)?).map_err(|_| Damage::from("a page header has a negative size"))
}

const BOOL_TRUE: u8 = 1;
const BOOL_FALSE: u8 = 2;
const STRUCT: u8 = 12;
/// Headers nest three deep; more is damage.
const DEPTH_MAX: usize = 8;

struct Thrift<'a> {
    bytes: &'a [u8],
    position: usize,
}

impl Thrift<'_> {
    fn byte(&mut self) -> Checked<u8> {
        let byte = *self.bytes.get(self.position).ok_or("a page header is cut off")?;
        self.position += 1;
        Ok(byte)
    }

    fn varint(&mut self) -> Checked<u64> {
        let mut value = 0u64;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            value |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return Ok(value);
            }
        }
        Err("a number in a page header does not end".into())
    }

    fn zigzag(&mut self) -> Checked<i64> {
        let value = self.varint()?;
        Ok((value >> 1) as i64 ^ -((value & 1) as i64))
    }

    fn int(&mut self, kind: u8) -> Checked<i32> {
        if !matches!(kind, 4..=6) {
            return Err("a page header has a field of the wrong type".into());
        }
        i32::try_from(self.zigzag()?).map_err(|_| Damage::from("a number in a page header is too large"))
    }

    /// Calls `visit` with id and type of every field of a struct; `visit` must consume the field.
    fn fields(&mut self, mut visit: impl FnMut(&mut Self, i16, u8) -> Checked<()>) -> Checked<()> {
        let mut id = 0i16;
        loop {
            let byte = self.byte()?;
            if byte == 0 {
                return Ok(());
            }
            let delta = i16::from(byte >> 4);
            id = match delta {
                0 => i16::try_from(self.zigzag()?).map_err(|_| Damage::from("a page header is damaged"))?,
                _ => id.checked_add(delta).ok_or("a page header is damaged")?,
            };
            visit(self, id, byte & 0x0f)?;
        }
    }

    fn advance(&mut self, count: u64) -> Checked<()> {
        let left = (self.bytes.len() - self.position) as u64;
        if count > left {
            return Err("a page header is cut off".into());
        }
        self.position += count as usize;
        Ok(())
    }

    fn skip(&mut self, kind: u8, depth: usize) -> Checked<()> {
        if depth > DEPTH_MAX {
            return Err("a page header is nested too deep".into());
        }
        match kind {
            BOOL_TRUE | BOOL_FALSE => Ok(()),
            3 => self.advance(1),
            4..=6 => self.varint().map(|_| ()),
            7 => self.advance(8),
            8 => {
                let length = self.varint()?;
                self.advance(length)
            }
            9 | 10 => {
                let head = self.byte()?;
                let count = if head >> 4 == 15 { self.varint()? } else { u64::from(head >> 4) };
                for _ in 0..count {
                    match head & 0x0f {
                        BOOL_TRUE | BOOL_FALSE => self.advance(1)?,
                        kind => self.skip(kind, depth + 1)?,
                    }
                }
                Ok(())
            }
            STRUCT => self.fields(|thrift, _, kind| thrift.skip(kind, depth + 1)),
            _ => Err("a page header has a field of an unknown type".into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_a_data_page_header_with_statistics() {
        // type 0, sizes 100 and 50, data_page_header { 10, PLAIN, RLE, RLE, statistics { null_count 3 } }
        let bytes = [
            0x15, 0x00, 0x15, 0xc8, 0x01, 0x15, 0x64, 0x2c, 0x15, 0x14, 0x15, 0x00, 0x15, 0x06, 0x15, 0x06,
            0x1c, 0x36, 0x06, 0x00, 0x00, 0x00, 0xff,
        ];
        let (header, length) = parse(&bytes).unwrap();
        assert_eq!(length, bytes.len() - 1);
        assert_eq!((header.uncompressed, header.compressed), (100, 50));
        let expected =
            DataPage { values: 10, encoding: 0, levels: LevelLayout::Inside { encoding: ENCODING_RLE } };
        assert_eq!(header.kind, PageKind::Data(expected));
        for end in 0..length {
            assert!(parse(&bytes[..end]).is_err(), "cut off at {end}");
        }
    }

    #[test]
    fn negative_sizes_are_damage() {
        assert!(parse(&[0x15, 0x00, 0x15, 0x01, 0x15, 0x64, 0x00]).is_err());
    }
}
