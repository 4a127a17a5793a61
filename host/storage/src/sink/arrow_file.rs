//! Writing Arrow IPC files.

use arrow::array::RecordBatch;
use arrow::datatypes::{Schema, SchemaRef};
use arrow::error::ArrowError;
use arrow::ipc::writer::FileWriter;
use nyala_schema::{Error, ErrorCode, Result};

use super::{AtomicFile, Sink, WriteSummary, fitted, plain_schema};

pub struct ArrowSink {
    writer: FileWriter<AtomicFile>,
    schema: SchemaRef,
    rows: u64,
    target: String,
}

impl ArrowSink {
    pub fn new(file: AtomicFile, schema: &Schema) -> Result<Self> {
        let schema = plain_schema(schema);
        let target = file.target().display().to_string();
        let writer = FileWriter::try_new(file, &schema).map_err(|error| write_error(&target, &error))?;
        Ok(Self { writer, schema, rows: 0, target })
    }
}

fn write_error(target: &str, error: &ArrowError) -> Error {
    Error::new(ErrorCode::FileAccess, format!("'{target}' cannot be written: {error}"))
}

impl Sink for ArrowSink {
    fn write(&mut self, batch: &RecordBatch) -> Result<()> {
        let batch = fitted(batch, &self.schema)?;
        self.rows += batch.num_rows() as u64;
        self.writer.write(&batch).map_err(|error| write_error(&self.target, &error))
    }

    fn finish(self: Box<Self>) -> Result<WriteSummary> {
        let target = self.target;
        let file = self.writer.into_inner().map_err(|error| write_error(&target, &error))?;
        Ok(WriteSummary { rows: self.rows, bytes: file.commit()? })
    }
}
