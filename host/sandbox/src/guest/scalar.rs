//! Scalar functions that are called once a batch.

use std::sync::{Arc, Mutex, PoisonError};

use arrow::array::{ArrayRef, new_empty_array, new_null_array};
use arrow::datatypes::DataType;
use nyala_guest_abi as abi;
use nyala_pipeline::guest::{ScalarGuest, Supervised};
use nyala_schema::guest::{GuestFunction, OnError};
use nyala_schema::{Error, ErrorCode, Result};
use wasmtime::TypedFunc;

use super::{Source, exact, with_nulls, without_nulls};
use crate::instance::{Instance, RowOrigin};

/// The functions of an instance.
type Eval = TypedFunc<u32, u32>;

pub(crate) struct Scalar {
    function: Arc<GuestFunction>,
    returns: DataType,
    export: String,
    source: Source,
    /// Instances that no thread uses just now. They serve one query only: the next one makes its own, since wasmtime
    /// can make a new instance in microseconds but cannot empty a used one.
    idle: Mutex<Vec<(Instance, Eval)>>,
}

impl Scalar {
    pub(crate) fn new(function: Arc<GuestFunction>, source: Source) -> Self {
        let export = format!("{}{}", abi::SCALAR_PREFIX, function.code.export);
        let returns = nyala_pipeline::exact_type(&function.returns);
        Self { function, returns, export, source, idle: Mutex::default() }
    }

    /// Values of some rows, in pieces; `first` is the first row's number in the batch.
    fn rows(
        &self,
        columns: &[ArrayRef],
        rows: usize,
        first: usize,
        values: &mut Vec<ArrayRef>,
    ) -> Result<()> {
        let Some(room) = self.source.room(columns, rows)? else {
            let half = rows / 2;
            for (start, length) in [(0, half), (half, rows - half)] {
                let piece: Vec<ArrayRef> = columns.iter().map(|column| column.slice(start, length)).collect();
                self.rows(&piece, length, first + start, values)?;
            }
            return Ok(());
        };
        let kept = if self.function.strict { without_nulls(columns)? } else { None };
        let Some(kept) = kept else {
            let origin = RowOrigin { kept: None, first: first as u64 };
            values.push(self.piece(columns, rows, origin, room)?);
            return Ok(());
        };
        let origin = RowOrigin { kept: Some(kept.rows.clone()), first: first as u64 };
        let dense = match kept.rows.len() {
            0 => new_empty_array(&self.returns),
            length => self.piece(&kept.columns, length, origin, room)?,
        };
        values.push(with_nulls(&dense, &kept.nulls)?);
        Ok(())
    }

    /// One call; on failure NULLs, where the function is declared so.
    fn piece(&self, columns: &[ArrayRef], rows: usize, origin: RowOrigin, room: usize) -> Result<ArrayRef> {
        let failed = match self.call_guest(columns, rows, origin, room) {
            Ok(values) => return Ok(values),
            Err(error) => error,
        };
        match (self.function.code.limits.on_error, failed.code()) {
            (OnError::Null, ErrorCode::GuestFailed | ErrorCode::GuestLimit) => {
                Ok(new_null_array(&self.returns, rows))
            }
            _ => Err(failed),
        }
    }

    fn call_guest(
        &self,
        columns: &[ArrayRef],
        rows: usize,
        origin: RowOrigin,
        room: usize,
    ) -> Result<ArrayRef> {
        let supervisor = Supervised::current();
        let idle = self.take_idle(|instance| instance.is_of(supervisor.as_ref()));
        self.source.noted(supervisor.as_ref(), rows, || {
            let (mut instance, eval) = match idle.map_or_else(|| self.open(), Ok) {
                Ok(live) => live,
                Err(error) => return (Err(error), 0),
            };
            let result = self.eval((&mut instance, &eval), columns, rows, origin, room);
            let memory_bytes = instance.memory_bytes();
            if result.is_ok() && supervisor.is_some() {
                self.idle.lock().unwrap_or_else(PoisonError::into_inner).push((instance, eval));
            }
            (result, memory_bytes)
        })
    }

    /// An idle instance that may be used; those that may not are dropped.
    fn take_idle(&self, may_be_used: impl Fn(&Instance) -> bool) -> Option<(Instance, Eval)> {
        let mut dropped = Vec::new();
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        while let Some(live) = idle.pop() {
            if may_be_used(&live.0) {
                return Some(live);
            }
            dropped.push(live);
        }
        None
    }

    fn open(&self) -> Result<(Instance, Eval)> {
        let mut instance = self.source.instance()?;
        let eval = instance.export(&self.export)?;
        Ok((instance, eval))
    }

    fn eval(
        &self,
        (instance, eval): (&mut Instance, &Eval),
        columns: &[ArrayRef],
        rows: usize,
        origin: RowOrigin,
        room: usize,
    ) -> Result<ArrayRef> {
        instance.begin(origin);
        instance.reset()?;
        let placed = instance.place(columns, rows, &[], room)?;
        let pointer = instance.call_pointer(&self.export, eval, placed.batch)?;
        instance.read_column(&self.export, pointer, &self.returns, rows)
    }
}

impl ScalarGuest for Scalar {
    fn call(&self, arguments: &[ArrayRef], rows: usize) -> Result<ArrayRef> {
        let columns = exact(arguments, &self.function.arguments)?;
        if columns.iter().any(|column| column.len() != rows) {
            return Err(Error::internal(format!("arguments of {} are not of {rows} rows", self.function)));
        }
        if rows == 0 {
            return Ok(new_empty_array(&self.returns));
        }
        let mut values = Vec::with_capacity(1);
        self.rows(&columns, rows, 0, &mut values)?;
        if values.len() == 1 {
            return Ok(values.swap_remove(0));
        }
        let pieces: Vec<&dyn arrow::array::Array> = values.iter().map(|piece| piece.as_ref()).collect();
        Ok(arrow::compute::concat(&pieces)?)
    }
}
