//! UNDROP: what was dropped last under a name is there again, as long as it is kept.

use std::sync::Arc;

use nyala_schema::command::ObjectKind;
use nyala_schema::function::{FunctionDefinition, OperatorDefinition};
use nyala_schema::managed::ManagedTable;
use nyala_schema::table::{TableDefinition, join_name, split_name};
use nyala_schema::type_name::sql_identifier;
use nyala_schema::{Error, ErrorCode, Result};

use super::{dependency, function, identifier, operator, rollback, table};
use crate::overload;
use crate::snapshot::{Object, Retired, Snapshot};

/// Where a definition is kept.
type Key = (u64, ObjectKind, String);

pub(super) fn undrop(next: &mut Snapshot, kind: ObjectKind, name: &str, renamed: Option<&str>) -> Result<()> {
    let target = renamed.unwrap_or(name);
    if renamed.is_some() && matches!(kind, ObjectKind::Function | ObjectKind::Operator | ObjectKind::Module) {
        return Err(Error::unsupported("functions, operators and modules come back under their own name")
            .with_hint(format!("drop or rename what is called \"{name}\" now, then UNDROP it without AS")));
    }
    match kind {
        ObjectKind::Table => undrop_table(next, name, target),
        ObjectKind::Schema => undrop_schema(next, name, target),
        ObjectKind::Function => undrop_function(next, name),
        ObjectKind::Operator => undrop_operator(next, name),
        ObjectKind::Module => undrop_module(next, name),
    }
}

/// The last of that kind and name for which `fits` holds.
fn last(
    snapshot: &Snapshot,
    kind: ObjectKind,
    name: &str,
    fits: impl Fn(&Retired) -> bool,
) -> Option<(Key, Arc<Retired>)> {
    let mut newest_first = snapshot.retired.iter().rev();
    let found =
        newest_first.find(|((_, of, called), retired)| *of == kind && called == name && fits(retired));
    found.map(|(key, retired)| (key.clone(), Arc::clone(retired)))
}

fn last_dropped(
    snapshot: &Snapshot,
    kind: ObjectKind,
    noun: &str,
    name: &str,
) -> Result<(Key, Arc<Retired>)> {
    last(snapshot, kind, name, |retired| retired.is_dropped).ok_or_else(|| not_kept(snapshot, noun, name))
}

fn not_kept(snapshot: &Snapshot, noun: &str, name: &str) -> Error {
    let error =
        Error::new(ErrorCode::UndefinedObject, format!("no dropped {noun} of the name \"{name}\" is kept"));
    let dropped = snapshot.retired.iter().rev().filter(|(_, retired)| retired.is_dropped);
    let names: Vec<&str> = dropped.map(|((_, _, name), _)| name.as_str()).take(5).collect();
    if names.is_empty() {
        return error.with_hint("nothing that was dropped is kept");
    }
    error.with_hint(format!("dropped last: {}", names.join(", ")))
}

fn undrop_table(next: &mut Snapshot, name: &str, target: &str) -> Result<()> {
    let (key, retired) = last_dropped(next, ObjectKind::Table, "table or view", name)?;
    identifier::require_table_name(next, target)?;
    if let Some(existing) = next.table(target) {
        return Err(table::duplicate(target, existing)
            .with_hint(format!("give it another name: UNDROP TABLE {name} AS …")));
    }
    restore_table(next, &key, &retired, target)
}

fn restore_table(next: &mut Snapshot, key: &Key, retired: &Retired, target: &str) -> Result<()> {
    let Object::Table(definition) = &retired.object else {
        return Err(Error::internal(format!("\"{target}\" was kept as something else than a table")));
    };
    match definition.as_ref() {
        TableDefinition::View { uses, .. } => {
            dependency::require(next, uses, &format!("the view \"{target}\""))?;
        }
        TableDefinition::Managed(table) => refuse_second(next, table, target)?,
        TableDefinition::External(_) => {}
    }
    next.tables.insert(target.to_owned(), Arc::clone(definition));
    rollback::forget_drop(next, key);
    Ok(())
}

/// Two tables must never share their files.
fn refuse_second(snapshot: &Snapshot, table: &ManagedTable, target: &str) -> Result<()> {
    let mut live = snapshot.tables.iter();
    let twin = live.find(|(_, other)| other.managed().is_some_and(|other| other.id == table.id));
    match twin {
        None => Ok(()),
        Some((name, _)) => {
            Err(Error::new(ErrorCode::DuplicateTable, format!("\"{target}\" is there, as \"{name}\""))
                .with_hint("use CREATE TABLE … AS to copy it"))
        }
    }
}

/// With the tables that went together with it.
fn undrop_schema(next: &mut Snapshot, name: &str, target: &str) -> Result<()> {
    let (key, _) = last_dropped(next, ObjectKind::Schema, "schema", name)?;
    super::schema::create(next, target, false)?;
    let version = key.0;
    rollback::forget_drop(next, &key);
    for (key, retired) in of_version(next, version, ObjectKind::Table) {
        let (schema, table) = split_name(&key.2);
        if schema == name && retired.is_dropped {
            restore_table(next, &key, &retired, &join_name(target, table))?;
        }
    }
    Ok(())
}

fn of_version(snapshot: &Snapshot, version: u64, kind: ObjectKind) -> Vec<(Key, Arc<Retired>)> {
    let from = (version, kind, String::new());
    let of_version =
        snapshot.retired.range(from..).take_while(|((of, what, _), _)| *of == version && *what == kind);
    of_version.map(|(key, retired)| (key.clone(), Arc::clone(retired))).collect()
}

/// The overloads of the name that are not there.
fn undrop_function(next: &mut Snapshot, name: &str) -> Result<()> {
    let missing = |retired: &Retired| missing_overloads(next, retired);
    let found = last(next, ObjectKind::Function, name, |retired| !missing(retired).is_empty());
    let Some((key, retired)) = found else { return Err(not_kept(next, "function", name)) };
    let missing = missing(&retired);
    if next.operators.contains_key(name) {
        return Err(function::taken_by_operator(name));
    }
    for function in missing {
        require_module(next, function.module.as_deref(), &format!("the function \"{name}\""))?;
        restore_function(next, &function)?;
    }
    rollback::forget_drop(next, &key);
    Ok(())
}

fn missing_overloads(snapshot: &Snapshot, retired: &Retired) -> Vec<Arc<FunctionDefinition>> {
    let Object::Functions(overloads) = &retired.object else { return Vec::new() };
    let is_missing =
        |f: &&Arc<FunctionDefinition>| overload::find(snapshot, &f.name, &f.argument_types()).is_none();
    overloads.iter().filter(is_missing).cloned().collect()
}

fn restore_function(next: &mut Snapshot, function: &Arc<FunctionDefinition>) -> Result<()> {
    next.functions.entry(function.name.clone()).or_default().push(Arc::clone(function));
    function::require_uses(next, function)
}

fn require_module(snapshot: &Snapshot, module: Option<&str>, subject: &str) -> Result<()> {
    match module.filter(|module| !snapshot.modules.contains_key(*module)) {
        None => Ok(()),
        Some(module) => {
            let message = format!("{subject} belongs to the module \"{module}\", which is not there");
            Err(Error::new(ErrorCode::Dependency, message)
                .with_hint(format!("bring that back: UNDROP MODULE {}", sql_identifier(module))))
        }
    }
}

fn undrop_operator(next: &mut Snapshot, name: &str) -> Result<()> {
    let (key, retired) = last_dropped(next, ObjectKind::Operator, "operator", name)?;
    let Object::Operator(definition) = &retired.object else {
        return Err(Error::internal(format!("\"{name}\" was kept as something else than an operator")));
    };
    require_module(next, definition.module.as_deref(), &format!("the operator \"{name}\""))?;
    restore_operator(next, definition)?;
    rollback::forget_drop(next, &key);
    Ok(())
}

fn restore_operator(next: &mut Snapshot, definition: &Arc<OperatorDefinition>) -> Result<()> {
    let name = &definition.name;
    if let Some(overloads) = next.functions.get(name) {
        return Err(operator::taken_by_function(&overloads[0]));
    }
    if next.operators.contains_key(name) {
        return Err(operator::duplicate(name).with_hint("drop it first"));
    }
    next.operators.insert(name.clone(), Arc::clone(definition));
    Ok(())
}

/// With what it declared.
fn undrop_module(next: &mut Snapshot, name: &str) -> Result<()> {
    let (key, retired) = last_dropped(next, ObjectKind::Module, "module", name)?;
    let Object::Module(definition) = &retired.object else {
        return Err(Error::internal(format!("\"{name}\" was kept as something else than a module")));
    };
    if next.modules.contains_key(name) {
        return Err(Error::new(ErrorCode::DuplicateObject, format!("there is already a module \"{name}\""))
            .with_hint("drop it first"));
    }
    next.modules.insert(name.to_owned(), Arc::clone(definition));
    for (key, retired) in of_version(next, key.0, ObjectKind::Function) {
        let Object::Functions(overloads) = &retired.object else { continue };
        for function in overloads.iter().filter(|function| function.module.as_deref() == Some(name)) {
            if next.operators.contains_key(&function.name) {
                return Err(function::taken_by_operator(&function.name));
            }
            if let Some(existing) = overload::find(next, &function.name, &function.argument_types()) {
                return Err(function::duplicate(existing).with_hint("drop that first"));
            }
            restore_function(next, function)?;
        }
        rollback::forget_drop(next, &key);
    }
    for (key, retired) in of_version(next, key.0, ObjectKind::Operator) {
        let Object::Operator(definition) = &retired.object else { continue };
        if definition.module.as_deref() == Some(name) {
            restore_operator(next, definition)?;
            rollback::forget_drop(next, &key);
        }
    }
    rollback::forget_drop(next, &key);
    Ok(())
}
