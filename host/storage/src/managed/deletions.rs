//! Which rows of a file are gone: a roaring bitmap in the portable form of
//! <https://github.com/RoaringBitmap/RoaringFormatSpec>; in a file of its own, with the CRC-32 of the bytes behind it.

use bytes::Bytes;
use nyala_schema::id::TableId;
use nyala_schema::managed::{DataFile, Deletions, DeletionsPlace};
use nyala_schema::{Error, ErrorCode, Result};
use roaring::RoaringBitmap;

use super::warehouse::Warehouse;

/// Bytes of a bitmap that is kept in the catalog; a larger one is a file.
const INLINE_BYTES_MAX: usize = 4 << 10;

/// The deletions of a file with more rows gone; those that are gone already may be among `rows`. A file that was written
/// for them is removed again by who gives them up.
///
/// # Errors
/// Internal when the file has no such row; CorruptFile; FileAccess, ReadOnly, DiskFull.
pub fn delete_rows(
    warehouse: &Warehouse,
    table: TableId,
    file: &DataFile,
    rows: &RoaringBitmap,
) -> Result<Deletions> {
    if let Some(last) = rows.max().filter(|last| u64::from(*last) >= file.rows) {
        let message = format!("row {last} of a file of {} rows cannot be deleted", file.rows);
        return Err(Error::internal(message));
    }
    let all = match &file.deletions {
        Some(deletions) => deleted_rows(warehouse, table, deletions)? | rows,
        None => rows.clone(),
    };
    store_deletions(warehouse, table, all)
}

/// Keeps a bitmap where one of its size belongs.
fn store_deletions(warehouse: &Warehouse, table: TableId, mut all: RoaringBitmap) -> Result<Deletions> {
    all.optimize();
    let mut bytes = Vec::with_capacity(all.serialized_size());
    all.serialize_into(&mut bytes)
        .map_err(|error| Error::internal(format!("a bitmap of deleted rows cannot be written: {error}")))?;
    let place = if bytes.len() <= INLINE_BYTES_MAX || !warehouse.keeps_files() {
        DeletionsPlace::Inline(bytes.into())
    } else {
        let path = warehouse.new_name("deletions");
        let sum = crc32fast::hash(&bytes);
        bytes.extend_from_slice(&sum.to_le_bytes());
        warehouse.write(table, &path, &bytes)?;
        DeletionsPlace::File { path: path.into(), size: bytes.len() as u64 }
    };
    Ok(Deletions { rows: all.len(), place })
}

/// Positions of the rows that are gone, from 0.
///
/// # Errors
/// CorruptFile when the bitmap is damaged, or has not as many rows as the catalog says; FileAccess.
pub fn deleted_rows(warehouse: &Warehouse, table: TableId, deletions: &Deletions) -> Result<RoaringBitmap> {
    let (bytes, shown): (Bytes, &str) = match &deletions.place {
        DeletionsPlace::Inline(bytes) => (bytes.clone(), "in the catalog"),
        DeletionsPlace::File { path, .. } => (warehouse.read(table, path)?, path),
    };
    let damaged = |why: &dyn std::fmt::Display| {
        let message = format!("the deleted rows of a file of table {table} ({shown}) are damaged: {why}");
        Error::new(ErrorCode::CorruptFile, message).with_hint("restore the warehouse from a backup")
    };
    let mut rest = match &deletions.place {
        DeletionsPlace::Inline(_) => bytes.as_ref(),
        DeletionsPlace::File { .. } => checked(&bytes).ok_or_else(|| damaged(&"the checksum is wrong"))?,
    };
    let rows = RoaringBitmap::deserialize_from(&mut rest).map_err(|error| damaged(&error))?;
    if !rest.is_empty() || rows.len() != deletions.rows {
        return Err(damaged(&format!("{} rows instead of {}", rows.len(), deletions.rows)));
    }
    Ok(rows)
}

/// The bytes before the checksum, when it is right.
fn checked(bytes: &[u8]) -> Option<&[u8]> {
    let (bitmap, sum) = bytes.split_last_chunk()?;
    (crc32fast::hash(bitmap) == u32::from_le_bytes(*sum)).then_some(bitmap)
}
