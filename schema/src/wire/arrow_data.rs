//! Arrow schemas, types, batches and values as IPC streams.

use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch, RecordBatchOptions};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use arrow::ipc::reader::StreamReader;
use arrow::ipc::writer::StreamWriter;

use crate::error::{Error, Result};
use crate::value::Value;

pub(super) fn encode_schema(schema: &Schema) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    StreamWriter::try_new(&mut bytes, schema)?.finish()?;
    Ok(bytes)
}

pub(super) fn decode_schema(bytes: &[u8]) -> Result<SchemaRef> {
    Ok(StreamReader::try_new(bytes, None)?.schema())
}

pub(super) fn encode_type(data_type: &DataType) -> Result<Vec<u8>> {
    encode_schema(&Schema::new(vec![Field::new("", data_type.clone(), true)]))
}

pub(super) fn decode_type(bytes: &[u8]) -> Result<DataType> {
    let schema = decode_schema(bytes)?;
    let field = schema.fields().first().ok_or_else(|| Error::internal("a type without a field"))?;
    Ok(field.data_type().clone())
}

pub(super) fn encode_batch(batch: &RecordBatch) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let mut writer = StreamWriter::try_new(&mut bytes, &batch.schema())?;
    writer.write(batch)?;
    writer.finish()?;
    drop(writer);
    Ok(bytes)
}

pub(super) fn decode_batch(bytes: &[u8]) -> Result<RecordBatch> {
    let mut reader = StreamReader::try_new(bytes, None)?;
    Ok(reader.next().ok_or_else(|| Error::internal("a batch message without a batch"))??)
}

pub(super) fn encode_array(array: &ArrayRef) -> Result<Vec<u8>> {
    let field = Field::new("", array.data_type().clone(), true);
    let options = RecordBatchOptions::new().with_row_count(Some(array.len()));
    let schema = Arc::new(Schema::new(vec![field]));
    encode_batch(&RecordBatch::try_new_with_options(schema, vec![array.clone()], &options)?)
}

pub(super) fn decode_array(bytes: &[u8]) -> Result<ArrayRef> {
    let batch = decode_batch(bytes)?;
    batch.columns().first().cloned().ok_or_else(|| Error::internal("an array message without a column"))
}

pub(super) fn encode_value(value: &Value) -> Result<Vec<u8>> {
    encode_array(value.array())
}

pub(super) fn decode_value(bytes: &[u8]) -> Result<Value> {
    let array = decode_array(bytes)?;
    if array.len() != 1 {
        return Err(Error::internal(format!("a value message with {} rows", array.len())));
    }
    Ok(Value::new(array))
}
