//! The rows of one row group as columns of a Parquet file. Numbers and text are encoded here; what else there is, by the
//! `parquet` crate, which also writes the footer.

mod codes;
mod compress;
mod header;
mod hybrid;
mod number;
mod other;
mod pages;
mod text;

use std::io;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, BooleanBufferBuilder};
use arrow::datatypes::{DataType, Float32Type, Float64Type};
use bytes::Bytes;
use nyala_schema::Result;
use parquet::arrow::arrow_writer::ArrowColumnChunk;
use parquet::basic::Type;
use parquet::column::writer::ColumnCloseResult;
use parquet::errors::ParquetError;
use parquet::file::statistics::Statistics;
use parquet::file::writer::SerializedRowGroupWriter;
use parquet::schema::types::ColumnDescPtr;

use self::codes::Codes;
use self::compress::Compressor;
use self::number::{gather, gather_i32, gather_i64, put_numbers};
use self::other::OtherColumns;
use self::pages::{ChunkWriter, Rows};
use self::text::{Texts, put_texts};
use super::open_file::EncodedGroup;
use super::run::GroupRows;
use super::tally::ColumnTally;
use super::target::Target;
use crate::parquet::statistics::chunk_bounds;
use crate::prune::Bounds;

/// One column of one row group.
pub struct EncodedColumn {
    chunks: Vec<Chunk>,
    pub bounds: Bounds,
}

enum Chunk {
    Pages(Bytes, Box<ColumnCloseResult>),
    Crate(Box<ArrowColumnChunk>),
}

impl EncodedColumn {
    pub fn bytes(&self) -> u64 {
        let of_chunk = |chunk: &Chunk| match chunk {
            Chunk::Pages(_, close) => close.bytes_written,
            Chunk::Crate(chunk) => chunk.close().bytes_written,
        };
        self.chunks.iter().map(of_chunk).sum()
    }

    /// # Errors
    /// Those of the file.
    pub fn append_to<W: io::Write + Send>(
        self,
        group: &mut SerializedRowGroupWriter<'_, W>,
    ) -> Result<(), ParquetError> {
        self.chunks.into_iter().try_for_each(|chunk| match chunk {
            Chunk::Pages(bytes, close) => group.append_column(&bytes, *close),
            Chunk::Crate(chunk) => chunk.append_to_row_group(group),
        })
    }
}

/// Encodes row groups on one thread, and learns of their columns on the way.
pub struct GroupEncoder {
    target: Arc<Target>,
    others: OtherColumns,
    tallies: Vec<ColumnTally>,
    compressor: Compressor,
    codes: Codes,
}

impl GroupEncoder {
    /// # Errors
    /// Internal for columns that Parquet lacks.
    pub fn new(target: &Arc<Target>) -> Result<Self> {
        let tallies = target.shape.columns.iter().map(|column| ColumnTally::new(column.id)).collect();
        Ok(Self {
            target: Arc::clone(target),
            others: OtherColumns::new(target)?,
            tallies,
            compressor: Compressor::default(),
            codes: Codes::default(),
        })
    }

    /// # Errors
    /// Internal for what cannot be encoded.
    pub fn encode(&mut self, rows: &GroupRows) -> Result<EncodedGroup> {
        let mut columns = Vec::with_capacity(self.tallies.len());
        for at in 0..self.tallies.len() {
            let pieces = rows.column(at)?;
            columns.push(self.encode_column(at, &pieces, rows.rows())?);
        }
        Ok(EncodedGroup { columns, rows: rows.rows() })
    }

    pub fn finish(self) -> Vec<ColumnTally> {
        self.tallies
    }

    fn encode_column(&mut self, at: usize, pieces: &[ArrayRef], rows: usize) -> Result<EncodedColumn> {
        let target = Arc::clone(&self.target);
        let field = target.schema.field(at);
        let descriptor = target.leaf(at).filter(|_| !field.data_type().is_nested());
        let own = descriptor.map(|descriptor| self.encode_own(at, &descriptor, pieces, rows)).transpose()?;
        let (chunks, mut bounds) = match own.flatten() {
            Some((bytes, close)) => {
                let bounds = chunk_bounds(&close.metadata, field.data_type(), rows as u64);
                (vec![Chunk::Pages(bytes, Box::new(close))], bounds)
            }
            None => {
                let tally = &mut self.tallies[at];
                pieces.iter().try_for_each(|piece| tally.add(piece))?;
                let chunks = self.others.encode(at, field, pieces)?;
                let bounds = match chunks.as_slice() {
                    [only] if !field.data_type().is_nested() => {
                        chunk_bounds(&only.close().metadata, field.data_type(), rows as u64)
                    }
                    _ => nested_bounds(pieces, rows),
                };
                (chunks.into_iter().map(|chunk| Chunk::Crate(Box::new(chunk))).collect(), bounds)
            }
        };
        if pieces.iter().any(has_nan) {
            (bounds.min, bounds.max) = (None, None);
        }
        Ok(EncodedColumn { chunks, bounds })
    }

    /// `None` for a type that is left to the crate.
    fn encode_own(
        &mut self,
        at: usize,
        descriptor: &ColumnDescPtr,
        pieces: &[ArrayRef],
        rows: usize,
    ) -> Result<Option<(Bytes, ColumnCloseResult)>> {
        let codecs = self.target.codecs();
        let (codes, tally) = (&mut self.codes, &mut self.tallies[at]);
        let rows = Rows { count: rows, valid: validity(pieces, rows) };
        let mut writer = ChunkWriter::new(descriptor, rows, codecs.others, &mut self.compressor);
        let mut text_bytes = None;
        let statistics: Statistics = match descriptor.physical_type() {
            Type::INT32 => {
                let mut values = Vec::with_capacity(writer.rows().count);
                if !pieces.iter().all(|piece| gather_i32(piece, &mut values)) {
                    return Ok(None);
                }
                put_numbers(&mut writer, &values, codes, tally)?
            }
            Type::INT64 => {
                let mut values = Vec::with_capacity(writer.rows().count);
                if !pieces.iter().all(|piece| gather_i64(piece, &mut values)) {
                    return Ok(None);
                }
                put_numbers(&mut writer, &values, codes, tally)?
            }
            Type::FLOAT => {
                let mut values = Vec::with_capacity(writer.rows().count);
                pieces
                    .iter()
                    .for_each(|piece| gather(piece.as_primitive::<Float32Type>(), &mut values, |it| it));
                put_numbers(&mut writer, &values, codes, tally)?
            }
            Type::DOUBLE => {
                let mut values = Vec::with_capacity(writer.rows().count);
                pieces
                    .iter()
                    .for_each(|piece| gather(piece.as_primitive::<Float64Type>(), &mut values, |it| it));
                put_numbers(&mut writer, &values, codes, tally)?
            }
            Type::BYTE_ARRAY => {
                let Some(texts) = pieces.iter().map(Texts::of).collect::<Option<Vec<_>>>() else {
                    return Ok(None);
                };
                let (statistics, bytes) = put_texts(&mut writer, &texts, codes, tally, codecs)?;
                text_bytes = Some(bytes);
                statistics
            }
            Type::BOOLEAN | Type::INT96 | Type::FIXED_LEN_BYTE_ARRAY => return Ok(None),
        };
        writer.finish(statistics, text_bytes).map(Some)
    }
}

/// Which rows have values; `None` when all have.
fn validity(pieces: &[ArrayRef], rows: usize) -> Option<arrow::buffer::BooleanBuffer> {
    if pieces.iter().all(|piece| piece.logical_null_count() == 0) {
        return None;
    }
    let mut valid = BooleanBufferBuilder::new(rows);
    for piece in pieces {
        match piece.logical_nulls() {
            Some(nulls) => valid.append_buffer(nulls.inner()),
            None => valid.append_n(piece.len(), true),
        }
    }
    Some(valid.finish())
}

fn nested_bounds(pieces: &[ArrayRef], rows: usize) -> Bounds {
    let nulls = pieces.iter().map(|piece| piece.logical_null_count() as u64).sum();
    Bounds { nulls: Some(nulls), rows: rows as u64, ..Bounds::default() }
}

fn has_nan(array: &ArrayRef) -> bool {
    match array.data_type() {
        DataType::Float32 => array.as_primitive::<Float32Type>().values().iter().any(|it| it.is_nan()),
        DataType::Float64 => array.as_primitive::<Float64Type>().values().iter().any(|it| it.is_nan()),
        _ => false,
    }
}
