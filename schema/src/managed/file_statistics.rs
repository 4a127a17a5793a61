//! What is known of the columns of one file, packed: there may be millions of files.

use bytes::{BufMut, Bytes, BytesMut};

use crate::bound::Bound;
use crate::error::{Error, ErrorCode, Result};
use crate::id::ColumnId;

/// Text bounds are cut to so many bytes (an upper bound is then made greater).
pub const TEXT_BOUND_BYTES: usize = 32;

/// The columns in the order in which they were given, each as: id, kind, nulls, then the two bounds.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct FileStatistics(Bytes);

/// One column of one file. Bounds hold for every row and need not occur.
#[derive(Debug, Clone, PartialEq)]
pub struct FileColumn {
    pub id: ColumnId,
    pub min: Option<Bound>,
    pub max: Option<Bound>,
    pub nulls: u64,
}

/// How the bounds of a column are written.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    None = 0,
    Int = 1,
    Float = 2,
    Text = 3,
}

impl FileStatistics {
    /// A column of which only one bound is known, or two of different kinds, has none.
    pub fn of(columns: &[FileColumn]) -> Self {
        let mut packed = BytesMut::new();
        for column in columns {
            put_number(&mut packed, u128::from(column.id.0));
            match (&column.min, &column.max) {
                (Some(Bound::Int(min)), Some(Bound::Int(max))) => {
                    put_head(&mut packed, Kind::Int, column.nulls);
                    put_number(&mut packed, zigzag(*min));
                    put_number(&mut packed, zigzag(*max));
                }
                (Some(Bound::Float(min)), Some(Bound::Float(max))) => {
                    put_head(&mut packed, Kind::Float, column.nulls);
                    packed.put_f64_le(*min);
                    packed.put_f64_le(*max);
                }
                (Some(Bound::Text(min)), Some(Bound::Text(max))) => {
                    put_head(&mut packed, Kind::Text, column.nulls);
                    put_text(&mut packed, &min[..min.len().min(TEXT_BOUND_BYTES)]);
                    put_text(&mut packed, max);
                }
                _ => put_head(&mut packed, Kind::None, column.nulls),
            }
        }
        Self(packed.freeze())
    }

    pub fn as_bytes(&self) -> &Bytes {
        &self.0
    }

    /// # Errors
    /// `CorruptFile` when the bytes are no statistics.
    pub fn from_bytes(bytes: Bytes) -> Result<Self> {
        let statistics = Self(bytes);
        let mut rest = Reader(&statistics.0);
        while !rest.0.is_empty() {
            rest.column().ok_or_else(|| {
                Error::new(ErrorCode::CorruptFile, "the statistics of a data file are damaged")
            })?;
        }
        Ok(statistics)
    }

    pub fn columns(&self) -> impl Iterator<Item = FileColumn> {
        let mut rest = Reader(&self.0);
        std::iter::from_fn(move || if rest.0.is_empty() { None } else { rest.column() })
    }

    /// Passes over the columns before it: plans ask this of every file of a table.
    pub fn column(&self, id: ColumnId) -> Option<FileColumn> {
        let mut rest = Reader(&self.0);
        while !rest.0.is_empty() {
            let found = ColumnId(rest.number()?.try_into().ok()?);
            if found == id {
                return rest.bounds(id);
            }
            rest.pass_bounds()?;
        }
        None
    }
}

fn put_head(packed: &mut BytesMut, kind: Kind, nulls: u64) {
    packed.put_u8(kind as u8);
    put_number(packed, u128::from(nulls));
}

/// Seven bits a byte, the least first.
fn put_number(packed: &mut BytesMut, mut number: u128) {
    while number >= 0x80 {
        packed.put_u8((number as u8 & 0x7f) | 0x80);
        number >>= 7;
    }
    packed.put_u8(number as u8);
}

/// Small numbers of either sign become small.
fn zigzag(number: i128) -> u128 {
    ((number << 1) ^ (number >> 127)) as u128
}

fn unzigzag(number: u128) -> i128 {
    (number >> 1) as i128 ^ -((number & 1) as i128)
}

fn put_text(packed: &mut BytesMut, text: &[u8]) {
    put_number(packed, text.len() as u128);
    packed.put_slice(text);
}

/// What has not been read.
struct Reader<'a>(&'a [u8]);

impl Reader<'_> {
    fn byte(&mut self) -> Option<u8> {
        let (&byte, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(byte)
    }

    fn number(&mut self) -> Option<u128> {
        const SHIFT_MAX: u32 = 126;
        let mut number = 0;
        for shift in (0..=SHIFT_MAX).step_by(7) {
            let byte = self.byte()?;
            number |= u128::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return Some(number);
            }
        }
        None
    }

    fn float(&mut self) -> Option<f64> {
        let (bytes, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(f64::from_le_bytes(*bytes))
    }

    fn text(&mut self) -> Option<Vec<u8>> {
        let length = usize::try_from(self.number()?).ok()?;
        let (text, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(text.to_vec())
    }

    fn column(&mut self) -> Option<FileColumn> {
        let id = ColumnId(self.number()?.try_into().ok()?);
        self.bounds(id)
    }

    /// What stands behind the id.
    fn bounds(&mut self, id: ColumnId) -> Option<FileColumn> {
        let kind = self.byte()?;
        let nulls = self.number()?.try_into().ok()?;
        let (min, max) = match kind {
            0 => (None, None),
            1 => (Some(Bound::Int(unzigzag(self.number()?))), Some(Bound::Int(unzigzag(self.number()?)))),
            2 => (Some(Bound::Float(self.float()?)), Some(Bound::Float(self.float()?))),
            3 => (Some(Bound::Text(self.text()?)), Some(Bound::Text(self.text()?))),
            _ => return None,
        };
        Some(FileColumn { id, min, max, nulls })
    }

    /// Passes over what `bounds` reads.
    fn pass_bounds(&mut self) -> Option<()> {
        const FLOAT_BYTES: usize = size_of::<f64>();
        let kind = self.byte()?;
        self.pass_number()?;
        for _ in 0..2 {
            match kind {
                0 => {}
                1 => self.pass_number()?,
                2 => self.0 = self.0.get(FLOAT_BYTES..)?,
                3 => {
                    let length = usize::try_from(self.number()?).ok()?;
                    self.0 = self.0.get(length..)?;
                }
                _ => return None,
            }
        }
        Some(())
    }

    fn pass_number(&mut self) -> Option<()> {
        while self.byte()? >= 0x80 {}
        Some(())
    }
}
