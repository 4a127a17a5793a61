//! Runs the steps of a block in a frame.

use nyala_pipeline::program::{Parameter, ParameterType, Type};
use nyala_schema::{Error, Result};

use crate::branch;
use crate::dictionary::{self, by_entry, by_used_entry, unpacked};
use crate::frame::{Frame, Run};
use crate::kernel::{arithmetic, cast, compare, logic};
use crate::prepare::{Action, Operation, PreparedBlock};
use crate::register::Register;

/// # Errors
/// Those of the operations.
pub(crate) fn run_block(block: &PreparedBlock, frame: &mut Frame, run: &Run<'_>) -> Result<()> {
    for step in &block.steps {
        match &step.action {
            Action::Input { slot, input } => frame.set_waiting(*slot, *input),
            Action::Parameter { slot, parameter } => frame.set(*slot, constant(*parameter, run)?),
            Action::Compute { slot, operation, operands, ty } => {
                let registers =
                    operands.iter().map(|operand| frame.get(*operand, run)).collect::<Result<Vec<_>>>()?;
                let register = apply(operation, registers, ty, frame.rows, run)?;
                frame.set(*slot, register);
            }
            Action::If { slot, condition, then, otherwise, ty } => {
                let condition = frame.get(*condition, run)?;
                let register = branch::choose(&condition, then, otherwise, frame, run)?;
                frame.set(*slot, conform(register, ty)?);
            }
            Action::Filter(condition) => {
                let condition = frame.get(*condition, run)?;
                // What is not read any more need not be compacted.
                step.drops.iter().for_each(|slot| frame.drop_value(*slot));
                frame.filter(&condition)?;
            }
        }
        step.drops.iter().for_each(|slot| frame.drop_value(*slot));
    }
    Ok(())
}

fn constant(index: usize, run: &Run<'_>) -> Result<Register> {
    match (run.parameters.get(index), run.prepared.parameters.get(index)) {
        (Some(Parameter::Scalar(value)), Some(ParameterType::Scalar(ty))) => {
            Ok(Register::Constant(value.cast(&ty.data_type)?.array().clone()))
        }
        _ => Err(Error::internal(format!("the program reads parameter {index} and has no such value"))),
    }
}

fn apply(
    operation: &Operation,
    operands: Vec<Register>,
    ty: &Type,
    rows: usize,
    run: &Run<'_>,
) -> Result<Register> {
    if operands.iter().any(Register::is_dictionary) {
        if let Operation::Guest(guest) = operation {
            let encoded = (!guest.is_volatile())
                .then(|| {
                    by_used_entry(&operands, guest.is_strict(), |entries, rows| guest.call(entries, rows))
                })
                .transpose()?
                .flatten();
            if let Some(register) = encoded {
                return conform(register, ty);
            }
        } else if operation.is_deterministic() {
            let encoded = by_entry(&operands, operation.is_strict(), |entries, rows| {
                conform(compute(operation, entries, ty, rows, run)?, ty)
            })?;
            if let Some(register) = encoded {
                return Ok(register);
            }
        }
        let plain = operands.into_iter().map(unpacked).collect::<Result<Vec<_>>>()?;
        return conform(compute(operation, &plain, ty, rows, run)?, ty);
    }
    conform(compute(operation, &operands, ty, rows, run)?, ty)
}

fn compute(
    operation: &Operation,
    operands: &[Register],
    ty: &Type,
    rows: usize,
    run: &Run<'_>,
) -> Result<Register> {
    match (operation, operands) {
        (Operation::Arithmetic { op, checked }, [left, right]) => {
            arithmetic::arithmetic(*op, left, right, *checked, &ty.data_type)
        }
        (Operation::Negate { checked }, [input]) => arithmetic::negate(input, *checked),
        (Operation::Compare(op), [left, right]) => compare::compare(*op, left, right),
        (Operation::And, [left, right]) => logic::and(left, right),
        (Operation::Or, [left, right]) => logic::or(left, right),
        (Operation::Not, [input]) => logic::not(input),
        (Operation::IsNull, [input]) => logic::is_null(input),
        (Operation::Cast { safe }, [input]) => cast::cast(input, &ty.data_type, *safe),
        (Operation::Like(like), [input, pattern]) => like.evaluate(input, pattern),
        (Operation::InSet { membership, set, negated }, [input]) => match run.parameters.get(*set) {
            Some(Parameter::Set(values)) => membership.evaluate(input, values, *negated),
            _ => Err(Error::internal(format!("the program reads set {set} and has no such parameter"))),
        },
        (Operation::Call { callee, volatile }, arguments) => {
            // Even with constant arguments each row has its own random number.
            let register = callee.call(arguments, rows)?;
            match register {
                Register::Constant(_) if *volatile => Ok(Register::Column(register.into_column(rows)?)),
                other => Ok(other),
            }
        }
        (Operation::Guest(guest), arguments) => guest.call(arguments, rows),
        _ => Err(Error::internal("an operation has the wrong number of operands")),
    }
}

/// Kernels and functions may give a neighbour of the statement's type.
pub(crate) fn conform(register: Register, ty: &Type) -> Result<Register> {
    if register.data_type() == &ty.data_type || dictionary::is_text(register.data_type()) {
        return Ok(register);
    }
    cast::cast(&register, &ty.data_type, false)
}
