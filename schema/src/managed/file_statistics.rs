//! What is known of the columns of one file, packed: there may be millions of files.

use bytes::{BufMut, Bytes, BytesMut};

use crate::bound::Bound;
use crate::error::{Error, ErrorCode, Result};
use crate::id::ColumnId;
use crate::packed::{Reader, put_number, put_signed, put_text};

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
            put_number(&mut packed, column.id.0);
            match (&column.min, &column.max) {
                (Some(Bound::Int(min)), Some(Bound::Int(max))) => {
                    put_head(&mut packed, Kind::Int, column.nulls);
                    put_signed(&mut packed, *min);
                    put_signed(&mut packed, *max);
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
            read_column(&mut rest).ok_or_else(|| {
                Error::new(ErrorCode::CorruptFile, "the statistics of a data file are damaged")
            })?;
        }
        Ok(statistics)
    }

    pub fn columns(&self) -> impl Iterator<Item = FileColumn> {
        let mut rest = Reader(&self.0);
        std::iter::from_fn(move || if rest.0.is_empty() { None } else { read_column(&mut rest) })
    }

    /// Passes over the columns before it: plans ask this of every file of a table.
    pub fn column(&self, id: ColumnId) -> Option<FileColumn> {
        let mut rest = Reader(&self.0);
        while !rest.0.is_empty() {
            let found = ColumnId(rest.small()?);
            if found == id {
                return read_bounds(&mut rest, id);
            }
            pass_bounds(&mut rest)?;
        }
        None
    }
}

fn put_head(packed: &mut BytesMut, kind: Kind, nulls: u64) {
    packed.put_u8(kind as u8);
    put_number(packed, nulls);
}

fn read_column(rest: &mut Reader<'_>) -> Option<FileColumn> {
    let id = ColumnId(rest.small()?);
    read_bounds(rest, id)
}

/// What stands behind the id.
fn read_bounds(rest: &mut Reader<'_>, id: ColumnId) -> Option<FileColumn> {
    let kind = rest.byte()?;
    let nulls = rest.small()?;
    let (min, max) = match kind {
        0 => (None, None),
        1 => (Some(Bound::Int(rest.signed()?)), Some(Bound::Int(rest.signed()?))),
        2 => (Some(Bound::Float(rest.float()?)), Some(Bound::Float(rest.float()?))),
        3 => (Some(Bound::Text(rest.text()?.to_vec())), Some(Bound::Text(rest.text()?.to_vec()))),
        _ => return None,
    };
    Some(FileColumn { id, min, max, nulls })
}

/// Passes over what `read_bounds` reads.
fn pass_bounds(rest: &mut Reader<'_>) -> Option<()> {
    let kind = rest.byte()?;
    let _nulls: u64 = rest.small()?;
    for _ in 0..2 {
        match kind {
            0 => {}
            1 => drop(rest.signed()?),
            2 => drop(rest.float()?),
            3 => drop(rest.text()?),
            _ => return None,
        }
    }
    Some(())
}
