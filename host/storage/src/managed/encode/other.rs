//! Columns that the `parquet` crate encodes: nested ones, booleans, wide decimals, binary of one length.

use std::io;
use std::sync::Arc;

use arrow::array::ArrayRef;
use arrow::datatypes::Field;
use nyala_schema::{Error, Result};
use parquet::arrow::arrow_writer::{ArrowColumnChunk, ArrowRowGroupWriterFactory, compute_leaves};
use parquet::errors::ParquetError;
use parquet::file::writer::SerializedFileWriter;

use crate::managed::target::Target;

pub struct OtherColumns {
    factory: ArrowRowGroupWriterFactory,
    /// The first leaf of each column.
    leaves: Vec<usize>,
}

impl OtherColumns {
    /// # Errors
    /// Internal for columns that Parquet lacks.
    pub fn new(target: &Target) -> Result<Self> {
        let root = target.descriptor.root_schema_ptr();
        let unused =
            SerializedFileWriter::new(io::sink(), root, Arc::clone(&target.parquet)).map_err(failed)?;
        let factory = ArrowRowGroupWriterFactory::new(&unused, Arc::clone(&target.schema));
        let count = target.descriptor.num_columns();
        let first = |column| (0..count).find(|leaf| target.descriptor.get_column_root_idx(*leaf) == column);
        let leaves = (0..target.schema.fields().len()).map(|column| first(column).unwrap_or(count)).collect();
        Ok(Self { factory, leaves })
    }

    /// The leaves of a column that comes in pieces.
    ///
    /// # Errors
    /// Internal for what cannot be encoded.
    pub fn encode(&self, column: usize, field: &Field, pieces: &[ArrayRef]) -> Result<Vec<ArrowColumnChunk>> {
        let writers = self.factory.create_column_writers(0).map_err(failed)?;
        let end = self.leaves.get(column + 1).copied().unwrap_or(writers.len());
        let count = end - self.leaves[column];
        let mut writers: Vec<_> = writers.into_iter().skip(self.leaves[column]).take(count).collect();
        for piece in pieces {
            for (leaf, writer) in compute_leaves(field, piece).map_err(failed)?.iter().zip(&mut writers) {
                writer.write(leaf).map_err(failed)?;
            }
        }
        writers.into_iter().map(|writer| writer.close().map_err(failed)).collect()
    }
}

fn failed(error: ParquetError) -> Error {
    Error::internal(format!("a column cannot be encoded: {error}"))
}
