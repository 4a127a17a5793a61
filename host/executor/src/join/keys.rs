//! How the keys of a join are compared: as packed integers, or as the bytes of encoded rows.

use arrow::array::{Array, ArrayRef};
use arrow::buffer::NullBuffer;
use arrow_row::{RowConverter, Rows, SortField};
use nyala_schema::Result;

use crate::column::hash::{byte_hasher, hash_bytes};
use crate::column::normal::{normal_type, normalise_all};
use crate::join::packing::{NO_CODE, Packing};

pub(crate) enum KeyScheme {
    /// Equal codes are equal keys.
    Packed(Packing),
    /// Codes are hashes: keys with equal codes are compared byte by byte.
    Bytes(ByteKeys),
}

pub(crate) struct ByteKeys {
    converter: RowConverter,
    null_equals_null: bool,
    /// Of the build side.
    rows: Rows,
}

/// The keys of a chunk, ready to be looked up.
pub(crate) struct ProbeKeys {
    pub(crate) codes: Vec<u64>,
    /// Rows in which a key is NULL.
    pub(crate) nulls: Option<NullBuffer>,
    encoded: Option<Rows>,
}

impl KeyScheme {
    /// Chosen by the keys of the build side; also their codes.
    ///
    /// # Errors
    /// Unsupported for types that cannot be compared.
    pub(crate) fn of(keys: &[ArrayRef], rows: usize, null_equals_null: bool) -> Result<(Self, Vec<u64>)> {
        if let Some(packing) = Packing::of(keys, null_equals_null) {
            let codes = packing.pack(keys, rows)?;
            return Ok((Self::Packed(packing), codes));
        }
        let fields = keys.iter().map(|key| SortField::new(normal_type(key.data_type())));
        let converter = RowConverter::new(fields.collect())?;
        let encoded = converter.convert_columns(&normalise_all(keys)?)?;
        let codes = hash_rows(&encoded, nulls_of(keys).filter(|_| !null_equals_null).as_ref());
        Ok((Self::Bytes(ByteKeys { converter, null_equals_null, rows: encoded }), codes))
    }

    pub(crate) fn probe(&self, keys: &[ArrayRef], rows: usize) -> Result<ProbeKeys> {
        let nulls = nulls_of(keys);
        match self {
            Self::Packed(packing) => Ok(ProbeKeys { codes: packing.pack(keys, rows)?, nulls, encoded: None }),
            Self::Bytes(bytes) => {
                let encoded = bytes.converter.convert_columns(&normalise_all(keys)?)?;
                let codes = hash_rows(&encoded, nulls.as_ref().filter(|_| !bytes.null_equals_null));
                Ok(ProbeKeys { codes, nulls, encoded: Some(encoded) })
            }
        }
    }

    /// Bytes held.
    pub(crate) fn size(&self) -> usize {
        match self {
            Self::Packed(_) => 0,
            Self::Bytes(bytes) => bytes.rows.size(),
        }
    }

    /// Drops the pairs whose keys only have the same code.
    pub(crate) fn verify(&self, keys: &ProbeKeys, probe: &mut Vec<u32>, build: &mut Vec<u32>) {
        let (Self::Bytes(bytes), Some(encoded)) = (self, &keys.encoded) else { return };
        let mut kept = 0;
        for index in 0..probe.len() {
            let (left, right) = (probe[index], build[index]);
            if encoded.row(left as usize).data() == bytes.rows.row(right as usize).data() {
                probe[kept] = left;
                build[kept] = right;
                kept += 1;
            }
        }
        probe.truncate(kept);
        build.truncate(kept);
    }
}

fn nulls_of(keys: &[ArrayRef]) -> Option<NullBuffer> {
    let logical: Vec<Option<NullBuffer>> = keys.iter().map(|key| key.logical_nulls()).collect();
    NullBuffer::union_many(logical.iter().map(Option::as_ref)).filter(|nulls| nulls.null_count() > 0)
}

fn hash_rows(rows: &Rows, nulls: Option<&NullBuffer>) -> Vec<u64> {
    let state = byte_hasher();
    let hash = |(index, row): (usize, arrow_row::Row<'_>)| match nulls {
        Some(nulls) if nulls.is_null(index) => NO_CODE,
        _ => hash_bytes(&state, row.data()) & (NO_CODE >> 1),
    };
    rows.iter().enumerate().map(hash).collect()
}
