//! The batches of one piece of a JSON file.

use std::io::BufRead;
use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch};
use arrow::datatypes::{Field, Schema, SchemaRef};
use arrow::error::ArrowError;
use arrow::json::ReaderBuilder;
use arrow::json::reader::Decoder;
use nyala_schema::{Error, ErrorCode, Result};

use crate::file::FileHandle;
use crate::layout::{Constant, OutputColumn, conform};
use crate::scanner::MorselReader;

use super::input::{self, Input};
use super::json_array::ArrayStripper;

/// Rows that are parsed at a time, at most.
const BATCH_ROWS_MAX: usize = 16_384;

pub enum JsonColumn {
    Constant(Constant),
    Field(OutputColumn),
}

pub struct JsonReader {
    file: FileHandle,
    /// Bytes of the piece.
    start: u64,
    end: u64,
    stripper: Option<ArrayStripper>,
    columns: Vec<JsonColumn>,
    schema: SchemaRef,
    state: Option<(Decoder, Input)>,
    /// Bytes that were read and, of an array, stripped, but not parsed.
    pending: Vec<u8>,
    batch: Option<RecordBatch>,
    offset: usize,
    length: usize,
}

impl JsonReader {
    pub fn new(file: FileHandle, start: u64, end: u64, is_array: bool, columns: Vec<JsonColumn>) -> Self {
        let mut fields: Vec<Field> = Vec::new();
        for column in &columns {
            if let JsonColumn::Field(column) = column
                && fields.iter().all(|field| *field.name() != column.name)
            {
                fields.push(Field::new(&column.name, column.logical.clone(), column.nullable));
            }
        }
        Self {
            file,
            start,
            end,
            stripper: is_array.then(ArrayStripper::default),
            columns,
            schema: Arc::new(Schema::new(fields)),
            state: None,
            pending: Vec::new(),
            batch: None,
            offset: 0,
            length: 0,
        }
    }

    fn open(&self, rows_max: usize) -> Result<(Decoder, Input)> {
        let whole = self.start == 0 && self.end >= self.file.size();
        let input =
            if whole { input::open(&self.file)? } else { input::open_part(&self.file, self.start, self.end) };
        let decoder = decoder(&self.schema, rows_max.clamp(1, BATCH_ROWS_MAX))?;
        Ok((decoder, input))
    }

    fn parse(&mut self, rows_max: usize) -> Result<Option<RecordBatch>> {
        let (mut decoder, mut input) = match self.state.take() {
            Some(state) => state,
            None => self.open(rows_max)?,
        };
        loop {
            if self.pending.is_empty() {
                let buffer = input.fill_buf().map_err(|error| input::read_error(self.file.path(), &error))?;
                if buffer.is_empty() {
                    break;
                }
                self.pending.extend_from_slice(buffer);
                let length = self.pending.len();
                input.consume(length);
                if let Some(stripper) = &mut self.stripper {
                    stripper.strip(&mut self.pending);
                }
            }
            let used = decoder.decode(&self.pending).map_err(|error| self.located(&error))?;
            let full = used < self.pending.len();
            self.pending.drain(..used);
            if full {
                break;
            }
        }
        let batch = decoder.flush().map_err(|error| self.located(&error))?;
        self.state = Some((decoder, input));
        Ok(batch)
    }

    /// Finds the line of a file of one object a line that cannot be parsed, by parsing line after line.
    fn located(&self, error: &ArrowError) -> Error {
        let plain = error.to_string();
        let plain = plain.strip_prefix("Json error: ").unwrap_or(&plain);
        let path = self.file.path();
        let line = if self.stripper.is_some() { None } else { self.bad_line() };
        let message = match line {
            Some((line, message)) => {
                let message = message.strip_prefix("Json error: ").unwrap_or(&message).to_owned();
                format!("'{path}', line {line}: {message}")
            }
            None => format!("'{path}' cannot be read as JSON: {plain}"),
        };
        Error::new(ErrorCode::InvalidText, message)
            .with_hint("declare the column as TEXT to read values of several types")
    }

    fn bad_line(&self) -> Option<(u64, String)> {
        let mut input = if self.start == 0 && self.end >= self.file.size() {
            input::open(&self.file).ok()?
        } else {
            input::open_part(&self.file, self.start, self.end)
        };
        let mut number = input::lines_before(&self.file, self.start);
        let mut decoder = decoder(&self.schema, 1).ok()?;
        let mut line = Vec::new();
        loop {
            line.clear();
            if input.read_until(b'\n', &mut line).ok()? == 0 {
                return None;
            }
            number += 1;
            if let Err(error) = decoder.decode(&line).and_then(|_| decoder.flush()) {
                return Some((number, error.to_string()));
            }
        }
    }
}

fn decoder(schema: &SchemaRef, rows_max: usize) -> Result<Decoder> {
    let builder =
        ReaderBuilder::new(Arc::clone(schema)).with_batch_size(rows_max).with_coerce_primitive(true);
    Ok(builder.build_decoder()?)
}

impl MorselReader for JsonReader {
    fn next_batch(&mut self, rows_max: usize) -> Result<usize> {
        self.offset += self.length;
        if self.offset >= self.batch.as_ref().map_or(0, RecordBatch::num_rows) {
            self.offset = 0;
            self.batch = self.parse(rows_max)?;
        }
        let parsed = self.batch.as_ref().map_or(0, RecordBatch::num_rows);
        self.length = rows_max.min(parsed - self.offset);
        Ok(self.length)
    }

    fn column(&mut self, index: usize) -> Result<ArrayRef> {
        match self.columns.get(index) {
            Some(JsonColumn::Constant(constant)) => constant.repeat(self.length),
            Some(JsonColumn::Field(column)) => {
                let parsed = self
                    .batch
                    .as_ref()
                    .and_then(|batch| batch.column_by_name(&column.name))
                    .ok_or_else(|| Error::internal("a JSON column was not parsed"))?;
                conform(parsed.slice(self.offset, self.length), &column.physical)
            }
            None => Err(Error::internal(format!("a scan has no output column {index}"))),
        }
    }
}
