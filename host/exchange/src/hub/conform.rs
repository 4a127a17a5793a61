//! Batches as the schema of their stream says.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, RecordBatch, RecordBatchOptions};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Field, FieldRef, Schema, SchemaRef};
use nyala_schema::{Error, Result};

/// The batch with the names of the schema, and with its types or dictionaries of them.
///
/// # Errors
/// `Internal` when the columns are others.
pub(super) fn conform(batch: &RecordBatch, schema: &SchemaRef) -> Result<RecordBatch> {
    if Arc::ptr_eq(batch.schema_ref(), schema) {
        return Ok(batch.clone());
    }
    if batch.num_columns() != schema.fields().len() {
        let message =
            format!("a stream of {} columns is given {}", schema.fields().len(), batch.num_columns());
        return Err(Error::internal(message));
    }
    let columns: Vec<ArrayRef> = batch
        .columns()
        .iter()
        .zip(schema.fields())
        .map(|(array, field)| column(array, field))
        .collect::<Result<_>>()?;
    let has_types =
        columns.iter().zip(schema.fields()).all(|(array, field)| array.data_type() == field.data_type());
    let schema = match has_types {
        true => Arc::clone(schema),
        false => with_types(schema, columns.iter().map(|array| array.data_type())),
    };
    let options = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
    Ok(RecordBatch::try_new_with_options(schema, columns, &options)?)
}

/// The schema with other types.
pub(crate) fn with_types<'a>(schema: &SchemaRef, types: impl Iterator<Item = &'a DataType>) -> SchemaRef {
    let field = |(field, data_type): (&FieldRef, &DataType)| match field.data_type() == data_type {
        true => Arc::clone(field),
        false => Arc::new(Field::clone(field).with_data_type(data_type.clone())),
    };
    let fields: Vec<FieldRef> = schema.fields().iter().zip(types).map(field).collect();
    Arc::new(Schema::new_with_metadata(fields, schema.metadata().clone()))
}

fn column(array: &ArrayRef, field: &Field) -> Result<ArrayRef> {
    let (is, wanted) = (array.data_type(), field.data_type());
    match is {
        _ if is == wanted => Ok(Arc::clone(array)),
        DataType::Dictionary(_, values) if **values == *wanted => Ok(Arc::clone(array)),
        DataType::Dictionary(keys, values) if is_same_family(values, wanted) => {
            Ok(cast(array, &DataType::Dictionary(keys.clone(), Box::new(wanted.clone())))?)
        }
        _ if is_same_family(is, wanted) => Ok(cast(array, wanted)?),
        _ => match wanted {
            DataType::Dictionary(_, values) if **values == *is => Ok(cast(array, wanted)?),
            _ => {
                let message = format!("column {} of a stream is {is}, not {wanted}", field.name());
                Err(Error::internal(message))
            }
        },
    }
}

/// Texts, or binary values, in different clothes.
fn is_same_family(one: &DataType, other: &DataType) -> bool {
    let is_text = |it: &DataType| matches!(it, DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View);
    let is_binary =
        |it: &DataType| matches!(it, DataType::Binary | DataType::LargeBinary | DataType::BinaryView);
    (is_text(one) && is_text(other)) || (is_binary(one) && is_binary(other))
}
