//! Modules with what they declare: created, replaced and dropped as one.

use std::collections::BTreeSet;
use std::sync::Arc;

use nyala_schema::command::OnConflict;
use nyala_schema::function::{FunctionDefinition, ModuleDefinition, OperatorDefinition};
use nyala_schema::type_name::sql_identifier;
use nyala_schema::{Error, ErrorCode, Result};

use super::{dependency, function, operator};
use crate::near_miss::with_near_miss;
use crate::overload;
use crate::snapshot::Snapshot;

/// What a module takes away or changes: the name, and words for it.
type Change = (String, String);

pub(super) fn create(
    next: &mut Snapshot,
    definition: &ModuleDefinition,
    functions: &[FunctionDefinition],
    operators: &[OperatorDefinition],
    on_conflict: OnConflict,
) -> Result<()> {
    let module = definition.name.as_str();
    if next.modules.contains_key(module) {
        match on_conflict {
            OnConflict::Keep => return Ok(()),
            OnConflict::Fail => {
                let message = format!("there is already a module \"{module}\"");
                return Err(Error::new(ErrorCode::DuplicateObject, message)
                    .with_hint(format!("use OR REPLACE, or DROP MODULE {} first", sql_identifier(module))));
            }
            OnConflict::Replace => {}
        }
    }
    refuse_declared_twice(module, functions, operators)?;
    let mut changes = remove(next, module, |name, types| match types {
        Some(types) => functions.iter().any(|f| f.name == name && overload::takes(f, types)),
        None => operators.iter().any(|declared| declared.name == name),
    });
    for declared in functions {
        put_function(next, module, declared, &mut changes)?;
    }
    for declared in operators {
        put_operator(next, module, declared, &mut changes)?;
    }
    next.modules.insert(module.to_owned(), Arc::new(definition.clone()));
    for declared in functions {
        function::require_uses(next, declared)?;
    }
    refuse_if_used(next, module, &changes)
}

pub(super) fn drop_module(next: &mut Snapshot, name: &str, if_exists: bool) -> Result<()> {
    if next.modules.remove(name).is_none() {
        if if_exists {
            return Ok(());
        }
        let error = Error::new(ErrorCode::UndefinedObject, format!("there is no module \"{name}\""));
        return Err(with_near_miss(error, name, next.modules.keys()));
    }
    let changes = remove(next, name, |_, _| false);
    refuse_if_used(next, name, &changes)
}

/// Removes what the module declared, but not what is to be kept: a name with argument types, or without for an
/// operator.
fn remove(
    next: &mut Snapshot,
    module: &str,
    keep: impl Fn(&str, Option<&[arrow::datatypes::DataType]>) -> bool,
) -> Vec<Change> {
    let belongs = |owner: &Option<String>| owner.as_deref() == Some(module);
    let functions: Vec<_> = next
        .functions
        .values()
        .flatten()
        .filter(|f| belongs(&f.module) && !keep(&f.name, Some(&f.argument_types())))
        .cloned()
        .collect();
    let mut changes = Vec::new();
    for gone in functions {
        function::remove(next, &gone);
        changes.push((gone.name.clone(), format!("the function {}", overload::signature(&gone))));
    }
    let gone =
        next.operators.iter().filter(|(name, operator)| belongs(&operator.module) && !keep(name, None));
    let gone: Vec<String> = gone.map(|(name, _)| name.clone()).collect();
    for name in gone {
        next.operators.remove(&name);
        let what = format!("the operator \"{name}\"");
        changes.push((name, what));
    }
    changes
}

fn put_function(
    next: &mut Snapshot,
    module: &str,
    declared: &FunctionDefinition,
    changes: &mut Vec<Change>,
) -> Result<()> {
    if next.operators.contains_key(&declared.name) {
        return Err(function::taken_by_operator(&declared.name).context(cannot_declare(module)));
    }
    let signature = overload::signature(declared);
    let existing = overload::find(next, &declared.name, &declared.argument_types());
    if let Some(existing) = existing.filter(|existing| existing.module.as_deref() != Some(module)) {
        return Err(function::duplicate(existing)
            .context(cannot_declare(module))
            .with_hint(drop_first(existing.module.as_deref(), &format!("FUNCTION {signature}"))));
    }
    if function::put(next, FunctionDefinition { module: Some(module.to_owned()), ..declared.clone() })? {
        let subject = format!("the function {signature}, whose kind or result would change,");
        changes.push((declared.name.clone(), subject));
    }
    Ok(())
}

fn put_operator(
    next: &mut Snapshot,
    module: &str,
    declared: &OperatorDefinition,
    changes: &mut Vec<Change>,
) -> Result<()> {
    let name = &declared.name;
    if let Some(overloads) = next.functions.get(name) {
        return Err(operator::taken_by_function(&overloads[0]).context(cannot_declare(module)));
    }
    let existing = next.operators.get(name);
    if let Some(existing) = existing.filter(|existing| existing.module.as_deref() != Some(module)) {
        let statement = format!("OPERATOR {}", sql_identifier(name));
        return Err(operator::duplicate(name)
            .context(cannot_declare(module))
            .with_hint(drop_first(existing.module.as_deref(), &statement)));
    }
    if operator::put(next, OperatorDefinition { module: Some(module.to_owned()), ..declared.clone() })? {
        let subject = format!("the operator \"{name}\", whose inputs, parameters or columns would change,");
        changes.push((name.clone(), subject));
    }
    Ok(())
}

fn refuse_declared_twice(
    module: &str,
    functions: &[FunctionDefinition],
    operators: &[OperatorDefinition],
) -> Result<()> {
    let error = |code, what: &str| {
        Error::new(code, format!("the module \"{module}\" declares {what} twice"))
            .with_hint("remove one of them from its manifest")
    };
    for (index, declared) in functions.iter().enumerate() {
        let types = declared.argument_types();
        let before = &functions[..index];
        if before.iter().any(|other| other.name == declared.name && overload::takes(other, &types)) {
            return Err(error(ErrorCode::DuplicateFunction, &overload::signature(declared)));
        }
    }
    let mut names: BTreeSet<&str> = functions.iter().map(|declared| declared.name.as_str()).collect();
    for declared in operators {
        if !names.insert(&declared.name) {
            return Err(error(ErrorCode::DuplicateObject, &format!("\"{}\"", declared.name)));
        }
    }
    Ok(())
}

/// What the module itself declares does not count as a user: it changes together with the rest.
fn refuse_if_used(next: &Snapshot, module: &str, changes: &[Change]) -> Result<()> {
    for (name, subject) in changes {
        let own = |user: &FunctionDefinition| user.module.as_deref() == Some(module);
        let refused = dependency::refuse_if_used(next, name, subject, own);
        refused.map_err(|error| {
            error.context(format!("the module \"{module}\" cannot be changed or dropped"))
        })?;
    }
    Ok(())
}

fn cannot_declare(module: &str) -> String {
    format!("the module \"{module}\" cannot be created")
}

fn drop_first(owner: Option<&str>, statement: &str) -> String {
    match owner {
        Some(owner) => format!("it belongs to another module: DROP MODULE {} first", sql_identifier(owner)),
        None => format!("no module declared it: DROP {statement} first"),
    }
}
