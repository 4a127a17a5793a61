//! A user's table function: rows in, for each any number of rows out.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef};
use arrow::buffer::NullBuffer;
use nyala_pipeline::guest::{GuestRows, TableGuest};
use nyala_pipeline::pipeline::TableFunction;
use nyala_schema::{Error, Result};

use crate::column::dictionary::unpack;
use crate::column::{Chunk, Column, Indices};
use crate::guest::given::checked;
use crate::run::Query;
use crate::step::{StepContext, StepWorker};

pub(crate) struct TableFunctionStep {
    call: TableFunction,
    query: Arc<Query>,
    guest: Box<dyn TableGuest>,
    /// The rows that the function works on.
    chunk: Option<Chunk>,
    /// What it gave, as far as it has not been passed on, and where that begins.
    given: Option<(GuestRows, usize)>,
}

impl TableFunctionStep {
    /// # Errors
    /// Those of finding the function.
    pub(crate) fn new(call: &TableFunction, context: &StepContext<'_>) -> Result<Self> {
        let guest = context.query.guests(&call.function.code)?.table(&call.function)?;
        Ok(Self { call: call.clone(), query: context.query.clone(), guest, chunk: None, given: None })
    }

    /// A batch of what was given.
    fn pass_on(&mut self) -> Result<Option<Chunk>> {
        let Some(chunk) = &self.chunk else {
            return Err(Error::internal("rows of a function without input"));
        };
        let Some((given, offset)) = &mut self.given else { return Ok(None) };
        let rows = self.query.options.batch_rows.max(1).min(given.rows - *offset);
        let sources = given.sources.as_deref().unwrap_or_default();
        let positions = Indices::any_order(sources[*offset..*offset + rows].to_vec());
        let mut columns = chunk.pick_rows(&self.call.kept, &positions)?;
        for &index in &self.call.columns {
            columns.push(Column::new(given.columns[index].slice(*offset, rows)));
        }
        *offset += rows;
        if *offset >= given.rows {
            self.given = None;
        }
        Ok(Some(Chunk::new(rows, columns)))
    }
}

impl StepWorker for TableFunctionStep {
    fn push(&mut self, mut chunk: Chunk) -> Result<()> {
        self.chunk = None;
        let mut arguments = chunk.materialise_all(&self.call.arguments)?;
        if self.call.function.strict
            && let Some(valid) = all_valid(&arguments)
        {
            let rows = valid.valid_indices().map(|row| row as u32).collect();
            chunk = chunk.select(&Indices::ascending(rows))?;
            arguments = chunk.materialise_all(&self.call.arguments)?;
        }
        if chunk.rows == 0 {
            return Ok(());
        }
        let arguments = arguments.iter().map(unpack).collect::<Result<Vec<ArrayRef>>>()?;
        self.guest.push(&arguments, chunk.rows)?;
        self.chunk = Some(chunk);
        Ok(())
    }

    fn next(&mut self) -> Result<Option<Chunk>> {
        let Some(chunk) = &self.chunk else { return Ok(None) };
        if self.given.is_none() {
            let Some(given) = self.guest.pull()? else {
                self.chunk = None;
                return Ok(None);
            };
            let code = &self.call.function.code;
            self.given = Some((checked(code, given, &self.call.types, Some(chunk.rows))?, 0));
        }
        self.pass_on()
    }
}

/// Where no argument is NULL; `None` when that is everywhere.
fn all_valid(arguments: &[ArrayRef]) -> Option<NullBuffer> {
    let valid = arguments
        .iter()
        .fold(None, |valid, column| NullBuffer::union(valid.as_ref(), column.logical_nulls().as_ref()));
    valid.filter(|valid| valid.null_count() > 0)
}
