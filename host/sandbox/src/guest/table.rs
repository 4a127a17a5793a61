//! Table functions: rows of arguments in, any number of rows for each out.

use std::collections::VecDeque;
use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray};
use arrow::datatypes::{DataType, UInt32Type};
use nyala_guest_abi as abi;
use nyala_pipeline::guest::{GuestRows, TableGuest};
use nyala_schema::guest::GuestFunction;
use nyala_schema::{Error, Result};
use wasmtime::TypedFunc;

use super::{Single, Source, exact, without_nulls};
use crate::instance::{Instance, RowOrigin};

#[derive(Clone)]
struct Functions {
    push: TypedFunc<u32, u32>,
    pull: TypedFunc<(), u32>,
}

struct Names {
    push: String,
    pull: String,
}

/// Rows that are handed over in one call.
struct Piece {
    columns: Vec<ArrayRef>,
    rows: usize,
    origin: RowOrigin,
    /// Bytes for them in the guest's memory.
    room: usize,
}

pub(crate) struct Table {
    function: Arc<GuestFunction>,
    names: Names,
    /// Of what is pulled: row numbers, then the declared columns.
    types: Vec<DataType>,
    single: Single<Functions>,
    waiting: VecDeque<Piece>,
    /// The rows that the guest has now, as many as they are.
    current: Option<(RowOrigin, usize)>,
}

impl Table {
    pub(crate) fn new(function: Arc<GuestFunction>, source: Source) -> Result<Self> {
        let DataType::Struct(fields) = &function.returns else {
            return Err(Error::internal(format!("table function {function} returns no columns")));
        };
        let types = fields.iter().map(|field| nyala_pipeline::exact_type(field.data_type()));
        let types = std::iter::once(DataType::UInt32).chain(types).collect();
        let name = |suffix: &str| format!("{}{}_{suffix}", abi::TABLE_PREFIX, function.code.export);
        let names = Names { push: name("push"), pull: name("pull") };
        Ok(Self {
            names,
            types,
            function,
            single: Single::new(source),
            waiting: VecDeque::new(),
            current: None,
        })
    }

    fn call<T>(
        &mut self,
        rows: usize,
        act: impl FnOnce(&mut Instance, &Functions, &Names) -> Result<T>,
    ) -> Result<T> {
        let names = &self.names;
        let open = |instance: &mut Instance| {
            Ok(Functions { push: instance.export(&names.push)?, pull: instance.export(&names.pull)? })
        };
        self.single.call(rows, open, |instance, functions| act(instance, functions, names))
    }

    fn hand_over(&mut self, piece: Piece) -> Result<()> {
        let Piece { columns, rows, origin, room } = piece;
        let begun = origin.clone();
        self.call(rows, |instance, functions, names| {
            instance.begin(begun);
            instance.reset()?;
            let placed = instance.place(&columns, rows, &[], room)?;
            instance.call_status(&names.push, &functions.push, placed.batch)
        })?;
        self.current = Some((origin, rows));
        Ok(())
    }

    fn pull_current(&mut self, origin: &RowOrigin, pushed: usize) -> Result<Option<GuestRows>> {
        let (types, begun) = (self.types.clone(), origin.clone());
        let origin = origin.clone();
        self.call(0, |instance, functions, names| {
            instance.begin(begun);
            let Some(pointer) = instance.call_optional(&names.pull, &functions.pull, ())? else {
                return Ok(None);
            };
            instance
                .read(&names.pull, |reader| {
                    let batch = reader.batch(pointer)?;
                    let mut columns = reader.columns(&batch, &types)?;
                    let numbers = columns.remove(0);
                    if numbers.null_count() > 0 {
                        return Err("the numbers of the rows have a NULL among them".to_owned());
                    }
                    let numbers = numbers.as_primitive::<UInt32Type>().values();
                    let mut before = 0;
                    let mut sources = Vec::with_capacity(numbers.len());
                    for number in numbers {
                        if *number < before || *number as usize >= pushed {
                            return Err(format!(
                                "row number {number} after {before}, with {pushed} rows pushed"
                            ));
                        }
                        before = *number;
                        let row = origin.row(*number).and_then(|row| u32::try_from(row).ok());
                        sources.push(row.ok_or_else(|| format!("row number {number} is too large"))?);
                    }
                    Ok(GuestRows { rows: batch.rows as usize, sources: Some(sources), columns })
                })
                .map(Some)
        })
    }

    fn wait(&mut self, columns: Vec<ArrayRef>, rows: usize, first: usize) -> Result<()> {
        let Some(room) = self.single.source.room(&columns, rows)? else {
            let half = rows / 2;
            for (start, length) in [(0, half), (half, rows - half)] {
                let piece = columns.iter().map(|column| column.slice(start, length)).collect();
                self.wait(piece, length, first + start)?;
            }
            return Ok(());
        };
        let first = first as u64;
        let kept = if self.function.strict { without_nulls(&columns)? } else { None };
        let piece = match kept {
            None => Piece { columns, rows, origin: RowOrigin { kept: None, first }, room },
            Some(kept) => {
                let rows = kept.rows.len();
                Piece {
                    columns: kept.columns,
                    rows,
                    origin: RowOrigin { kept: Some(kept.rows), first },
                    room,
                }
            }
        };
        if piece.rows > 0 {
            self.waiting.push_back(piece);
        }
        Ok(())
    }
}

impl TableGuest for Table {
    fn push(&mut self, arguments: &[ArrayRef], rows: usize) -> Result<()> {
        if self.current.is_some() || !self.waiting.is_empty() {
            return Err(Error::internal(format!(
                "table function {} was pushed before it was empty",
                self.function
            )));
        }
        let columns = exact(arguments, &self.function.arguments)?;
        self.wait(columns, rows, 0)
    }

    fn pull(&mut self) -> Result<Option<GuestRows>> {
        loop {
            let Some((origin, pushed)) = self.current.take() else {
                match self.waiting.pop_front() {
                    Some(piece) => self.hand_over(piece)?,
                    None => return Ok(None),
                }
                continue;
            };
            if let Some(rows) = self.pull_current(&origin, pushed)? {
                self.current = Some((origin, pushed));
                return Ok(Some(rows));
            }
        }
    }
}
