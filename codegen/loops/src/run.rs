//! One run of a compiled program over a batch.

use std::borrow::Cow;
use std::ffi::c_void;
use std::sync::atomic::Ordering;

use arrow::array::{Array, ArrayRef, UInt32Array, new_empty_array};
use arrow::compute::take;
use arrow::datatypes::DataType;
use nyala_pipeline::backend::States;
use nyala_pipeline::program::StateOp;
use nyala_pipeline::{Call, Executable, Outcome};
use nyala_schema::{Error, ErrorCode, Result};

use crate::column::{Column, Output};
use crate::executable::{ExecutableStage, LoopExecutable, StageLoops};
use crate::flags::Variant;
use crate::frame::{ColumnSlot, Frame, OutputSlot, STATUS_BAD_INDEX, STATUS_FAILED, STATUS_SUM_OVERFLOW};
use crate::intrinsic;
use crate::lane::Lane;
use crate::plan::{FallbackStage, OutputSource};
use crate::reads::Source;

/// The rows left and the columns made so far.
pub struct Run<'a> {
    executable: &'a LoopExecutable,
    call: Call<'a>,
    parameters: Vec<u128>,
    /// `None`: all rows.
    selection: Option<Cow<'a, [u32]>>,
    /// By carried column, dense over the rows left.
    carried: Vec<Option<ArrayRef>>,
    /// Of the last loop stage.
    outputs: Vec<ArrayRef>,
    /// Some aggregate state was changed.
    changed: bool,
}

/// Why a stage did not finish.
enum Stop {
    Error(Error),
    /// Some operation failed in compiled code, and maybe a sum too.
    Failed {
        sum_overflow: bool,
    },
    /// A user's function failed; which row it was, the interpreter tells.
    Guest(Error),
    /// A variant cannot be compiled.
    NotCompiled,
}

impl From<Error> for Stop {
    fn from(error: Error) -> Self {
        Stop::Error(error)
    }
}

impl<'a> Run<'a> {
    /// # Errors
    /// Internal: the call does not fit the program.
    pub fn new(executable: &'a LoopExecutable, call: Call<'a>) -> Result<Self> {
        let parameters = executable.layout.fill(&executable.program, call.parameters)?;
        check_call(executable, &call)?;
        let selection = call.selection.map(Cow::Borrowed);
        let carried = vec![None; executable.carried.len()];
        Ok(Self { executable, call, parameters, selection, carried, outputs: Vec::new(), changed: false })
    }

    pub fn run(mut self) -> Result<Outcome> {
        for stage in &self.executable.stages {
            let done = match stage {
                ExecutableStage::Loop(loops) => self.loops(loops),
                ExecutableStage::Fallback { stage, executable, .. } => {
                    self.fallback(stage, executable.as_ref()).map_err(Stop::Error)
                }
            };
            match done {
                Ok(()) => {}
                Err(Stop::Error(error)) => return Err(error),
                Err(Stop::Failed { sum_overflow }) => return self.repeat(sum_overflow),
                Err(Stop::Guest(error)) => return self.repeat_call(error),
                Err(Stop::NotCompiled) => return self.executable.whole()?.run(self.call),
            }
        }
        self.outcome()
    }

    /// Rows left.
    fn count(&self) -> usize {
        self.selection.as_ref().map_or(self.call.rows, |selection| selection.len())
    }

    /// The interpreter's word on a batch that failed.
    fn repeat(self, sum_overflow: bool) -> Result<Outcome> {
        let updates = !self.executable.program.updates.is_empty();
        let outcome = self.executable.whole()?.run(self.call)?;
        if sum_overflow {
            return Err(sum_overflow_error());
        }
        self.executable.counters.disagreements.fetch_add(1, Ordering::Relaxed);
        if updates {
            return Err(Error::internal("compiled code met an error that the interpreter does not see"));
        }
        Ok(outcome)
    }

    /// The interpreter's word on a batch in which a user's function failed with `error`.
    fn repeat_call(self, error: Error) -> Result<Outcome> {
        let updates = !self.executable.program.updates.is_empty();
        let Ok(whole) = self.executable.whole() else { return Err(error) };
        let outcome = whole.run(self.call)?;
        if updates { Err(error) } else { Ok(outcome) }
    }

    fn outcome(self) -> Result<Outcome> {
        let passed = |source: &OutputSource| matches!(source, OutputSource::Column(_));
        let indices = match &self.selection {
            Some(rows) if self.executable.outputs.iter().any(passed) => {
                Some(UInt32Array::from(rows.to_vec()))
            }
            _ => None,
        };
        let mut columns = Vec::with_capacity(self.executable.outputs.len());
        for source in &self.executable.outputs {
            columns.push(match source {
                OutputSource::Column(index) => {
                    let column = &self.call.inputs[*index as usize];
                    match &indices {
                        Some(indices) => take(column, indices, None)?,
                        None => column.clone(),
                    }
                }
                OutputSource::Loop(index) => self.outputs[*index].clone(),
                OutputSource::Carried(slot) => carried(&self.carried, *slot)?.clone(),
            });
        }
        let selection = if self.executable.filters { self.selection } else { None };
        Ok(Outcome { columns, selection: selection.map(Cow::into_owned) })
    }

    /// Runs a part in the interpreter.
    fn fallback(&mut self, stage: &FallbackStage, executable: &dyn Executable) -> Result<()> {
        let updates = !stage.updates.is_empty();
        if self.count() == 0 {
            for (_, slot) in &stage.outputs {
                let data_type = &self.executable.carried[*slot].data_type;
                self.carried[*slot] = Some(new_empty_array(data_type));
            }
            if !stage.filters.is_empty() {
                self.selection = Some(Cow::Owned(Vec::new()));
            }
            return Ok(());
        }
        self.changed |= updates;
        let states = match (&mut self.call.states, updates) {
            (Some(states), true) => {
                Some(States { groups: states.groups, records: &mut *states.records, stride: states.stride })
            }
            _ => None,
        };
        let outcome = executable.run(Call {
            rows: self.call.rows,
            inputs: self.call.inputs,
            parameters: self.call.parameters,
            selection: self.selection.as_deref(),
            states,
        })?;
        if !stage.filters.is_empty() {
            let left = outcome.selection;
            let left = left.ok_or_else(|| Error::internal("a filter gave no selection"))?;
            self.narrow(left)?;
        }
        for ((_, slot), column) in stage.outputs.iter().zip(outcome.columns) {
            self.carried[*slot] = Some(column);
        }
        Ok(())
    }

    /// Goes on with fewer rows; `left` is a part of the rows left so far.
    fn narrow(&mut self, left: Vec<u32>) -> Result<()> {
        if self.carried.iter().any(Option::is_some) && left.len() < self.count() {
            let positions = UInt32Array::from(match &self.selection {
                Some(before) => positions(before, &left),
                None => left.clone(),
            });
            for column in self.carried.iter_mut().flatten() {
                *column = take(column, &positions, None)?;
            }
        }
        self.selection = Some(Cow::Owned(left));
        Ok(())
    }

    /// Runs a loop.
    fn loops(&mut self, loops: &StageLoops) -> Result<(), Stop> {
        let count = self.count();
        let mut frame = self.frame(count);
        let sources = &loops.reads.columns;
        let arrays = sources.iter().map(|source| self.column(*source)).collect::<Result<Vec<_>>>()?;
        let columns: Vec<Column<'_>> = arrays.into_iter().map(Column::new).collect();
        let slots = columns.iter().map(Column::slot).collect::<Result<Vec<ColumnSlot>>>()?;
        let states = if loops.stage.updates.is_empty() { None } else { self.call.states.as_ref() };
        let variant = Variant {
            selected: self.selection.is_some(),
            grouped: states.is_some_and(|states| states.groups.is_some()),
            nulls: columns.iter().any(Column::has_nulls),
        };
        let flagged = |index: usize| loops.outputs[index].nullable[usize::from(variant.nulls)];
        let mut outputs = Vec::with_capacity(loops.outputs.len());
        for (index, output) in loops.outputs.iter().enumerate() {
            outputs.push(Output::new(&output.data_type, flagged(index), count)?);
        }
        let output_slots: Vec<OutputSlot> = outputs.iter_mut().map(Output::slot).collect();
        let mut survivors: Vec<u32> = Vec::with_capacity(if loops.stage.filters() { count } else { 0 });
        let code = match self.executable.variant(loops, variant) {
            Err(error) if error.code() == ErrorCode::Unsupported && !self.changed => {
                return Err(Stop::NotCompiled);
            }
            code => code?,
        };

        frame.columns = slots.as_ptr();
        frame.outputs = output_slots.as_ptr();
        frame.survivors = survivors.as_mut_ptr();
        // SAFETY: every pointer of the frame leads to memory of the length that its field asks for: columns are
        // as long as `check_call` saw (carried ones as the rows left, which `frame` sees to) and kept alive by
        // `columns`; outputs and survivors have room for `count` entries and are ours alone; records were
        // checked against the offsets of the updates, and are borrowed mutably by the call. Row and group
        // numbers are checked by the code itself.
        let status = unsafe { code.run(&mut frame) };
        let status = status.map_err(|error| match error.code() {
            ErrorCode::GuestFailed => Stop::Guest(error),
            _ => Stop::Error(error),
        })?;
        if status & STATUS_BAD_INDEX != 0 {
            return Err(Error::internal("a row or group number is out of range").into());
        }
        let sum_overflow = status & STATUS_SUM_OVERFLOW != 0;
        if status & STATUS_FAILED != 0 {
            return Err(Stop::Failed { sum_overflow });
        }
        if sum_overflow {
            return Err(sum_overflow_error().into());
        }
        let left = if loops.stage.filters() { frame.survivor_count as usize } else { count };
        let mut finished = Vec::with_capacity(outputs.len());
        for (index, output) in outputs.into_iter().enumerate() {
            // SAFETY: the loop has written an entry for each row left, and validity bytes in the variants whose
            // values may be NULL, which `flagged` is computed by as well.
            finished.push(unsafe { output.finish(left, flagged(index)) }?);
        }
        drop(columns);
        self.outputs = finished;
        if loops.stage.filters() {
            assert!(left <= survivors.capacity(), "a loop wrote behind its survivors");
            // SAFETY: the loop has written this many row numbers.
            unsafe { survivors.set_len(left) };
            self.narrow(survivors)?;
        }
        Ok(())
    }

    fn column(&self, source: Source) -> Result<&ArrayRef> {
        match source {
            Source::Input(index) => {
                let input = self.call.inputs.get(index as usize);
                input.ok_or_else(|| Error::internal("an input column is missing"))
            }
            Source::Carried(slot) => {
                let column = carried(&self.carried, slot)?;
                let expected = &self.executable.carried[slot].data_type;
                if column.len() != self.count() || !same_type(column.data_type(), expected) {
                    return Err(Error::internal("the interpreter gave a column of another type or length"));
                }
                Ok(column)
            }
        }
    }

    /// A frame for `count` rows, without columns.
    fn frame(&mut self, count: usize) -> Frame {
        let selection = self.selection.as_ref().map_or(std::ptr::null(), |rows| rows.as_ptr());
        let mut frame = Frame {
            count: count as u64,
            rows: self.call.rows as u64,
            selection,
            groups: std::ptr::null(),
            group_count: 0,
            records: std::ptr::null_mut(),
            stride: 0,
            parameters: self.parameters.as_ptr().cast(),
            columns: std::ptr::null(),
            outputs: std::ptr::null(),
            survivors: std::ptr::null_mut(),
            survivor_count: 0,
            multiply_wide: intrinsic::multiply_wide as *const c_void,
        };
        if let Some(states) = &mut self.call.states {
            frame.groups = states.groups.map_or(std::ptr::null(), |groups| groups.as_ptr());
            frame.group_count = states.records.len().checked_div(states.stride).unwrap_or(0) as u64;
            frame.records = states.records.as_mut_ptr();
            frame.stride = states.stride as u64;
        }
        frame
    }
}

fn sum_overflow_error() -> Error {
    Error::new(ErrorCode::NumericOverflow, "a sum of decimals does not fit 38 digits")
        .with_hint("cast the values to DOUBLE before summing")
}

fn carried(columns: &[Option<ArrayRef>], slot: usize) -> Result<&ArrayRef> {
    let column = columns.get(slot).and_then(Option::as_ref);
    column.ok_or_else(|| Error::internal("a carried column was not computed"))
}

/// Text may come as a dictionary; nothing else may differ.
fn same_type(given: &DataType, expected: &DataType) -> bool {
    match given {
        DataType::Dictionary(_, values) => Lane::of(expected).is_none() && values.as_ref() == expected,
        _ => given == expected,
    }
}

/// Where the entries of `part` stand in `whole`; both ascend.
fn positions(whole: &[u32], part: &[u32]) -> Vec<u32> {
    let mut positions = Vec::with_capacity(part.len());
    let mut wanted = part.iter();
    let mut next = wanted.next();
    for (position, row) in whole.iter().enumerate() {
        if next == Some(row) {
            positions.push(position as u32);
            next = wanted.next();
        }
    }
    positions
}

/// What compiled code relies on.
fn check_call(executable: &LoopExecutable, call: &Call<'_>) -> Result<()> {
    let program = &executable.program;
    let fits = call.inputs.len() == program.inputs.len()
        && call
            .inputs
            .iter()
            .zip(&program.inputs)
            .all(|(array, ty)| array.len() == call.rows && same_type(array.data_type(), &ty.data_type));
    if !fits || u32::try_from(call.rows).is_err() {
        return Err(Error::internal("compiled code was called with other columns than it was made for"));
    }
    if program.updates.is_empty() {
        return Ok(());
    }
    let states = call.states.as_ref().ok_or_else(|| Error::internal("updates without states"))?;
    let count = call.selection.map_or(call.rows, <[u32]>::len);
    let records = states.records.len().checked_div(states.stride).unwrap_or(0);
    let groups_fit = match states.groups {
        Some(groups) => groups.len() == count && !executable.filters,
        None => records > 0,
    };
    let fields_fit = program.updates.iter().all(|update| {
        let width = match &update.op {
            StateOp::Count | StateOp::SumFloat => 8,
            StateOp::SumInteger => 16,
            StateOp::Min(ty) | StateOp::Max(ty) => Lane::of(ty).map_or(16, Lane::bytes),
        };
        (update.offset as usize).saturating_add(width) <= states.stride
    });
    if groups_fit && fields_fit {
        return Ok(());
    }
    Err(Error::internal("aggregate states do not fit the program"))
}
