//! Arrow schemas, types, batches and values as bytes.

use arrow::array::{Array, ArrayRef, RecordBatch, RecordBatchOptions};
use arrow::datatypes::{DataType, Schema, SchemaRef};

use super::arrays::{put_array, read_array};
use super::types::{put_schema, put_type, read_schema, read_type};
use crate::error::{Error, ErrorCode, Result};
use crate::packed::{Reader, put_number};
use crate::value::Value;

/// Batches of more bytes than this are compressed.
const COMPRESSED_FROM: usize = 2048;
/// Bytes of one batch at most: a field of a message cannot hold more.
const BATCH_BYTES_MAX: usize = 1 << 29;
/// Values of one array at most: NULLs of no type take no bytes, so that bytes are no bound.
const VALUES_MAX: usize = 1 << 24;
/// Fast, and most of what there is to gain.
const ZSTD_LEVEL: i32 = 1;

pub(super) fn encode_schema(schema: &Schema) -> Vec<u8> {
    let mut packed = Vec::new();
    put_schema(&mut packed, schema);
    packed
}

pub(super) fn decode_schema(bytes: &[u8]) -> Result<SchemaRef> {
    decode(bytes, "a schema", read_schema)
}

pub(super) fn encode_type(data_type: &DataType) -> Vec<u8> {
    let mut packed = Vec::new();
    put_type(&mut packed, data_type);
    packed
}

pub(super) fn decode_type(bytes: &[u8]) -> Result<DataType> {
    decode(bytes, "a type", read_type)
}

/// The number of bytes, then as many: as they are, or fewer that ZSTD made of them.
pub(super) fn encode_batch(batch: &RecordBatch) -> Result<Vec<u8>> {
    let mut packed = Vec::new();
    put_schema(&mut packed, batch.schema_ref());
    put_number(&mut packed, batch.num_rows() as u128);
    batch.columns().iter().try_for_each(|column| put_array(&mut packed, column))?;
    if packed.len() > BATCH_BYTES_MAX {
        let message = format!("rows of {} bytes do not fit into one message", packed.len());
        let error = Error::new(ErrorCode::TooComplex, message);
        return Err(error.with_hint(format!("{BATCH_BYTES_MAX} bytes do; write fewer rows at once")));
    }
    let mut bytes = Vec::with_capacity(packed.len() + 8);
    put_number(&mut bytes, packed.len() as u128);
    let compressed = if packed.len() > COMPRESSED_FROM {
        let compressed = zstd::bulk::compress(&packed, ZSTD_LEVEL);
        Some(compressed.map_err(|error| Error::internal(format!("rows cannot be compressed: {error}")))?)
    } else {
        None
    };
    bytes.extend(compressed.filter(|it| it.len() < packed.len()).unwrap_or(packed));
    Ok(bytes)
}

pub(super) fn decode_batch(bytes: &[u8]) -> Result<RecordBatch> {
    decode(bytes, "rows", |rest| {
        let length: usize = rest.small()?;
        let packed = rest.take(rest.0.len())?;
        if packed.len() == length {
            return read_batch(packed);
        }
        let length = (length <= BATCH_BYTES_MAX).then_some(length)?;
        read_batch(&zstd::bulk::decompress(packed, length).ok()?)
    })
}

fn read_batch(packed: &[u8]) -> Option<RecordBatch> {
    let mut rest = Reader(packed);
    let schema = read_schema(&mut rest)?;
    let rows = rest.small()?;
    let columns = schema.fields().iter().map(|field| read_array(&mut rest, field.data_type(), rows));
    let columns = columns.collect::<Option<Vec<_>>>()?;
    let options = RecordBatchOptions::new().with_row_count(Some(rows));
    rest.0.is_empty().then(|| RecordBatch::try_new_with_options(schema, columns, &options).ok())?
}

pub(super) fn encode_array(array: &ArrayRef) -> Result<Vec<u8>> {
    if array.len() > VALUES_MAX {
        let message = format!("a list of {} values is too long", array.len());
        return Err(Error::new(ErrorCode::TooComplex, message).with_hint(format!("{VALUES_MAX} are not")));
    }
    let mut packed = Vec::new();
    put_type(&mut packed, array.data_type());
    put_number(&mut packed, array.len() as u128);
    put_array(&mut packed, array)?;
    Ok(packed)
}

pub(super) fn decode_array(bytes: &[u8]) -> Result<ArrayRef> {
    decode(bytes, "an array", |rest| {
        let data_type = read_type(rest)?;
        let len = rest.small().filter(|len| *len <= VALUES_MAX)?;
        read_array(rest, &data_type, len)
    })
}

pub(super) fn encode_value(value: &Value) -> Result<Vec<u8>> {
    let mut packed = Vec::new();
    put_type(&mut packed, value.data_type());
    put_array(&mut packed, value.array())?;
    Ok(packed)
}

pub(super) fn decode_value(bytes: &[u8]) -> Result<Value> {
    decode(bytes, "a value", |rest| {
        let data_type = read_type(rest)?;
        read_array(rest, &data_type, 1).map(Value::new)
    })
}

/// Reads all bytes.
fn decode<T>(bytes: &[u8], what: &str, read: impl FnOnce(&mut Reader<'_>) -> Option<T>) -> Result<T> {
    let mut rest = Reader(bytes);
    let read = read(&mut rest).filter(|_| rest.0.is_empty());
    read.ok_or_else(|| {
        Error::new(ErrorCode::Connection, format!("a message holds {what} that cannot be read"))
    })
}
