//! Rows on their way into a table: those that break a constraint are refused, the others go to the storage.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, RecordBatch};
use arrow::datatypes::{Field, Schema};
use nyala_schema::managed::shape::TableColumn;
use nyala_schema::{Error, ErrorCode, Result, Value};
use nyala_storage::managed::{TableWriter, WriteOptions, Written};

use super::target::Target;
use crate::session::Session;

/// Fewer rows than this, and bytes, go into the catalog with the commit instead of into a file.
const INLINE_ROWS: usize = 1024;
const INLINE_BYTES: usize = 128 << 10;
/// Share of a statement's memory that its writer may use, the rest being its query's.
const WRITER_MEMORY_SHARE: u64 = 4;
/// Characters of one value that an error shows.
const SHOWN_CHARACTERS: usize = 60;

pub struct CheckedWriter {
    target: Target,
    writer: TableWriter,
    /// Rows of one batch after the other as the storage takes them.
    pub rows: u64,
}

impl CheckedWriter {
    /// Few rows stay in the catalog if they may.
    ///
    /// # Errors
    /// Those of the warehouse.
    pub fn new(session: &Session, target: &Target, may_inline: bool) -> Result<Self> {
        let table = target.table();
        let options = WriteOptions {
            threads: session.options.threads,
            memory_bytes: (session.options.memory_limit / WRITER_MEMORY_SHARE) as usize,
            inline_rows: if may_inline { INLINE_ROWS } else { 0 },
            inline_bytes: INLINE_BYTES,
        };
        let storage = &session.engine.storage;
        let writer =
            TableWriter::new(storage, table.id, Arc::clone(&table.shape), &table.properties, options)?;
        Ok(Self { target: target.clone(), writer, rows: 0 })
    }

    /// Takes the columns of the table in order, then one for each CHECK that is true where a row breaks it.
    ///
    /// # Errors
    /// `NotNullViolation` and `CheckViolation` with the row; those of writing.
    pub fn write(&mut self, columns: &[ArrayRef]) -> Result<()> {
        let shape = &self.target.table().shape;
        let (columns, checks) = columns.split_at_checked(shape.columns.len()).ok_or_else(|| {
            Error::internal(format!(
                "{} columns are written to a table of {}",
                columns.len(),
                shape.columns.len()
            ))
        })?;
        for (column, values) in shape.columns.iter().zip(columns) {
            if !column.nullable && values.logical_null_count() > 0 {
                return Err(self.null_in(column, values, columns));
            }
        }
        for (index, broken) in checks.iter().enumerate() {
            self.refuse_broken(index, broken, columns)?;
        }
        self.write_unchecked(columns)
    }

    /// As [`write`](Self::write), of rows that are known to hold every constraint.
    ///
    /// # Errors
    /// Those of writing.
    pub fn write_unchecked(&mut self, columns: &[ArrayRef]) -> Result<()> {
        let shape = &self.target.table().shape;
        let field = |(column, values): (&TableColumn, &ArrayRef)| {
            Field::new(&column.name, values.data_type().clone(), column.nullable)
        };
        let fields: Vec<Field> = shape.columns.iter().zip(columns).map(field).collect();
        let batch = RecordBatch::try_new(Arc::new(Schema::new(fields)), columns.to_vec())?;
        self.rows += batch.num_rows() as u64;
        self.writer.write(&batch)
    }

    /// # Errors
    /// Those of writing.
    pub fn finish(self) -> Result<Written> {
        self.writer.finish()
    }

    fn null_in(&self, column: &TableColumn, values: &ArrayRef, columns: &[ArrayRef]) -> Error {
        let nulls = values.logical_nulls();
        let row = nulls.and_then(|nulls| nulls.iter().position(|valid| !valid)).unwrap_or(0);
        Error::new(
            ErrorCode::NotNullViolation,
            format!(
                "NULL for column \"{}\" of table \"{}\", which is NOT NULL, in the row {}",
                column.name,
                self.target.name,
                row_text(columns, row)
            ),
        )
    }

    fn refuse_broken(&self, index: usize, broken: &ArrayRef, columns: &[ArrayRef]) -> Result<()> {
        let broken = broken
            .as_boolean_opt()
            .ok_or_else(|| Error::internal(format!("a check gives {}", broken.data_type())))?;
        let Some(row) = broken.iter().position(|broken| broken == Some(true)) else { return Ok(()) };
        let check = self.target.table().shape.checks.get(index);
        let check = check.ok_or_else(|| Error::internal(format!("there is no check {index}")))?;
        Err(Error::new(
            ErrorCode::CheckViolation,
            format!(
                "the row {} breaks the constraint \"{}\" of table \"{}\": CHECK ({})",
                row_text(columns, row),
                check.name,
                self.target.name,
                check.sql
            ),
        ))
    }
}

/// `(1, 'text', NULL)`, long values cut.
fn row_text(columns: &[ArrayRef], row: usize) -> String {
    let text = |column: &ArrayRef| {
        let text = Value::from_row(column, row).to_string();
        match text.char_indices().nth(SHOWN_CHARACTERS) {
            Some((end, _)) => format!("{}…", &text[..end]),
            None => text,
        }
    };
    let values: Vec<String> = columns.iter().map(text).collect();
    format!("({})", values.join(", "))
}
