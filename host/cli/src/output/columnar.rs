//! Parquet and Arrow IPC files.

use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use arrow::ipc::writer::FileWriter;
use nyala_node::storage::sink::{ParquetCompression, parquet_write_error, parquet_writer_options};
use nyala_node::{Error, Result};
use parquet::arrow::ArrowWriter;
use parquet::errors::ParquetError;

use super::Encoder;

/// An Arrow IPC file: also what reads streams can skip its first eight bytes.
pub struct ArrowEncoder {
    schema: SchemaRef,
    writer: FileWriter<Vec<u8>>,
}

impl ArrowEncoder {
    /// # Errors
    /// `Unsupported` for a type that the format lacks.
    pub fn new(schema: &SchemaRef) -> Result<Self> {
        let schema = portable_schema(schema);
        let writer = FileWriter::try_new(Vec::new(), &schema)?;
        Ok(Self { schema, writer })
    }
}

impl Encoder for ArrowEncoder {
    fn batch(&mut self, batch: &RecordBatch, out: &mut Vec<u8>) -> Result<()> {
        self.writer.write(&portable(batch, &self.schema)?)?;
        out.append(self.writer.get_mut());
        Ok(())
    }

    fn finish(&mut self, out: &mut Vec<u8>) -> Result<Vec<String>> {
        self.writer.finish()?;
        out.append(self.writer.get_mut());
        Ok(vec![])
    }
}

/// A Parquet file as COPY would write it, with ZSTD.
pub struct ParquetEncoder {
    schema: SchemaRef,
    /// Gone once it is finished.
    writer: Option<ArrowWriter<Vec<u8>>>,
}

impl ParquetEncoder {
    /// # Errors
    /// `Unsupported` for a type that the format lacks.
    pub fn new(schema: &SchemaRef) -> Result<Self> {
        let schema = portable_schema(schema);
        let options = parquet_writer_options(&schema, ParquetCompression::Zstd);
        let writer =
            ArrowWriter::try_new_with_options(Vec::new(), schema.clone(), options).map_err(failure)?;
        Ok(Self { schema, writer: Some(writer) })
    }
}

impl Encoder for ParquetEncoder {
    fn batch(&mut self, batch: &RecordBatch, out: &mut Vec<u8>) -> Result<()> {
        let Some(writer) = &mut self.writer else {
            return Err(Error::internal("the Parquet file is finished"));
        };
        writer.write(&portable(batch, &self.schema)?).map_err(failure)?;
        // Groups that are complete have been written into the vector.
        out.append(writer.inner_mut());
        Ok(())
    }

    fn finish(&mut self, out: &mut Vec<u8>) -> Result<Vec<String>> {
        let Some(writer) = self.writer.take() else { return Ok(vec![]) };
        out.append(&mut writer.into_inner().map_err(failure)?);
        Ok(vec![])
    }
}

fn failure(error: ParquetError) -> Error {
    parquet_write_error("a Parquet file", error)
}

/// The types that every reader of the formats knows: no views, no small decimals, no dictionaries.
fn portable_type(data_type: &DataType) -> DataType {
    match data_type {
        DataType::Utf8View => DataType::Utf8,
        DataType::BinaryView => DataType::Binary,
        DataType::Decimal32(precision, scale) | DataType::Decimal64(precision, scale) => {
            DataType::Decimal128(*precision, *scale)
        }
        DataType::Dictionary(_, value) => portable_type(value),
        DataType::List(field) => DataType::List(portable_field(field)),
        DataType::LargeList(field) => DataType::LargeList(portable_field(field)),
        DataType::Struct(fields) => DataType::Struct(fields.iter().map(portable_field).collect()),
        other => other.clone(),
    }
}

fn portable_field(field: &Arc<Field>) -> Arc<Field> {
    Arc::new(field.as_ref().clone().with_data_type(portable_type(field.data_type())))
}

fn portable_schema(schema: &Schema) -> SchemaRef {
    Arc::new(Schema::new(schema.fields().iter().map(portable_field).collect::<Vec<_>>()))
}

fn portable(batch: &RecordBatch, schema: &SchemaRef) -> Result<RecordBatch> {
    let columns: Vec<ArrayRef> = batch
        .columns()
        .iter()
        .zip(schema.fields())
        .map(|(array, field)| Ok(cast(array, field.data_type())?))
        .collect::<Result<_>>()?;
    Ok(RecordBatch::try_new(schema.clone(), columns)?)
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use arrow::ipc::reader::FileReader;
    use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;

    use super::*;
    use crate::output::{Format, Layout, samples};

    #[test]
    fn parquet_files_read_back() {
        let batch = samples::types().project(&[1, 3, 4, 5]).unwrap();
        let (bytes, _) =
            samples::encoded(Format::Parquet, &Layout::default(), &[batch.clone(), batch.clone()]);
        let reader =
            ParquetRecordBatchReaderBuilder::try_new(bytes::Bytes::from(bytes)).unwrap().build().unwrap();
        let read: Vec<RecordBatch> = reader.collect::<Result<_, _>>().unwrap();
        let rows: usize = read.iter().map(RecordBatch::num_rows).sum();
        assert_eq!(rows, 4);
        assert_eq!(read[0].slice(0, 2), batch);
    }

    #[test]
    fn arrow_files_read_back_with_portable_types() {
        let batch = samples::types();
        let views = cast(batch.column_by_name("text").unwrap(), &DataType::Utf8View).unwrap();
        let batch = RecordBatch::try_from_iter_with_nullable([
            ("text", views, true),
            ("dictionary", batch.column_by_name("dictionary").unwrap().clone(), true),
        ])
        .unwrap();
        let (bytes, _) = samples::encoded(Format::Arrow, &Layout::default(), &[batch.clone(), batch]);
        let read: Vec<RecordBatch> =
            FileReader::try_new(Cursor::new(bytes), None).unwrap().collect::<Result<_, _>>().unwrap();
        assert_eq!(read.len(), 2);
        assert!(read[0].schema().fields().iter().all(|field| *field.data_type() == DataType::Utf8));
        assert_eq!(read[1].column(1).len(), 2);
    }
}
