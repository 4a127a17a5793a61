//! Operators: one of a name, without overloads. A new definition takes the place of the old one, with the next
//! version number.

use std::sync::Arc;

use nyala_schema::command::OnConflict;
use nyala_schema::function::OperatorDefinition;
use nyala_schema::type_name::sql_identifier;
use nyala_schema::{Error, ErrorCode, Result};

use super::dependency;
use crate::near_miss::with_near_miss;
use crate::overload;
use crate::snapshot::Snapshot;

const FIRST_VERSION: u32 = 1;

/// CREATE OPERATOR of one that no module declares, whatever `definition.module` says.
pub(super) fn create(
    next: &mut Snapshot,
    definition: &OperatorDefinition,
    on_conflict: OnConflict,
) -> Result<()> {
    let name = &definition.name;
    if let Some(overloads) = next.functions.get(name) {
        return match on_conflict {
            OnConflict::Keep => Ok(()),
            OnConflict::Fail | OnConflict::Replace => Err(taken_by_function(&overloads[0])),
        };
    }
    if let Some(existing) = next.operators.get(name) {
        match on_conflict {
            OnConflict::Keep => return Ok(()),
            OnConflict::Fail => {
                return Err(duplicate(name)
                    .with_hint(format!("use OR REPLACE, or DROP OPERATOR {} first", sql_identifier(name))));
            }
            OnConflict::Replace => refuse_if_declared(existing)?,
        }
    }
    if put(next, OperatorDefinition { module: None, ..definition.clone() })? {
        let subject = format!("the operator \"{name}\", whose inputs, parameters or columns would change,");
        dependency::refuse_if_used(next, name, &subject, |_| false)?;
    }
    Ok(())
}

/// Puts an operator in place and says whether queries over the one before may not fit any more.
pub(super) fn put(next: &mut Snapshot, mut definition: OperatorDefinition) -> Result<bool> {
    let existing = next.operators.get(&definition.name);
    let operator = Arc::make_mut(&mut definition.operator);
    operator.code.name.clone_from(&definition.name);
    operator.code.version = match existing {
        None => FIRST_VERSION,
        Some(existing) => existing.operator.code.version.checked_add(1).ok_or_else(|| {
            let message = format!("the operator \"{}\" has no more version numbers", definition.name);
            Error::new(ErrorCode::TooComplex, message).with_hint("drop it and create it again")
        })?,
    };
    let replaced = existing.is_some_and(|existing| {
        let before = &existing.operator;
        before.inputs != operator.inputs
            || before.parameters != operator.parameters
            || before.output != operator.output
    });
    next.operators.insert(definition.name.clone(), Arc::new(definition));
    Ok(replaced)
}

pub(super) fn drop_operator(next: &mut Snapshot, name: &str, if_exists: bool) -> Result<()> {
    let Some(existing) = next.operators.get(name) else {
        return if if_exists { Ok(()) } else { Err(undefined(next, name)) };
    };
    refuse_if_declared(existing)?;
    next.operators.remove(name);
    dependency::refuse_if_used(next, name, &format!("the operator \"{name}\""), |_| false)
}

/// Without a hint: what to do depends on the statement.
pub(super) fn duplicate(name: &str) -> Error {
    Error::new(ErrorCode::DuplicateObject, format!("there is already an operator \"{name}\""))
}

pub(super) fn taken_by_function(existing: &nyala_schema::function::FunctionDefinition) -> Error {
    let signature = overload::signature(existing);
    Error::new(ErrorCode::DuplicateObject, format!("there is already a function {signature}"))
        .with_hint("functions and operators share their names: choose another, or drop the function first")
}

fn refuse_if_declared(operator: &OperatorDefinition) -> Result<()> {
    let Some(module) = &operator.module else { return Ok(()) };
    let message = format!("the operator \"{}\" belongs to the module \"{module}\"", operator.name);
    let module = sql_identifier(module);
    Err(Error::new(ErrorCode::Dependency, message)
        .with_hint(format!("use DROP MODULE {module} or CREATE OR REPLACE MODULE {module}")))
}

fn undefined(snapshot: &Snapshot, name: &str) -> Error {
    let error = Error::new(ErrorCode::UndefinedObject, format!("there is no operator \"{name}\""));
    if snapshot.functions.contains_key(name) {
        return error.with_hint(format!("\"{name}\" is a function: use DROP FUNCTION"));
    }
    with_near_miss(error, name, snapshot.operators.keys())
}
