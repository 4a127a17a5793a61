//! `SET verify_backends = on`: what compiled code gives is compared with what the interpreter gives.

use std::sync::Arc;

use arrow::buffer::MutableBuffer;
use nyala_pipeline::backend::States;
use nyala_pipeline::{Call, Code, Executable, Outcome};
use nyala_schema::{Error, ErrorCode, Result};

use crate::code::difference::{columns, records, selections};

/// Runs both and gives what the compiled code gives. Aggregate states are interpreted on a copy.
///
/// # Errors
/// Those of the program; Internal when the two do not agree.
pub(crate) fn run(
    code: &Code,
    (backend, compiled): (&'static str, &dyn Executable),
    interpreted: &Arc<dyn Executable>,
    mut call: Call<'_>,
) -> Result<Outcome> {
    let mut states = call.states.take();
    let mut copy = states.as_ref().map(|states| aligned(states.records));
    let copied = states.as_ref().zip(copy.as_mut()).map(|(states, copy)| States {
        groups: states.groups,
        records: copy.as_slice_mut(),
        stride: states.stride,
    });
    let expected = interpreted.run(with_states(&call, copied));
    let updated = states.as_mut().map(|states| States {
        groups: states.groups,
        records: &mut *states.records,
        stride: states.stride,
    });
    let given = compiled.run(with_states(&call, updated));
    let difference = match (&given, &expected) {
        (Ok(given), Ok(expected)) => {
            let outcome = differing_outcome(&call, given, expected)?;
            let states = states.as_ref().zip(copy.as_ref());
            outcome.or_else(|| {
                let (states, copy) = states?;
                records(&code.program.updates, states.records, copy.as_slice(), states.stride)
            })
        }
        (Err(_), Err(_)) => None,
        // A query that is being stopped may stop either.
        (Err(error), Ok(_)) | (Ok(_), Err(error)) if error.code() == ErrorCode::Cancelled => {
            return Err(error.clone());
        }
        (Err(error), Ok(_)) => Some(format!("only {backend} fails: {error}")),
        (Ok(_), Err(error)) => Some(format!("only the interpreter fails: {error}")),
    };
    match difference {
        None => given,
        Some(difference) => Err(Error::internal(format!(
            "{backend} and the interpreter do not agree: {difference}\nprogram:\n{}",
            code.program
        ))
        .with_hint(
            "this is a mistake in Nyala, please report it; SET backend = interpreter is not affected",
        )),
    }
}

fn differing_outcome(call: &Call<'_>, given: &Outcome, expected: &Outcome) -> Result<Option<String>> {
    let all: Vec<u32> = match call.selection {
        Some(selection) => selection.to_vec(),
        None => (0..call.rows as u32).collect(),
    };
    if let Some(difference) = selections(given.selection.as_ref(), expected.selection.as_ref(), &all) {
        return Ok(Some(difference));
    }
    columns(&given.columns, &expected.columns, given.selection.as_deref(), &all)
}

/// The same call on other states.
fn with_states<'a>(call: &Call<'a>, states: Option<States<'a>>) -> Call<'a> {
    Call {
        rows: call.rows,
        inputs: call.inputs,
        parameters: call.parameters,
        selection: call.selection,
        states,
    }
}

/// A copy that lies as records have to.
fn aligned(records: &[u8]) -> MutableBuffer {
    let mut copy = MutableBuffer::from_len_zeroed(records.len());
    copy.as_slice_mut().copy_from_slice(records);
    copy
}
