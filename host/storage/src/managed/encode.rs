//! The rows of one row group as columns of a Parquet file.

use std::io;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray};
use arrow::datatypes::{DataType, Field, Float32Type, Float64Type};
use nyala_schema::{Error, Result};
use parquet::arrow::arrow_writer::{
    ArrowColumnChunk, ArrowColumnWriter, ArrowRowGroupWriterFactory, compute_leaves,
};
use parquet::file::writer::SerializedFileWriter;

use super::open_file::EncodedGroup;
use super::run::GroupRows;
use super::tally::ColumnTally;
use super::target::Target;
use crate::parquet::statistics::chunk_bounds;
use crate::prune::Bounds;

/// Encodes row groups on one thread, and learns of their columns on the way.
pub struct GroupEncoder {
    target: Arc<Target>,
    factory: ArrowRowGroupWriterFactory,
    tallies: Vec<ColumnTally>,
}

impl GroupEncoder {
    /// # Errors
    /// Internal for columns that Parquet lacks.
    pub fn new(target: &Arc<Target>) -> Result<Self> {
        let root = target.descriptor.root_schema_ptr();
        let unused = SerializedFileWriter::new(io::sink(), root, Arc::clone(&target.parquet));
        let unused = unused.map_err(|error| Error::internal(format!("no Parquet file begins: {error}")))?;
        let factory = ArrowRowGroupWriterFactory::new(&unused, Arc::clone(&target.schema));
        let tallies = target.shape.columns.iter().map(|column| ColumnTally::new(column.id)).collect();
        Ok(Self { target: Arc::clone(target), factory, tallies })
    }

    /// # Errors
    /// Internal for what cannot be encoded.
    pub fn encode(&mut self, rows: &GroupRows) -> Result<EncodedGroup> {
        let writers = self.factory.create_column_writers(0);
        let writers = writers.map_err(|error| Error::internal(format!("no row group begins: {error}")))?;
        let mut columns = Vec::with_capacity(writers.len());
        for (at, (writer, tally)) in writers.into_iter().zip(&mut self.tallies).enumerate() {
            let pieces = rows.column(at)?;
            pieces.iter().try_for_each(|piece| tally.add(piece))?;
            columns.push(encode_column(writer, self.target.schema.field(at), &pieces)?);
        }
        Ok(EncodedGroup { columns, rows: rows.rows() })
    }

    pub fn finish(self) -> Vec<ColumnTally> {
        self.tallies
    }
}

/// One column of one row group.
pub struct EncodedColumn {
    pub chunk: ArrowColumnChunk,
    pub bounds: Bounds,
}

/// Encodes a column that comes in pieces.
///
/// # Errors
/// Unsupported for types that Parquet lacks.
pub fn encode_column(
    mut writer: ArrowColumnWriter,
    field: &Field,
    pieces: &[ArrayRef],
) -> Result<EncodedColumn> {
    let failed = |error| Error::internal(format!("column \"{}\" cannot be encoded: {error}", field.name()));
    let mut rows = 0;
    for piece in pieces {
        rows += piece.len() as u64;
        for leaf in compute_leaves(field, piece).map_err(failed)? {
            writer.write(&leaf).map_err(failed)?;
        }
    }
    let chunk = writer.close().map_err(failed)?;
    let mut bounds = chunk_bounds(&chunk.close().metadata, field.data_type(), rows);
    if pieces.iter().any(has_nan) {
        (bounds.min, bounds.max) = (None, None);
    }
    Ok(EncodedColumn { chunk, bounds })
}

fn has_nan(array: &ArrayRef) -> bool {
    match array.data_type() {
        DataType::Float32 => array.as_primitive::<Float32Type>().values().iter().any(|it| it.is_nan()),
        DataType::Float64 => array.as_primitive::<Float64Type>().values().iter().any(|it| it.is_nan()),
        _ => false,
    }
}
