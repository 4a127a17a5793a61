//! Functions: overloads of a name, each with its versions.
//!
//! A name and its argument types say which overload is meant, whatever its kind, since all kinds are called the
//! same way. Operators are called by name too, so a name is an operator's or functions', never both.

use std::sync::Arc;

use nyala_schema::command::{OnConflict, Overload};
use nyala_schema::function::{FunctionBody, FunctionDefinition, FunctionKind, FunctionVersion};
use nyala_schema::type_name::{same_sql_type, sql_identifier};
use nyala_schema::{Error, ErrorCode, Result};

use super::dependency;
use crate::overload::{existing, find, signature, takes};
use crate::snapshot::Snapshot;

const FIRST_VERSION: u32 = 1;

/// CREATE FUNCTION of a function that no module declares, whatever `definition.module` says.
pub(super) fn create(
    next: &mut Snapshot,
    definition: &FunctionDefinition,
    on_conflict: OnConflict,
) -> Result<()> {
    let signature = signature(definition);
    if next.operators.contains_key(&definition.name) {
        return match on_conflict {
            OnConflict::Keep => Ok(()),
            OnConflict::Fail | OnConflict::Replace => Err(taken_by_operator(&definition.name)),
        };
    }
    if let Some(existing) = find(next, &definition.name, &definition.argument_types()) {
        match on_conflict {
            OnConflict::Keep => return Ok(()),
            OnConflict::Fail => {
                return Err(duplicate(existing).with_hint(format!(
                    "use CREATE OR REPLACE to give it another version, or DROP FUNCTION {signature} first"
                )));
            }
            OnConflict::Replace => {
                refuse_if_declared(existing)?;
                if existing.kind != definition.kind {
                    return Err(duplicate(existing).with_hint(format!("DROP FUNCTION {signature} first")));
                }
            }
        }
    }
    if put(next, FunctionDefinition { module: None, ..definition.clone() })? {
        let types = definition.argument_types();
        let subject = format!("the function {signature}, whose result would change,");
        let itself = |user: &FunctionDefinition| user.name == definition.name && takes(user, &types);
        dependency::refuse_if_used(next, &definition.name, &subject, itself)?;
    }
    require_uses(next, definition)
}

/// Adds an overload, or a version to the one that is there: then says whether that was replaced as a whole, because
/// it differs by more than its code. Numbers go on in any case: `f@3` never means two things to running queries.
pub(super) fn put(next: &mut Snapshot, mut definition: FunctionDefinition) -> Result<bool> {
    let types = definition.argument_types();
    let [version] = definition.versions.as_mut_slice() else {
        return Err(Error::internal(format!(
            "CREATE FUNCTION {} comes with {} versions",
            definition.name,
            definition.versions.len()
        )));
    };
    let overloads = next.functions.entry(definition.name.clone()).or_default();
    let Some(existing) = overloads.iter_mut().find(|existing| takes(existing, &types)) else {
        version.number = FIRST_VERSION;
        definition.current = FIRST_VERSION;
        overloads.push(Arc::new(definition));
        return Ok(false);
    };
    version.number = next_number(existing)?;
    definition.current = version.number;
    let replaced = existing.kind != definition.kind || !same_sql_type(&existing.returns, &definition.returns);
    // SQL bodies know the arguments by name: older ones cannot be run under other names.
    let renamed = existing.arguments != definition.arguments
        && existing.versions.iter().any(|version| matches!(version.body, FunctionBody::Sql { .. }));
    if !replaced && !renamed {
        let newest = std::mem::take(&mut definition.versions);
        definition.versions = existing.versions.iter().cloned().chain(newest).collect();
    }
    *existing = Arc::new(definition);
    Ok(replaced)
}

pub(super) fn add_version(next: &mut Snapshot, overload: &Overload, version: &FunctionVersion) -> Result<()> {
    let function = existing(next, overload)?;
    let number = next_number(function)?;
    let mut changed = function.as_ref().clone();
    changed.versions.push(FunctionVersion { number, ..version.clone() });
    changed.current = number;
    require_uses(next, &changed)?;
    replace(next, changed);
    Ok(())
}

pub(super) fn set_version(next: &mut Snapshot, overload: &Overload, number: u32) -> Result<()> {
    let function = existing(next, overload)?;
    if function.version(number).is_none() {
        let numbers: Vec<String> = function.versions.iter().map(|v| v.number.to_string()).collect();
        return Err(Error::new(
            ErrorCode::UndefinedObject,
            format!("the function {} has no version {number}", signature(function)),
        )
        .with_hint(format!(
            "its versions are {}; {} is current",
            numbers.join(", "),
            function.current
        )));
    }
    let changed = FunctionDefinition { current: number, ..function.as_ref().clone() };
    replace(next, changed);
    Ok(())
}

pub(super) fn drop_function(next: &mut Snapshot, overload: &Overload, if_exists: bool) -> Result<()> {
    let function = match existing(next, overload) {
        Ok(function) => Arc::clone(function),
        Err(error) if if_exists && error.code() == ErrorCode::UndefinedFunction => return Ok(()),
        Err(error) => return Err(error),
    };
    refuse_if_declared(&function)?;
    remove(next, &function);
    let subject = format!("the function {}", signature(&function));
    dependency::refuse_if_used(next, &function.name, &subject, |_| false)
}

pub(super) fn remove(next: &mut Snapshot, function: &Arc<FunctionDefinition>) {
    if let Some(overloads) = next.functions.get_mut(&function.name) {
        overloads.retain(|kept| !Arc::ptr_eq(kept, function));
        if overloads.is_empty() {
            next.functions.remove(&function.name);
        }
    }
}

/// Refuses an SQL body over functions that are gone.
pub(super) fn require_uses(snapshot: &Snapshot, function: &FunctionDefinition) -> Result<()> {
    let Some(FunctionVersion { body: FunctionBody::Sql { uses, .. }, .. }) = function.versions.last() else {
        return Ok(());
    };
    dependency::require(snapshot, uses, &format!("the function {}", signature(function)))
}

/// Without a hint: what to do depends on the statement.
pub(super) fn duplicate(existing: &FunctionDefinition) -> Error {
    let noun = match existing.kind {
        FunctionKind::Scalar => "a function",
        FunctionKind::Aggregate => "an aggregate function",
        FunctionKind::Table => "a table function",
    };
    let message = format!("there is already {noun} {}", signature(existing));
    Error::new(ErrorCode::DuplicateFunction, message)
}

pub(super) fn taken_by_operator(name: &str) -> Error {
    Error::new(ErrorCode::DuplicateObject, format!("there is already an operator \"{name}\""))
        .with_hint("functions and operators share their names: choose another, or drop the operator first")
}

fn refuse_if_declared(function: &FunctionDefinition) -> Result<()> {
    let Some(module) = &function.module else { return Ok(()) };
    let message = format!("the function {} belongs to the module \"{module}\"", signature(function));
    let module = sql_identifier(module);
    Err(Error::new(ErrorCode::Dependency, message)
        .with_hint(format!("use DROP MODULE {module} or CREATE OR REPLACE MODULE {module}")))
}

fn replace(next: &mut Snapshot, changed: FunctionDefinition) {
    let types = changed.argument_types();
    let overloads = next.functions.entry(changed.name.clone()).or_default();
    match overloads.iter_mut().find(|function| takes(function, &types)) {
        Some(function) => *function = Arc::new(changed),
        None => overloads.push(Arc::new(changed)),
    }
}

fn next_number(function: &FunctionDefinition) -> Result<u32> {
    let greatest = function.versions.iter().map(|version| version.number).max().unwrap_or(0);
    greatest.checked_add(1).ok_or_else(|| {
        Error::new(
            ErrorCode::TooComplex,
            format!("the function {} has no more version numbers", signature(function)),
        )
        .with_hint("drop it and create it again")
    })
}
