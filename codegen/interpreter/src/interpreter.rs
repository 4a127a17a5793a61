//! The interpreter as a backend.

use std::fmt::Write;
use std::sync::Arc;

use arrow::array::ArrayRef;
use datafusion_common::config::ConfigOptions;
use nyala_pipeline::program::{Program, Statement};
use nyala_pipeline::{Backend, Call, Executable, Guests, Outcome};
use nyala_schema::{Error, Result};

use crate::evaluate::run_block;
use crate::frame::{Frame, Run};
use crate::prepare::{Prepared, prepare, slot};
use crate::update;

/// Runs any program at once, a kernel a statement.
#[derive(Clone, Default)]
pub struct Interpreter {
    config: Arc<ConfigOptions>,
    guests: Option<Arc<dyn Guests>>,
}

impl Interpreter {
    /// Without uploaded code: calls of it are refused.
    pub fn new() -> Self {
        Self::default()
    }

    /// Runs calls of uploaded code by `guests`.
    pub fn with_guests(guests: Arc<dyn Guests>) -> Self {
        Self { guests: Some(guests), ..Self::default() }
    }

    /// Date and time functions work in this zone (`Europe/Berlin`, `+02:00`); without it in UTC.
    pub fn with_time_zone(zone: &str) -> Self {
        let mut config = ConfigOptions::default();
        config.execution.time_zone = Some(zone.to_owned());
        Self { config: Arc::new(config), ..Self::default() }
    }
}

impl Backend for Interpreter {
    fn name(&self) -> &'static str {
        "interpreter"
    }

    /// # Errors
    /// UndefinedFunction, Unsupported for state types and uploaded code without a sandbox; those of finding uploaded code; internal for malformed programs.
    fn compile(&self, program: &Arc<Program>) -> Result<Arc<dyn Executable>> {
        update::check(&program.updates)?;
        let prepared = prepare(program, &self.config, self.guests.as_ref())?;
        Ok(Arc::new(Interpreted { prepared, program: program.clone() }))
    }
}

#[derive(Debug)]
struct Interpreted {
    prepared: Prepared,
    program: Arc<Program>,
}

impl Executable for Interpreted {
    fn run(&self, call: Call<'_>) -> Result<Outcome> {
        let prepared = &self.prepared;
        if call.inputs.len() != prepared.inputs.len() || call.parameters.len() != prepared.parameters.len() {
            return Err(Error::internal(
                "a program was called with the wrong number of inputs or parameters",
            ));
        }
        let run = Run { prepared, inputs: call.inputs, parameters: call.parameters };
        let mut frame = Frame::new(call.rows, call.selection, prepared.slots);
        run_block(&prepared.body, &mut frame, &run)?;
        let mut columns: Vec<ArrayRef> = Vec::with_capacity(prepared.outputs.len());
        for &output in &prepared.outputs {
            columns.push(frame.get(output, &run)?.into_column(frame.rows)?);
        }
        if let Some(mut states) = call.states {
            if prepared.filters && states.groups.is_some() {
                return Err(Error::internal("a program that filters was called with groups"));
            }
            for change in &prepared.updates {
                let value = change.value.map(|id| frame.get(slot(id), &run)).transpose()?;
                let mask = change.mask.map(|id| frame.get(slot(id), &run)).transpose()?;
                update::apply(change, value, mask.as_ref(), frame.rows, &mut states)?;
            }
        }
        let selection = prepared.filters.then(|| frame.into_selection());
        Ok(Outcome { columns, selection })
    }

    /// The program's statements, a line each.
    fn listing(&self) -> String {
        let mut text = String::new();
        for statement in &self.program.body.statements {
            // Writing to a string does not fail.
            let _ = match statement {
                Statement::Let { id, op, ty } => writeln!(text, "v{} = {op:?} : {}", id.0, ty.data_type),
                Statement::Filter(id) => writeln!(text, "filter v{}", id.0),
            };
        }
        text
    }
}
